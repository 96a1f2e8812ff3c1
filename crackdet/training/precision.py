"""Mixed precision while a model is being trained."""

import contextlib
from collections.abc import Iterator

import keras

from crackdet.models.units import DROPOUT_NAME, POOLING_NAME, unit_of

# Its exponents are those of float32, so that no loss needs scaling. GPUs since NVIDIA's Ampere
# compute in it, and processors with AVX512-BF16 or AMX.
POLICY = "mixed_bfloat16"


@contextlib.contextmanager
def mixed_precision(model: keras.Model, wanted: bool) -> Iterator[None]:
    """Lets a classifier's backbone compute in bfloat16; its weights and its head stay in float32.

    Args:
        model: Its own layers are changed while the context lasts, and with them what other models
            that share them trace in it.
        wanted: Whether to change anything.
    """
    layers = [layer for layer in model.layers if wanted and _takes_part(layer)]
    before = [layer.dtype_policy for layer in layers]
    try:
        for layer in layers:
            layer.dtype_policy = keras.DTypePolicy(POLICY)
        yield
    finally:
        for layer, policy in zip(layers, before, strict=True):
            layer.dtype_policy = policy
        if wanted:
            # What was traced computes in bfloat16 for good: it is traced anew when next needed.
            model.train_function = model.test_function = model.predict_function = None


def _takes_part(layer: keras.Layer) -> bool:
    return unit_of(layer.name) is not None or layer.name in (POOLING_NAME, DROPOUT_NAME)
