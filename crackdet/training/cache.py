"""The cache of frozen features: what no training changes is computed once for each image.

Below the boundary of an unfreeze depth everything is frozen, batch normalization included, so the
network's output there is a constant of the image: whole(x) = suffix(prefix(x)). It is kept on
disk as float16 and training runs on it.
"""

import copy
import math
import os
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from crackdet.data.dataset import CrackData
from crackdet.data.splits import ImageSplit
from crackdet.models import split_at, unfreeze_depth
from crackdet.training import storage
from crackdet.training.digests import config_digest, network_digest
from crackdet.training.engines import ENGINES, Engine, jit_compile, make_engine
from crackdet.training.features import CachedFeatures, FeatureBatches
from crackdet.training.locks import in_turn
from crackdet.training.passes import end_of, fill, flattened, image_batches, table_batches
from crackdet.training.storage import FILLING_LOCK, CacheTooSmall, table_folder
from crackdet.training.tables import FeatureTable
from crackdet.training.views import Augmenter, make_augmenter
from crackdet.training.wanted import (
    PREPROCESSING_LAYER,
    Wanted,
    asked,
    describe,
    missing_bytes,
    words,
)

# Pixels of images whose pass is over before a faster engine has converted the model: some 1 second,
# in which two cores run 100 images of 224 pixels through Keras. It is no measured time, so that the
# same run takes the same engine.
WORTH_CONVERTING = 100 * 224 * 224


class FeatureCache:
    """Features of images below an unfreeze depth, computed once and kept on disk.

    A table holds one row for each distinct image of a data set, for one image size, boundary,
    augmented view, and the weights and configuration of the layers below the boundary. All of
    these name the table, so changed weights or images are never served stale. Rows are computed
    when first asked for: from the images, or from a boundary nearer to the images where that is
    already complete, which differs by the rounding to float16 alone.

    In augmented views (`view >= 1`) the augmentation sees each image alone, with a seed made from
    the image's content, the view and the seed: no value depends on what else is asked for.

    Several processes may share a folder: one computes at a time, for a pass keeps all cores busy,
    and the others wait for it only if they need what is not there yet. When a table does not fit
    in `max_gb`, those that were not used for longest are removed, but none that a living process
    has open. A cache can be pickled.

    Args:
        directory: Folder of the tables. It can be deleted at any time between runs.
        engine: "keras"; "openvino"; "onnxruntime"; or "auto": for passes that are worth its
            start, the first of OpenVINO and ONNX Runtime that is installed and agrees with Keras
            within 1e-3 of the largest feature.
        max_gb: Gigabytes (10^9 bytes) of disk that the cache may take. Defaults to a quarter of
            what the disk would have free without it, as found at first use.
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
        max_gb: float | None = None,
        verbose: int = 1,
    ):
        if engine not in ENGINES:
            raise ValueError(f"Expected engine to be one of {ENGINES}. Received: {engine!r}")
        if max_gb is not None and max_gb <= 0:
            raise ValueError(f"Expected max_gb above 0, or None. Received: {max_gb!r}")
        # Absolute, for a cache that travels to a process that stands elsewhere.
        self.directory = Path(directory).absolute()
        self.engine = engine
        self.verbose = verbose
        self._limit = None if max_gb is None else int(max_gb * storage.GB)
        self._refused: frozenset[int] = frozenset()
        self._engines: dict[tuple, Engine] = {}
        self._augmenters: dict[tuple, Augmenter] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_engines": {}, "_augmenters": {}}

    @property
    def max_bytes(self) -> int:
        """Bytes of disk that the cache may take."""
        if self._limit is None:
            self._limit = storage.default_limit(self.directory)
        return self._limit

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
            CacheTooSmall: If they do not fit in the cache's share of the disk.
            CrackdetError: If an image cannot be read, the disk is full or the features do not
                fit in float16.
            ValueError: If an augmented view is asked for without augmentation.
        """
        wanted = Wanted.of(model, [depth], split, view, augmentation, seed)
        return CachedFeatures(self._tables(model, wanted)[depth], split.rows)

    def fill(
        self,
        model: keras.Model,
        depths: Iterable[int],
        split: ImageSplit,
        view: int = 0,
        augmentation: keras.Layer | None = None,
        seed: int = 0,
    ) -> None:
        """Computes the features at several boundaries in one pass over a split's images.

        One network with an output for each boundary runs once over the images that any of them
        lacks. What is complete is left alone.

        Args:
            model: A classifier of `crackdet.models`.
            depths: Unfreeze depths, each 0..18.
            split: The images.
            view: As in `features`.
            augmentation: As in `features`.
            seed: As in `features`.

        Raises:
            CacheTooSmall: If they do not fit all together.
            CrackdetError: As `features`.
            ValueError: As `features`.
        """
        self._tables(model, Wanted.of(model, depths, split, view, augmentation, seed))

    def prepare(
        self,
        model: keras.Model,
        depths: Iterable[int],
        data: CrackData,
        views: int = 1,
        augmentation: keras.Layer | None = None,
        seed: int = 0,
    ) -> list[int]:
        """Computes what trainings at several unfreeze depths share: to be called once, before.

        One pass for each view of `data.train` and one over `data.validation`. Depths for which
        the cache has no room are left out with a warning, those that need most of it first.

        Args:
            model: A classifier of `crackdet.models`, with the weights that all trainings start
                from.
            depths: Unfreeze depths, each 0..18.
            data: Its `train` and `validation` are used.
            views: Views of each image of `train`: itself and `views - 1` augmented ones.
            augmentation: As in `features`.
            seed: Seed of the augmented views.

        Returns:
            The depths that are now complete, in increasing order.
        """
        works = Wanted.of_training(model, depths, data, views, augmentation, seed)
        held = [self._found(each) for each in works]  # open, so that no pass removes them
        needed = missing_bytes(works, held)
        while sum(needed.values()):
            available = storage.room(self.directory, self.max_bytes)
            if sum(needed.values()) <= available:
                break
            depth = max(needed, key=lambda depth: needed[depth])
            error = storage.too_small(
                asked(depth, views), needed.pop(depth), available, self.max_bytes
            )
            warnings.warn(str(error), stacklevel=2)
        for each in works:
            held.append(self._tables(model, each, sorted(needed)))
        return sorted(needed)

    def without(self, depths: Iterable[int]) -> "FeatureCache":
        """Returns this cache for trainings that compute no features at some depths.

        Else those that share a cache might remove each other's features in turn. What would
        compute features at these depths raises `CacheTooSmall`.

        Args:
            depths: Unfreeze depths, such as those that `prepare` has left out.
        """
        other = copy.copy(self)
        other._refused = self._refused | frozenset(depths)
        return other

    def training_features(
        self, model: keras.Model, depth: int, data: CrackData, views: int = 1, seed: int = 0
    ) -> tuple[list[CachedFeatures], CachedFeatures]:
        """Returns what a training runs on; where not all of it has room, nothing is computed.

        Args:
            model: A classifier of `crackdet.models`.
            depth: Unfreeze depth, 0..18.
            data: Its `train` and `validation` are used.
            views: As in `prepare`, by the model's own augmentation.
            seed: Seed of the augmented views.

        Returns:
            Features of each view of `data.train`, and those of `data.validation`.

        Raises:
            CacheTooSmall: As `features`.
            CrackdetError: As `features`.
            ValueError: As `features`.
        """
        works = Wanted.of_training(model, [depth], data, views, None, seed)
        held = [self._found(each) for each in works]
        needed = missing_bytes(works, held)[depth]
        available = storage.room(self.directory, self.max_bytes) if needed else 0
        if needed > available:
            raise storage.too_small(asked(depth, views), needed, available, self.max_bytes)
        clean, validation, *augmented = (
            CachedFeatures(self._tables(model, each)[depth], each.split.rows) for each in works
        )
        return [clean, *augmented], validation

    def predict(self, model: keras.Model, split: ImageSplit) -> np.ndarray:
        """Returns the whole model's probabilities, computing only what is not frozen.

        Where the cache has no room for the features, the whole model runs, with a warning.

        Args:
            model: A classifier of `crackdet.models`.
            split: The images.

        Returns:
            Array of shape `(split.num_images, num_classes)`, float32, in the order of
            `split.labels`, equal to `model.predict` to the rounding of features to float16.
        """
        depth = unfreeze_depth(model)
        try:
            features = self.features(model, depth, split)
        except CacheTooSmall as error:
            warnings.warn(f"{error} The whole model predicts, more slowly.", stacklevel=2)
            return model.predict(split.in_order(), verbose=0)
        _, suffix = split_at(model, depth)
        suffix.jit_compile = jit_compile()
        # Rows of the head are small, those of deep boundaries are images of many channels.
        size = split.batch_size if depth else 256
        batches = FeatureBatches([features], split.labels, batch_size=size)
        return suffix.predict(batches, verbose=0)

    def _tables(
        self, model: keras.Model, wanted: Wanted, depths: Iterable[int] | None = None
    ) -> dict[int, FeatureTable]:
        """Returns open tables that hold all rows of some of the wanted depths, or of all."""
        depths = list(wanted.metas if depths is None else depths)
        tables = self._found(wanted)
        if lacking := wanted.lacking(tables, depths):
            if self._refused.intersection(lacking):
                raise storage.left_out(f"Features at unfreeze depth {words(lacking)}")
            storage.make_directory(self.directory)
            with in_turn(self.directory / FILLING_LOCK, self._say_that_it_waits):
                tables = self._found(wanted)  # another process may have been faster
                if lacking := wanted.lacking(tables, depths):
                    self._compute(model, wanted, tables, lacking)
        return tables

    def _found(self, wanted: Wanted) -> dict[int, FeatureTable]:
        """Returns the tables that are there, complete or not, opened."""
        found = {}
        for depth, meta in wanted.metas.items():
            table = FeatureTable.find(table_folder(self.directory, meta), meta)
            if table is not None:
                found[depth] = table
        return found

    def _compute(
        self,
        model: keras.Model,
        wanted: Wanted,
        tables: dict[int, FeatureTable],
        lacking: list[int],
    ) -> None:
        """Runs one pass that completes the tables of the depths in `lacking`."""
        source = self._source(model, wanted, max(lacking))
        storage.sweep(self.directory)
        storage.make_room(
            self.directory,
            sum(wanted.missing_bytes(tables, depth) for depth in lacking),
            self.max_bytes,
            f"Features at unfreeze depth {words(lacking)}, view {wanted.view},",
        )
        for depth in lacking:
            meta = wanted.metas[depth]
            tables[depth] = FeatureTable.open(table_folder(self.directory, meta), meta)
        chosen = [tables[depth] for depth in lacking]
        undone = ~np.all([table.done()[wanted.rows] for table in chosen], axis=0)
        boundaries = [end_of(model, wanted.prefixes[depth]) for depth in lacking]
        if source is None:
            network = flattened(model.get_layer(PREPROCESSING_LAYER).input, boundaries)
            batches = image_batches(wanted.split, wanted.indices[undone], self._augment(wanted))
        else:
            network = flattened(end_of(model, source[1]), boundaries)
            batches = table_batches(source[0], wanted.rows[undone])
        sizes = [table.row_size for table in chosen]
        # Of all that is wanted: a pass that goes on after a stop takes the engine it began with.
        pixels = len(wanted.rows) * math.prod(wanted.split.image_size)
        fill(
            chosen,
            batches,
            int(undone.sum()),
            lambda sample: self._engine(network, lacking, sample, pixels, sizes),
            text=f"features at depth {words(lacking)}, view {wanted.view}",
            visible=bool(self.verbose),
        )

    def _source(
        self, model: keras.Model, wanted: Wanted, deepest: int
    ) -> tuple[FeatureTable, keras.Model] | None:
        """Finds the closest boundary nearer to the images that holds all wanted rows.

        Returns:
            Its table and the prefix that ends there, or None.
        """
        images = wanted.images()
        for depth in sorted(storage.stored_depths(self.directory, images)):
            if depth <= deepest:
                continue
            prefix, _ = split_at(model, depth)
            meta = describe(images, prefix, depth)
            table = FeatureTable.find(table_folder(self.directory, meta), meta)
            if table is not None and table.done()[wanted.rows].all():
                return table, prefix
        return None

    def _engine(
        self,
        network: keras.Model,
        depths: list[int],
        sample: np.ndarray,
        pixels: int,
        sizes: list[int],
    ) -> Engine:
        small = self.engine == "auto" and pixels < WORTH_CONVERTING
        name = "keras" if small else self.engine
        # The depths too: where boundaries branch off shared layers, no layer tells.
        key = (name, network_digest(network), network.inputs[0].shape, *depths)
        if key not in self._engines:
            self._engines[key] = make_engine(name, network, sample, sizes)
        return self._engines[key]

    def _augment(self, wanted: Wanted) -> Callable[[np.ndarray, list[str]], np.ndarray] | None:
        """Returns what makes the wanted view of images; compiled once for all views."""
        if wanted.layer is None:
            return None
        key = (config_digest([wanted.layer]), *wanted.split.image_size)
        if key not in self._augmenters:
            self._augmenters[key] = make_augmenter(wanted.layer, wanted.split.image_size)
        return partial(self._augmenters[key], view=wanted.view, seed=wanted.seed)

    def _say_that_it_waits(self) -> None:
        if self.verbose:
            print(f"Waiting for another process that fills {self.directory}.", flush=True)
