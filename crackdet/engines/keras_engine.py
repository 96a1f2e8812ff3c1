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
        """Yields the output for each batch."""
        for batch in batches:
            yield np.concatenate(
                [
                    self._fixed_batch([each[first : first + self._batch] for each in batch])
                    for first in range(0, len(batch[0]), self._batch)
                ]
            )

    def _fixed_batch(self, batch: list[np.ndarray]) -> np.ndarray:
        # One batch size: one compilation, and no result that depends on how many came along.
        count = len(batch[0])
        padded = [np.zeros((self._batch, *each.shape[1:]), np.float32) for each in batch]
        for whole, part in zip(padded, batch, strict=True):
            whole[:count] = part
        outputs = self._model.predict_on_batch(padded[0] if len(padded) == 1 else padded)
        return np.asarray(outputs, np.float32)[:count]
