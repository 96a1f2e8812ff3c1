"""What JPEG does to a picture's brightness."""

from typing import Any

import keras
import numpy as np

_BLOCK = 8
# Luminance quantization table of the JPEG standard (ITU-T T.81, table K.1).
_QUANTIZATION = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    "float32",
).ravel()


def compression_error(luma: Any, quality: Any) -> Any:
    """Returns what JPEG adds to brightness: blocks, and ripples beside edges.

    Each block of 8 x 8 pixels is transformed by the discrete cosine transform, rounded to the
    steps of the standard's table, and transformed back.

    Args:
        luma: Brightness in [0, 255], `(batch, height, width)`.
        quality: `(batch, 1)`, from 1 to 100, as libjpeg scales its table.

    Returns:
        float32 of the shape of `luma`: the difference to add.
    """
    height, width = luma.shape[1:]
    padding = [(0, 0), (0, -height % _BLOCK), (0, -width % _BLOCK)]
    # What lies beyond the edge changes the last blocks alone.
    padded = keras.ops.pad(luma, padding, mode="symmetric") if height % 8 or width % 8 else luma
    blocks = _to_blocks(padded)
    steps = keras.ops.expand_dims(_steps(quality), 1)
    transform = _cosine_transform()
    coefficients = keras.ops.matmul(blocks - 128, transform.T)
    error = keras.ops.round(coefficients / steps) * steps - coefficients
    return _from_blocks(keras.ops.matmul(error, transform), padded.shape[1:])[:, :height, :width]


def _steps(quality: Any) -> Any:
    """The quantization steps `(batch, 64)` that libjpeg uses at a quality."""
    percent = keras.ops.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    scaled = keras.ops.multiply(percent, _QUANTIZATION)
    return keras.ops.clip(keras.ops.floor((scaled + 50) / 100), 1, 255)


def _cosine_transform() -> np.ndarray:
    """The orthonormal two-dimensional transform of a block's 64 pixels, `(64, 64)`."""
    order = np.arange(_BLOCK)
    waves = np.cos(np.pi / _BLOCK * np.outer(order, order + 0.5)) * np.sqrt(2 / _BLOCK)
    waves[0] /= np.sqrt(2)
    return np.kron(waves, waves).astype("float32")


def _to_blocks(luma: Any) -> Any:
    """The blocks of images, `(batch, blocks, 64)`."""
    height, width = luma.shape[1:]
    blocks = keras.ops.reshape(luma, (-1, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK))
    blocks = keras.ops.transpose(blocks, (0, 1, 3, 2, 4))
    return keras.ops.reshape(blocks, (-1, height * width // _BLOCK**2, _BLOCK**2))


def _from_blocks(blocks: Any, size: tuple[int, int]) -> Any:
    """Images `(batch, *size)` from their blocks."""
    height, width = size
    images = keras.ops.reshape(blocks, (-1, height // _BLOCK, width // _BLOCK, _BLOCK, _BLOCK))
    return keras.ops.reshape(keras.ops.transpose(images, (0, 1, 3, 2, 4)), (-1, height, width))
