"""Mixed precision while a model is being trained."""

import contextlib
from collections.abc import Iterator

import keras

from crackdet.models.units import DROPOUT_NAME, POOLING_NAME, unit_of
from crackdet.training.products import pointwise_as_products, takes_products

# Its exponents are those of float32, so that no loss needs scaling. GPUs since NVIDIA's Ampere
# compute in it, and processors with AVX512-BF16 or AMX.
DTYPE, POLICY = "bfloat16", "mixed_bfloat16"


@contextlib.contextmanager
def fast_arithmetic(model: keras.Model, mixed_precision: bool) -> Iterator[None]:
    """Lets a classifier be trained with the fastest arithmetic that its training allows.

    Args:
        model: Its own layers are changed while the context lasts, and with them what other models
            that share them trace in it.
        mixed_precision: Whether the backbone computes in bfloat16; weights and the head stay in
            float32. TensorFlow on a CPU takes bfloat16 for the products of its 1x1 convolutions
            alone: all else is slower in it there.
    """
    policy = mixed_precision and not takes_products()
    try:
        with (
            pointwise_as_products(model, DTYPE if mixed_precision else None),
            _in_policy(model, policy),
        ):
            yield
    finally:
        if mixed_precision:
            # What was traced computes in bfloat16 for good: it is traced anew when next needed.
            model.train_function = model.test_function = model.predict_function = None


@contextlib.contextmanager
def _in_policy(model: keras.Model, wanted: bool) -> Iterator[None]:
    layers = [layer for layer in model.layers if wanted and _takes_part(layer)]
    before = [layer.dtype_policy for layer in layers]
    try:
        for layer in layers:
            layer.dtype_policy = keras.DTypePolicy(POLICY)
        yield
    finally:
        for layer, policy in zip(layers, before, strict=True):
            layer.dtype_policy = policy


def _takes_part(layer: keras.Layer) -> bool:
    return unit_of(layer.name) is not None or layer.name in (POOLING_NAME, DROPOUT_NAME)
