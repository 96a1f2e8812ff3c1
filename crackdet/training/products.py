"""1x1 convolutions as matrix products, which TensorFlow trains faster on a CPU."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import keras

from crackdet.devices import has_gpu
from crackdet.models.units import CRACK_MAP_NAME


def takes_products() -> bool:
    """Returns whether 1x1 convolutions are computed as products here: by TensorFlow on a CPU."""
    return keras.backend.backend() == "tensorflow" and not has_gpu()


@contextlib.contextmanager
def pointwise_as_products(model: keras.Model, dtype: str | None = None) -> Iterator[None]:
    """Lets a model's 1x1 convolutions be computed as the matrix products that they are.

    MobileNetV2 spends two thirds of a training step in them. TensorFlow's kernels for the gradients
    of a convolution reach less of a CPU than those of a product, which are a quarter faster for
    the shapes of the last blocks. Sums have another order, so that results differ by rounding. On
    a GPU and on other backends nothing changes.

    Args:
        model: Its own layers are changed while the context lasts, and with them what is traced
            in it.
        dtype: What the factors of all but the head's are rounded to, such as "bfloat16"; None for
            the layers' own.
    """
    candidates = model.layers if takes_products() else []
    layers = [layer for layer in candidates if _is_pointwise(layer)]
    for layer in layers:
        rounded = None if layer.name == CRACK_MAP_NAME else dtype  # the head stays as it is
        layer.convolution_op = functools.partial(_product, layer.filters, rounded)
    try:
        yield
    finally:
        for layer in layers:
            del layer.convolution_op


def _is_pointwise(layer: keras.layers.Layer) -> bool:
    return (
        type(layer) is keras.layers.Conv2D
        and layer.data_format == "channels_last"
        and layer.kernel_size == layer.strides == (1, 1)
        and layer.groups == 1
    )


def _product(filters: int, dtype: str | None, images: Any, kernel: Any) -> Any:
    ops = keras.ops
    pixels = ops.reshape(images, (-1, images.shape[-1]))
    kernel = ops.reshape(kernel, (-1, filters))
    if dtype is None:
        products = ops.matmul(pixels, kernel)
    else:  # the gradients of a cast are cast too, so that their products are as fast
        products = ops.matmul(ops.cast(pixels, dtype), ops.cast(kernel, dtype))
        products = ops.cast(products, images.dtype)
    return ops.reshape(products, (*ops.shape(images)[:-1], filters))
