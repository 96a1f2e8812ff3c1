"""What is asked of the cache: the features of one view of a split's images at some depths."""

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from crackdet.data.dataset import CrackData
from crackdet.data.images import PREPROCESSING_VERSION
from crackdet.data.splits import ImageSplit
from crackdet.models import split_at
from crackdet.training.digests import config_digest, network_digest, text_digest
from crackdet.training.tables import FeatureTable
from crackdet.training.views import SCHEME

PREPROCESSING_LAYER = "preprocessing"

# Goes up when tables of before may hold something else. Before 2, a pass over several boundaries
# could give the rows of one to another of the same shape.
TABLE_VERSION = 2

# What the tables of one view of the same images have in common.
SAME_IMAGES = (
    "version",
    "universe",
    "image_size",
    "preprocessing",
    "view",
    "augmentation",
    "rows",
)


@dataclass(frozen=True)
class Wanted:
    """One view of a split's images at some depths.

    Args:
        split: The images.
        view: 0 for the images as they are, 1 and above for augmented views.
        layer: What augments them; None in view 0.
        seed: Seed of the augmented views.
        rows: The distinct rows of the images, int64 `(distinct,)`.
        indices: An image of each of these rows.
        metas: All that decides the content of the table of each depth.
        prefixes: The network below the boundary of each depth.
    """

    split: ImageSplit
    view: int
    layer: keras.Layer | None
    seed: int
    rows: np.ndarray
    indices: np.ndarray
    metas: dict[int, dict[str, Any]]
    prefixes: dict[int, keras.Model]

    @classmethod
    def of(
        cls,
        model: keras.Model,
        depths: Iterable[int],
        split: ImageSplit,
        view: int,
        augmentation: keras.Layer | None,
        seed: int,
    ) -> "Wanted":
        """Describes the features of a model; see `FeatureCache.features`."""
        check_image_size(model, split)
        if not split.num_images:
            raise ValueError(f"Expected images; the split {split.name} is empty.")
        layer = _augmentation(model, augmentation) if view else None
        # Python's integers, since JSON takes no number of NumPy.
        view, seed = operator.index(view), operator.index(seed)
        prefixes = {int(depth): split_at(model, depth)[0] for depth in sorted(set(depths))}
        images = {
            "version": TABLE_VERSION,
            "universe": text_digest("\n".join(split.universe)),
            "image_size": list(split.image_size),
            "preprocessing": PREPROCESSING_VERSION,
            "view": view,
            "augmentation": None if layer is None else [SCHEME, config_digest([layer]), seed],
            "rows": len(split.universe),
        }
        metas = {depth: describe(images, prefix, depth) for depth, prefix in prefixes.items()}
        rows, indices = np.unique(split.rows, return_index=True)
        return cls(split, view, layer, seed, rows, indices, metas, prefixes)

    @classmethod
    def of_training(
        cls,
        model: keras.Model,
        depths: Iterable[int],
        data: CrackData,
        views: int,
        augmentation: keras.Layer | None,
        seed: int,
    ) -> list["Wanted"]:
        """Describes what a training asks for: each view of train, and validation as it is."""
        depths = sorted(set(depths))
        # The long pass first: it is worth a fast engine, which the short one then uses too.
        shown = [(data.train, 0), (data.validation, 0)]
        shown += [(data.train, view) for view in range(1, views)]
        return [cls.of(model, depths, split, view, augmentation, seed) for split, view in shown]

    def images(self) -> dict[str, Any]:
        """Returns what the tables of all depths have in common."""
        meta = next(iter(self.metas.values()))
        return {name: meta[name] for name in SAME_IMAGES}

    def missing_bytes(self, tables: Mapping[int, FeatureTable], depth: int) -> int:
        """Returns the bytes that a depth's rows will take which `tables` do not hold yet."""
        table = tables.get(depth)
        missing = len(self.rows) if table is None else int((~table.done()[self.rows]).sum())
        return missing * 2 * int(np.prod(self.metas[depth]["row_shape"]))

    def lacking(self, tables: Mapping[int, FeatureTable], depths: Iterable[int]) -> list[int]:
        """Returns the depths of which `tables` do not hold all rows."""
        return [depth for depth in depths if self.missing_bytes(tables, depth)]


def missing_bytes(
    works: Sequence[Wanted], found: Sequence[Mapping[int, FeatureTable]]
) -> dict[int, int]:
    """Returns for each depth the bytes that `found`, the tables of each of `works`, lack."""
    return {
        depth: sum(
            each.missing_bytes(tables, depth) for each, tables in zip(works, found, strict=True)
        )
        for depth in works[0].metas
    }


def asked(depth: int, views: int) -> str:
    """Returns words for the features of a training."""
    return f"Features at unfreeze depth {depth}, {views} view{'s' * (views > 1)},"


def words(depths: Iterable[int]) -> str:
    """Returns words for depths."""
    return ", ".join(map(str, depths))


def check_image_size(model: keras.Model, split: ImageSplit) -> None:
    """Raises ValueError unless a model takes images of a split's size."""
    expected = tuple(model.inputs[0].shape[1:3])
    if expected != split.image_size:
        raise ValueError(
            f"Expected images of {expected}, which the model takes. Received: {split.image_size}; "
            "load the data with the model's image_size."
        )


def describe(images: dict[str, Any], prefix: keras.Model, depth: int) -> dict[str, Any]:
    """Returns all that decides the content of a table; its folder is named by it."""
    return {
        **images,
        "depth": depth,
        "prefix": network_digest(prefix),
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
