"""A network run by Keras, on whatever the backend computes with."""

from collections.abc import Iterable, Iterator

import keras
import numpy as np

from crackdet.devices import has_gpu, jit_compile

CPU_BATCH = 32
# A GPU is kept busy by larger steps than a processor's caches bear.
GPU_BATCH = 128


class KerasEngine:
    """Runs a copy of a model with Keras, in batches of one fixed size.

    A copy, because the engine is kept: `model` shares its layers with a classifier whose training
    may go on to change them.

    Args:
        model: A network with one output.
        half_precision: Whether its layers compute in float16.
    """

    def __init__(self, model: keras.Model, *, half_precision: bool = False):
        self._model = keras.models.clone_model(model)
        self._model.set_weights(model.get_weights())
        if half_precision:
            for layer in self._model.layers:
                if not isinstance(layer, keras.layers.InputLayer):
                    layer.dtype_policy = keras.DTypePolicy("mixed_float16")
        self._model.jit_compile = jit_compile()
        self._batch = GPU_BATCH if has_gpu() else CPU_BATCH

    def run(self, batches: Iterable[tuple[np.ndarray, ...]]) -> Iterator[np.ndarray]:
        """Yields the output for each batch; small ones are computed together."""
        waiting: list[tuple[np.ndarray, ...]] = []
        for batch in batches:
            waiting.append(batch)
            if sum(len(each[0]) for each in waiting) >= self._batch:
                yield from self._together(waiting)
                waiting = []
        if waiting:
            yield from self._together(waiting)

    def _together(self, batches: list[tuple[np.ndarray, ...]]) -> list[np.ndarray]:
        """Returns the output for each of some batches."""
        inputs = [
            parts[0] if len(parts) == 1 else np.concatenate(parts)
            for parts in zip(*batches, strict=True)
        ]
        outputs = [
            self._fixed_batch([each[first : first + self._batch] for each in inputs])
            for first in range(0, len(inputs[0]), self._batch)
        ]
        ends = np.cumsum([len(each[0]) for each in batches])[:-1]
        return np.split(np.concatenate(outputs), ends)

    def _fixed_batch(self, batch: list[np.ndarray]) -> np.ndarray:
        # One batch size: one compilation, and no result that depends on how many came along.
        count = len(batch[0])
        missing = self._batch - count
        padded = [
            np.pad(np.asarray(each, np.float32), [(0, missing)] + [(0, 0)] * (each.ndim - 1))
            if missing
            else np.asarray(each, np.float32)
            for each in batch
        ]
        outputs = self._model.predict_on_batch(padded[0] if len(padded) == 1 else padded)
        return np.asarray(outputs, np.float32)[:count]
