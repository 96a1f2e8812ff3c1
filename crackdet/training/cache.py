"""The cache of frozen features: what no training changes is computed once for each image.

Below the boundary of an unfreeze depth everything is frozen, batch normalization included, so the
network's output there is a constant of the image: whole(x) = suffix(prefix(x)). It is kept on
disk as float16 and training runs on it.
"""

import json
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from crackdet.data.images import PREPROCESSING_VERSION
from crackdet.data.splits import ImageSplit
from crackdet.files import read_json
from crackdet.models import split_at, unfreeze_depth
from crackdet.training.digests import config_digest, network_digest, text_digest
from crackdet.training.engines import ENGINES, Engine, jit_compile, make_engine
from crackdet.training.features import CachedFeatures, FeatureBatches
from crackdet.training.passes import fill, image_batches, table_batches
from crackdet.training.tables import FeatureTable

# Pixels of a pass that is over before OpenVINO has converted the model: some 6 seconds, in which
# two cores run 500 images of 224 pixels through Keras. It is no measured time, so that the same
# run takes the same engine.
WORTH_CONVERTING = 500 * 224 * 224

PREPROCESSING_LAYER = "preprocessing"


class FeatureCache:
    """Features of images below an unfreeze depth, computed once and kept on disk.

    A table holds one row for each distinct image of a data set, for one image size, boundary,
    augmented view, and the weights and configuration of the layers below the boundary. All of
    these name the table, so changed weights or images are never served stale. Rows are computed
    when first asked for: from the images, or from a boundary nearer to the images where that is
    already complete, which differs by the rounding to float16 alone.

    Augmented views (`view >= 1`) apply the augmentation to fixed chunks of 32 images with a seed
    made from `(seed, view, chunk)`: a row's value does not depend on which rows were asked for
    before. It must therefore treat each image alone, as layers that keep the label do.

    Args:
        directory: Folder of the tables. It can be deleted at any time between runs.
        engine: "keras"; "openvino"; or "auto": OpenVINO for passes that are worth its start,
            when it is installed and agrees with Keras within 1e-3 of the largest feature.
        verbose: 0 for no line of progress.

    Example:

    >>> cache = FeatureCache("cache")
    >>> pooled = cache.features(model, 0, data.train)
    >>> pooled[:8].shape
    (8, 1280)
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        engine: str = "auto",
        verbose: int = 1,
    ):
        if engine not in ENGINES:
            raise ValueError(f"Expected engine to be one of {ENGINES}. Received: {engine!r}")
        self.directory = Path(directory)
        self.engine = engine
        self.verbose = verbose
        self._engines: dict[tuple, Engine] = {}

    def features(
        self,
        model: keras.Model,
        depth: int,
        split: ImageSplit,
        view: int = 0,
        augmentation: keras.Layer | None = None,
        seed: int = 0,
    ) -> CachedFeatures:
        """Returns the features of a split's images at a boundary, computing what is missing.

        Args:
            model: A classifier of `crackdet.models`.
            depth: Unfreeze depth, 0..18: the features are the input of what it trains.
            split: The images.
            view: 0 for the images as they are, 1 and above for augmented views.
            augmentation: Layer that makes the augmented views. Defaults to the model's own.
            seed: Seed of the augmented views.

        Returns:
            Float16 features aligned with `split`, indexable like an array, read from disk.

        Raises:
            CrackdetError: If an image cannot be read, the disk is full or the features do not
                fit in float16.
            ValueError: If an augmented view is asked for without augmentation.
        """
        check_image_size(model, split)
        layer = _augmentation(model, augmentation) if view else None
        prefix, _ = split_at(model, depth)
        images = {
            "universe": text_digest("\n".join(split.universe)),
            "image_size": list(split.image_size),
            "preprocessing": PREPROCESSING_VERSION,
            "view": view,
            "augmentation": [config_digest([layer]), seed] if layer is not None else None,
        }
        meta = _describe(images, prefix, depth, len(split.universe))
        table = FeatureTable.open(self._folder(meta), meta)
        rows, indices = np.unique(split.rows, return_index=True)
        undone = ~table.done()[rows]
        if undone.any():
            rows, indices = rows[undone], indices[undone]
            nearest = self._nearest(model, meta, rows)
            if nearest is None:
                network, batches = prefix, image_batches(split, indices, layer, (seed, view))
            else:
                deeper_table, deeper_prefix = nearest
                network = _between(model, deeper_prefix, prefix)
                batches = table_batches(deeper_table, rows)
            pixels = len(rows) * split.image_size[0] * split.image_size[1]
            fill(
                table,
                batches,
                len(rows),
                lambda sample: self._engine(network, sample, pixels),
                text=f"features at depth {depth}, view {view}",
                visible=bool(self.verbose),
            )
        return CachedFeatures(table.values(), split.rows)

    def predict(self, model: keras.Model, split: ImageSplit) -> np.ndarray:
        """Returns the whole model's probabilities, computing only what is not frozen.

        Args:
            model: A classifier of `crackdet.models`.
            split: The images.

        Returns:
            Array of shape `(split.num_images, num_classes)`, float32, in the order of
            `split.labels`, equal to `model.predict` to the rounding of features to float16.
        """
        depth = unfreeze_depth(model)
        features = self.features(model, depth, split)
        _, suffix = split_at(model, depth)
        suffix.jit_compile = jit_compile()
        batches = FeatureBatches([features], split.labels, batch_size=256)
        return suffix.predict(batches, verbose=0)

    def _folder(self, meta: dict[str, Any]) -> Path:
        return self.directory / meta["universe"] / text_digest(json.dumps(meta, sort_keys=True))

    def _nearest(
        self, model: keras.Model, meta: dict[str, Any], rows: np.ndarray
    ) -> tuple[FeatureTable, keras.Model] | None:
        """Finds the closest boundary nearer to the images that holds all of `rows`.

        Returns:
            Its table and the prefix that ends there, or None.
        """
        same = ("universe", "image_size", "preprocessing", "view", "augmentation")
        for depth in sorted(self._depths({name: meta[name] for name in same})):
            if depth <= meta["depth"]:
                continue
            prefix, _ = split_at(model, depth)
            deeper = _describe({name: meta[name] for name in same}, prefix, depth, meta["rows"])
            if (self._folder(deeper) / "table.json").exists():
                table = FeatureTable.open(self._folder(deeper), deeper)
                if table.done()[rows].all():
                    return table, prefix
        return None

    def _depths(self, wanted: dict[str, Any]) -> set[int]:
        """Returns the depths of all tables of the same images and view, whatever the weights."""
        depths = set()
        for path in (self.directory / wanted["universe"]).glob("*/table.json"):
            meta = read_json(path)
            if all(meta[name] == value for name, value in wanted.items()):
                depths.add(meta["depth"])
        return depths

    def _engine(self, network: keras.Model, sample: np.ndarray, pixels: int) -> Engine:
        small = self.engine == "auto" and pixels < WORTH_CONVERTING
        key: tuple = (network_digest(network), network.inputs[0].shape)
        if small and key not in self._engines:
            name, key = "keras", ("keras", *key)
        else:
            name = self.engine
        if key not in self._engines:
            self._engines[key] = make_engine(name, network, sample)
        return self._engines[key]


def check_image_size(model: keras.Model, split: ImageSplit) -> None:
    """Raises ValueError unless a model takes images of a split's size."""
    expected = tuple(model.inputs[0].shape[1:3])
    if expected != split.image_size:
        raise ValueError(
            f"Expected images of {expected}, which the model takes. Received: {split.image_size}; "
            "load the data with the model's image_size."
        )


def _describe(images: dict[str, Any], prefix: keras.Model, depth: int, rows: int) -> dict[str, Any]:
    """Returns all that decides the content of a table; its folder is named by it."""
    return {
        **images,
        "depth": depth,
        "prefix": network_digest(prefix),
        "rows": rows,
        "row_shape": list(prefix.outputs[0].shape[1:]),
    }


def _augmentation(model: keras.Model, given: keras.Layer | None) -> keras.Layer:
    """Returns the layer that augments: `given`, or what the model does before preprocessing."""
    if given is not None:
        return given
    entry = model.get_layer(PREPROCESSING_LAYER).input
    if entry is model.inputs[0]:
        raise ValueError("Augmented views need augmentation: the model has none; pass one.")
    return keras.Model(model.inputs[0], entry, name="augmentation")


def _between(model: keras.Model, deeper: keras.Model, prefix: keras.Model) -> keras.Model:
    """Returns the part of the model from the boundary of one prefix to that of another."""
    start, end = (model.get_layer(part.layers[-1].name).output for part in (deeper, prefix))
    return keras.Model(start, end)
