"""The cache of frozen features: what no training changes is computed once for each image.

Below the boundary of an unfreeze depth everything is frozen, batch normalization included, so the
network's output there is a constant of the image: whole(x) = suffix(prefix(x)). It is kept on
disk as float16 and training runs on it.
"""

import copy
import math
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from crackdet.data.dataset import CrackData
from crackdet.data.splits import ImageSplit
from crackdet.devices import jit_compile
from crackdet.engines import ENGINES
from crackdet.errors import CrackdetWarning
from crackdet.features.batches import CachedFeatures, FeatureBatches
from crackdet.features.computing import (
    KeptEngines,
    KeptViews,
    fill,
    flattened,
    image_batches,
    table_batches,
)
from crackdet.features.request import (
    FeatureRequest,
    describe,
    in_words,
    missing_bytes,
    training_in_words,
)
from crackdet.features.store import CacheTooSmall, FeatureStore, FeatureTable
from crackdet.models.units import boundary, preprocessing_input, suffix_at, unfreeze_depth


class FeatureCache:
    """Features of images below an unfreeze depth, computed once and kept on disk.

    A table holds one row for each distinct image of a data set, for one image size, boundary,
    augmented view, and the weights and configuration of the layers below the boundary. All of
    these name the table, so changed weights or images are never served stale. Rows are computed
    when first asked for: from the images, or from a boundary nearer to the images where that is
    already complete, which differs by the rounding to float16 alone.

    In augmented views (`view >= 1`) the augmentation sees each image alone, with a seed made from
    the image's content, the view and the seed: no value depends on what else is asked for. Where
    they are painted before, their table holds the labels that are then right, and where cracks
    were painted if the painting says so.

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
        half_precision: Whether passes compute in float16, with Keras: for GPUs, where it is
            faster. Features move by some 2 % of the largest, and have tables of their own; a model
            that they move by more than 5 % is refused.
        locks: False for a folder on a file system without locks. Then this process alone computes
            features, those that the cache travels to only read them, and no table is removed.
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
        half_precision: bool = False,
        locks: bool = True,
        verbose: int = 1,
    ):
        if engine not in ENGINES:
            raise ValueError(f"Expected engine to be one of {ENGINES}. Received: {engine!r}")
        if max_gb is not None and max_gb <= 0:
            raise ValueError(f"Expected max_gb above 0, or None. Received: {max_gb!r}")
        limit = None if max_gb is None else int(max_gb * 1e9)
        # Absolute, for a cache that travels to a process that stands elsewhere.
        self.directory = Path(directory).absolute()
        self.engine = engine
        self.half_precision = half_precision
        self.verbose = verbose
        self._store = FeatureStore(self.directory, max_bytes=limit, locks=locks)
        # Depths at which nothing is computed here; None for all.
        self._read_only: frozenset[int] | None = frozenset()
        self._engines = KeptEngines(engine, half_precision)
        self._views = KeptViews()

    def __getstate__(self) -> dict[str, Any]:
        engines = KeptEngines(self.engine, self.half_precision)
        state = {**self.__dict__, "_engines": engines, "_views": KeptViews()}
        return state if self._store.locks else {**state, "_read_only": None}

    @property
    def max_bytes(self) -> int:
        """Bytes of disk that the cache may take."""
        return self._store.max_bytes

    def features(
        self,
        model: keras.Model,
        depth: int,
        split: ImageSplit,
        view: int = 0,
        augmentation: keras.Layer | None = None,
        seed: int = 0,
        painting: keras.Layer | None = None,
    ) -> CachedFeatures:
        """Returns the features of a split's images at a boundary, computing what is missing.

        Args:
            model: A classifier of `crackdet.models`.
            depth: Unfreeze depth, 0..18: the features are the input of what it trains.
            split: The images.
            view: 0 for the images as they are, 1 and above for augmented views.
            augmentation: Layer that makes the augmented views. Defaults to the model's own.
            seed: Seed of the augmented views.
            painting: Layer of `crackdet.layers.painting` that paints the augmented views before.

        Returns:
            Float16 features aligned with `split`, indexable like an array, read from disk.

        Raises:
            CacheTooSmall: If they do not fit in the cache's share of the disk.
            CrackdetError: If an image cannot be read, the disk is full or the features do not
                fit in float16.
            ValueError: If an augmented view is asked for without augmentation and painting.
        """
        ways: dict[str, Any] = {"painting": painting, "half_precision": self.half_precision}
        request = FeatureRequest.of(model, [depth], split, view, augmentation, seed, **ways)
        return CachedFeatures(self._complete(model, request)[depth], request.image_rows)

    def prepare(
        self,
        model: keras.Model,
        depths: Iterable[int],
        data: CrackData,
        views: int = 1,
        augmentation: keras.Layer | None = None,
        seed: int = 0,
        painting: keras.Layer | None = None,
        further: Iterable[ImageSplit] = (),
    ) -> list[int]:
        """Computes what trainings at several unfreeze depths share: to be called once, before.

        One pass for each view of `data.train` and one over `data.validation`, each for all depths:
        one network with an output for each boundary runs over the images that any of them lacks.
        Depths for which the cache has no room are left out with a warning, those that need most of
        it first.

        Args:
            model: A classifier of `crackdet.models`, with the weights that all trainings start
                from.
            depths: Unfreeze depths, each 0..18.
            data: Its `train` and `validation` are used.
            views: Views of each image of `train`: itself and `views - 1` augmented ones.
            augmentation: As in `features`.
            seed: Seed of the augmented views.
            painting: As in `features`.
            further: Further images that the trainings measure, as they are.

        Returns:
            The depths that are now complete, in increasing order.
        """
        depths = sorted(set(depths))
        requests = self._training_requests(model, depths, data, views, augmentation, seed, painting)
        half = self.half_precision
        requests += [FeatureRequest.of(model, depths, x, half_precision=half) for x in further]
        open_tables = [self._found(each) for each in requests]  # open, so that no pass removes them
        needed = missing_bytes(requests, open_tables)
        while needed:
            try:
                self._store.check_room(sum(needed.values()), training_in_words(needed, views))
                break
            except CacheTooSmall as error:
                largest = max(needed, key=lambda depth: needed[depth])
                warnings.warn(
                    f"{error} Depth {largest} is left out.", CrackdetWarning, stacklevel=2
                )
                del needed[largest]
        for each in requests:
            open_tables.append(self._complete(model, each, sorted(needed)))
        return sorted(needed)

    def read_only(self, depths: Iterable[int]) -> "FeatureCache":
        """Returns this cache for trainings that compute no features at some depths.

        Else those that share a cache might remove each other's features in turn. What would
        compute features at these depths raises `CacheTooSmall`.

        Args:
            depths: Unfreeze depths, such as those that `prepare` has left out.
        """
        other = copy.copy(self)
        if other._read_only is not None:
            other._read_only = other._read_only | frozenset(depths)
        return other

    def training_features(
        self,
        model: keras.Model,
        depth: int,
        data: CrackData,
        views: int = 1,
        seed: int = 0,
        painting: keras.Layer | None = None,
    ) -> tuple[list[CachedFeatures], CachedFeatures | None]:
        """Returns what a training runs on; where not all of it has room, nothing is computed.

        Args:
            model: A classifier of `crackdet.models`.
            depth: Unfreeze depth, 0..18.
            data: Its `train` and `validation` are used.
            views: As in `prepare`, by the model's own augmentation.
            seed: Seed of the augmented views.
            painting: As in `features`.

        Returns:
            Features of each view of `data.train`, painted ones with their own labels, and those
            of `data.validation`; None where it is empty.

        Raises:
            CacheTooSmall: As `features`.
            CrackdetError: As `features`.
            ValueError: As `features`.
        """
        requests = self._training_requests(model, [depth], data, views, None, seed, painting)
        open_tables = [self._found(each) for each in requests]
        needed = missing_bytes(requests, open_tables)[depth]
        self._store.check_room(needed, training_in_words([depth], views))
        features = [
            CachedFeatures(self._complete(model, each)[depth], each.image_rows) for each in requests
        ]
        validation = features.pop(1) if data.validation.num_images else None
        return features, validation

    def predict(self, model: keras.Model, split: ImageSplit) -> Any:
        """Returns the whole model's probabilities, computing only what is not frozen.

        Where the cache has no room for the features, the whole model runs, with a warning.

        Args:
            model: A classifier of `crackdet.models`.
            split: The images.

        Returns:
            Array of shape `(split.num_images, num_classes)`, float32, in the order of
            `split.labels`, equal to `model.predict` to the rounding of features to float16. A
            model of several outputs gives a list of them.
        """
        depth = unfreeze_depth(model)
        try:
            features = self.features(model, depth, split)
        except CacheTooSmall as error:
            warnings.warn(
                f"{error} The whole model predicts, more slowly.", CrackdetWarning, stacklevel=2
            )
            return model.predict(split.in_order(), verbose=0)
        suffix = suffix_at(model, depth)
        suffix.jit_compile = jit_compile()
        # Rows of the head are small, those of deep boundaries are images of many channels.
        size = split.batch_size if depth else 256
        batches = FeatureBatches([features], split.labels, batch_size=size)
        return suffix.predict(batches, verbose=0)

    def _training_requests(
        self,
        model: keras.Model,
        depths: Iterable[int],
        data: CrackData,
        views: int,
        augmentation: keras.Layer | None,
        seed: int,
        painting: keras.Layer | None,
    ) -> list[FeatureRequest]:
        ways: dict[str, Any] = {"painting": painting, "half_precision": self.half_precision}
        return FeatureRequest.of_training(model, depths, data, views, augmentation, seed, **ways)

    def _complete(
        self, model: keras.Model, request: FeatureRequest, depths: Iterable[int] | None = None
    ) -> dict[int, FeatureTable]:
        """Returns open tables that hold all rows of some of the request's depths, or of all."""
        depths = list(request.metas if depths is None else depths)
        tables = self._found(request)
        if lacking := request.lacking(tables, depths):
            self._check_may_compute(lacking)
            with self._store.filling(self._say_that_it_waits):
                tables = self._found(request)  # another process may have been faster
                if lacking := request.lacking(tables, depths):
                    self._compute(model, request, tables, lacking)
        return tables

    def _check_may_compute(self, depths: list[int]) -> None:
        if self._read_only is None:
            raise CacheTooSmall(
                f"Features at unfreeze depth {in_words(depths)} are left to the one process that "
                f"fills {self.directory}, since its file system has no locks."
            )
        if self._read_only.intersection(depths):
            raise CacheTooSmall(
                f"Features at unfreeze depth {in_words(depths)} have no room in the cache beside "
                "those of other trainings: give more with --cache-gb (max_gb), or another "
                "--cache-dir."
            )

    def _found(self, request: FeatureRequest) -> dict[int, FeatureTable]:
        """Returns the tables that are there, complete or not, opened."""
        found = ((depth, self._store.find(meta)) for depth, meta in request.metas.items())
        return {depth: table for depth, table in found if table is not None}

    def _compute(
        self,
        model: keras.Model,
        request: FeatureRequest,
        tables: dict[int, FeatureTable],
        lacking: list[int],
    ) -> None:
        """Runs one pass that completes the tables of the depths in `lacking`."""
        source = self._source(model, request, max(lacking))
        self._store.sweep()
        self._store.make_room(
            sum(request.missing_bytes(tables, depth) for depth in lacking),
            request.depths_in_words(lacking),
        )
        for depth in lacking:
            tables[depth] = self._store.open(request.metas[depth])
        chosen = [tables[depth] for depth in lacking]
        undone = ~np.all([table.done()[request.rows] for table in chosen], axis=0)
        ends = [tensor for depth in lacking for tensor in boundary(model, depth)]
        if source is None:
            network = flattened([preprocessing_input(model)], ends)
            indices = request.indices[undone]
            size = request.split.image_size
            view = self._views.view(
                request.layer, request.painting, size, request.view, request.seed
            )
            batches = image_batches(request.split, request.image_rows, indices, view)
        else:
            network = flattened(boundary(model, source.meta["depth"]), ends)
            batches = table_batches(source, request.rows[undone])
        sizes = [table.row_size for table in chosen]
        # Of all that is asked for: a pass that goes on after a stop takes the engine it began with.
        pixels = len(request.rows) * math.prod(request.split.image_size)
        fill(
            chosen,
            batches,
            int(undone.sum()),
            lambda sample: self._engines.engine(network, lacking, sample, pixels, sizes),
            text=f"features at depth {in_words(lacking)}, view {request.view}",
            visible=bool(self.verbose),
        )

    def _source(
        self, model: keras.Model, request: FeatureRequest, deepest: int
    ) -> FeatureTable | None:
        """Finds the closest boundary nearer to the images that holds all rows; None if none."""
        stored = {
            table.meta["depth"]
            for table in self._store.tables()
            if all(table.meta.get(name) == value for name, value in request.images.items())
        }
        for depth in sorted(each for each in stored if each > deepest):
            table = self._store.find(describe(request.images, model, depth))
            if table is not None and table.done()[request.rows].all():
                return table
        return None

    def _say_that_it_waits(self) -> None:
        if self.verbose:
            print(f"Waiting for another process that fills {self.directory}.", flush=True)
