"""Cached features as arrays and as batches that Keras trains on."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from crackdet.data.splits import epoch_order
from crackdet.features.store import FeatureTable


class CachedFeatures:
    """Float16 features of a split's images, read from disk when indexed.

    The table stays on disk as long as this object lives. A pickle holds no features: it opens the
    table again.

    Args:
        table: Rows of all images of a data set.
        rows: The row of each image of the split.

    Attributes:
        shape: `(images, …)` of the features.
        labels: The label of each image, int32 `(images,)`, where the view has labels of its own;
            else None.
    """

    dtype = np.dtype(np.float16)

    def __init__(self, table: FeatureTable, rows: np.ndarray):
        self._table = table
        self._values = table.values()
        self._rows = rows
        labels = table.labels()
        self.labels = None if labels is None else labels[rows]
        self.shape = (len(rows), *table.row_shapes[0])

    def __reduce__(self) -> tuple:
        return CachedFeatures, (self._table, self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, indices: Any) -> np.ndarray:
        if len(self._table.row_shapes) > 1:
            raise ValueError("Several tensors cross this boundary: take them with `tensors`.")
        values = np.asarray(self._values[self._rows[indices]])
        return values.reshape(*values.shape[:-1], *self._table.row_shapes[0])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype)

    def tensors(self, indices: np.ndarray) -> list[np.ndarray]:
        """Returns some images' features, one array for each tensor of the boundary."""
        return self._table.tensors(np.asarray(self._values[self._rows[indices]]))

    @property
    def masks(self) -> np.ndarray | None:
        """Where cracks were painted on the images, float16 `(images, rows, columns)`, or None.

        The share of each square of 16 pixels that painted cracks cover, 0 where there are none; -1
        all over an image whose cracks are real, and of which nobody says where they are.
        """
        masks = self._table.masks()
        return None if masks is None else np.asarray(masks[self._rows])

    @property
    def nbytes(self) -> int:
        """Bytes of the features of all images of the split."""
        return len(self) * self._table.row_bytes


class FeatureBatches(keras.utils.PyDataset):
    """Batches of cached features in the order in which an `ImageSplit` gives its images.

    With several views, each image shows one view in an epoch, starting from a view that `seed`
    draws, and all of them once in as many epochs as there are views. `epoch` is set from outside,
    by `crackdet.training.callbacks.EpochOrder`.

    Args:
        views: Features of each view.
        labels: Class index of each image; a view that has labels of its own shows those.
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
        own = [labels if view.labels is None else view.labels for view in views]
        self._labels = np.stack(own).astype(np.int32)
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
        count = len(self._first_view)
        self._order = epoch_order(count, self._seed, epoch if self._shuffle else None)

    def __len__(self) -> int:
        return math.ceil(len(self._order) / self._batch_size)

    def chosen(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the images of a batch and the view that each shows in this epoch."""
        indices = self._order[batch * self._batch_size : (batch + 1) * self._batch_size]
        return indices, (self._first_view[indices] + self.epoch) % len(self._views)

    def all_labels(self) -> np.ndarray:
        """Returns the labels of all images in all views, int32 `(views * images,)`."""
        return self._labels.ravel()

    def labels(self, indices: np.ndarray, shown: np.ndarray) -> np.ndarray:
        """Returns the labels of images in the views that they show."""
        return self._labels[shown, indices]

    def __getitem__(self, batch: int) -> tuple[Any, np.ndarray]:
        indices, shown = self.chosen(batch)
        tensors: list[np.ndarray] = []
        for view, values in enumerate(self._views):
            parts = values.tensors(indices[shown == view])
            if not tensors:
                shapes = [(len(indices), *part.shape[1:]) for part in parts]
                tensors = [np.empty(shape, np.float32) for shape in shapes]
            for whole, part in zip(tensors, parts, strict=True):
                whole[shown == view] = part
        features = tensors[0] if len(tensors) == 1 else tuple(tensors)
        return features, self.labels(indices, shown)
