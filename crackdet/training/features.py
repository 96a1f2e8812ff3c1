"""Cached features as arrays and as batches that Keras trains on."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from crackdet.data.splits import epoch_order
from crackdet.training.tables import FeatureTable


class CachedFeatures:
    """Float16 features of a split's images, read from disk when indexed.

    The table stays on disk as long as this object lives. A pickle holds no features: it opens the
    table again.

    Args:
        table: Rows of all images of a data set, `(universe, …)`, float16.
        rows: The row of each image of the split.
    """

    dtype = np.dtype(np.float16)

    def __init__(self, table: FeatureTable, rows: np.ndarray):
        self._table = table
        self._values = table.values()
        self._rows = rows
        self.shape = (len(rows), *table.row_shape)

    def __reduce__(self) -> tuple:
        return CachedFeatures, (self._table, self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, indices: Any) -> np.ndarray:
        return np.asarray(self._values[self._rows[indices]])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype)


class FeatureBatches(keras.utils.PyDataset):
    """Batches of cached features in the order in which an `ImageSplit` gives its images.

    With several views, each image shows one view in an epoch, starting from a view that `seed`
    draws, and all of them once in as many epochs as there are views.

    Args:
        views: Features of each view.
        labels: Class index of each image.
        batch_size: Images in a batch.
        shuffle: Whether the order changes from epoch to epoch.
        seed: Seed of the order and of the views.
    """

    def __init__(
        self,
        views: Sequence[CachedFeatures],
        labels: np.ndarray,
        *,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
    ):
        super().__init__()
        self._views = list(views)
        self._labels = labels.astype(np.int32)
        self._batch_size = batch_size
        self._shuffle = shuffle
        self._seed = seed
        self._first_view = np.random.default_rng([seed, 1]).integers(len(views), size=len(labels))
        self.epoch = 0

    @property
    def epoch(self) -> int:
        """The epoch that decides order and views."""
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch = epoch
        self._order = epoch_order(len(self._labels), self._seed, epoch if self._shuffle else None)

    def __len__(self) -> int:
        return math.ceil(len(self._labels) / self._batch_size)

    def __getitem__(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        indices = self._order[batch * self._batch_size : (batch + 1) * self._batch_size]
        features = np.empty((len(indices), *self._views[0].shape[1:]), np.float32)
        shown = (self._first_view[indices] + self.epoch) % len(self._views)
        for view, values in enumerate(self._views):
            features[shown == view] = values[indices[shown == view]]
        return features, self._labels[indices]

    def on_epoch_end(self) -> None:
        """Moves on to the order and views of the next epoch."""
        self.epoch += 1
