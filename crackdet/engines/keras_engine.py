"""A network run by Keras, on whatever the backend computes with."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

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
        inputs = [self._joined(parts) for parts in zip(*batches, strict=True)]
        steps = range(0, len(inputs[0]), self._batch)
        outputs = [self._step([each[at : at + self._batch] for each in inputs]) for at in steps]
        ends = np.cumsum([len(each[0]) for each in batches])
        return np.split(np.concatenate(outputs), ends)[:-1]

    def _joined(self, parts: Sequence[np.ndarray]) -> Any:
        """Returns arrays behind one another, on the device: a GPU's memory copies faster.

        Filled up to whole steps: one size is one compilation, and no result depends on how many
        came along.
        """
        tensors = [keras.ops.convert_to_tensor(each, "float32") for each in parts]
        missing = -sum(map(len, parts)) % self._batch
        if missing:
            tensors.append(keras.ops.zeros((missing, *parts[0].shape[1:]), "float32"))
        return keras.ops.concatenate(tensors) if len(tensors) > 1 else tensors[0]

    def _step(self, batch: list[Any]) -> np.ndarray:
        outputs = self._model.predict_on_batch(batch[0] if len(batch) == 1 else batch)
        return np.asarray(outputs, np.float32)
