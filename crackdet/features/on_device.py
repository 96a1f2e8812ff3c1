"""Cached features held on the device that trains on them, so that batches are but row numbers."""

from typing import Any

import keras
import numpy as np

from crackdet.features.batches import CachedFeatures, FeatureBatches

# Features of more bytes are read from disk, batch by batch, so as to leave room for training.
MAX_BYTES = 2**31


class DeviceFeatures(keras.layers.Layer):
    """Maps row numbers to features, as the suffix of a classifier takes them.

    Args:
        parts: Features, whose rows are numbered one part after the other.
    """

    def __init__(self, parts: list[CachedFeatures]):
        super().__init__(dtype="float32", name="device_features")
        tensors = [part.tensors(np.arange(len(part))) for part in parts]
        self.starts = np.cumsum([0, *map(len, parts)])[:-1].tolist()
        self._tensors = [
            self._weight(np.concatenate(arrays)) for arrays in zip(*tensors, strict=True)
        ]

    def call(self, rows: Any) -> Any:
        taken = [
            keras.ops.cast(keras.ops.take(each, rows, axis=0), "float32") for each in self._tensors
        ]
        return taken[0] if len(taken) == 1 else taken

    def compute_output_spec(self, rows: Any) -> Any:
        specs = [
            keras.KerasTensor((*rows.shape, *each.shape[1:]), "float32") for each in self._tensors
        ]
        return specs[0] if len(specs) == 1 else specs

    @property
    def weights(self) -> list[Any]:
        """None: who asks a model for its weights, as after each best epoch, wants no features."""
        return []

    def _weight(self, values: np.ndarray) -> Any:
        return self.add_weight(
            shape=values.shape,
            dtype="float16",
            initializer=lambda *_, **__: values,  # "zeros", assigned to, would take twice the room
            trainable=False,
            autocast=False,
        )


class RowBatches(keras.utils.PyDataset):
    """The batches of a `FeatureBatches` as row numbers of `DeviceFeatures`.

    Args:
        batches: Which image shows which view in which batch.
        starts: The first row of each view.
    """

    def __init__(self, batches: FeatureBatches, starts: list[int]):
        super().__init__()
        self._batches = batches
        self._starts = np.array(starts)

    @property
    def epoch(self) -> int:
        """The epoch that decides order and views."""
        return self._batches.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._batches.epoch = epoch

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        images, shown = self._batches.chosen(batch)
        rows = (self._starts[shown] + images).astype(np.int32)
        return rows, self._batches.labels(images, shown)


def fits(parts: list[CachedFeatures]) -> bool:
    """Returns whether features are few enough to be held on a device."""
    return sum(part.nbytes for part in parts) <= MAX_BYTES


def on_device(suffix: keras.Model, parts: list[CachedFeatures]) -> tuple[keras.Model, list[int]]:
    """Returns a model that takes row numbers, and the first row of each part.

    Args:
        suffix: What is trained; the model shares its layers.
        parts: The features.
    """
    features = DeviceFeatures(parts)
    rows = keras.Input((), dtype="int32", name="row")
    return keras.Model(rows, suffix(features(rows)), name="on_device"), features.starts
