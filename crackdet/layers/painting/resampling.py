"""Images sampled anew, by one matrix for the rows of each image and one for its columns.

Seeing an image from further away, blurring it along an axis, and showing it on a coarser grid are
all weighted means of pixels along rows and along columns: one matrix product each, with the matrix
its own for each image, or a few where only pixels near each other are mixed. Planes
`(batch, channels, height, width)` keep these products large.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

# New pixels of a window, where pixels are means of near ones.
_WINDOW = 56


def to_planes(images: Any) -> Any:
    """Turns images `(batch, height, width, channels)` into `(batch, channels, height, width)`."""
    height, width, channels = images.shape[1:]
    # As arrays of two axes, which TensorFlow transposes twice as fast.
    pixels = keras.ops.reshape(images, (-1, height * width, channels))
    planes = keras.ops.transpose(pixels, (0, 2, 1))
    return keras.ops.reshape(planes, (-1, channels, height, width))


def from_planes(planes: Any) -> Any:
    """Turns planes into images again. See `to_planes`."""
    channels, height, width = planes.shape[1:]
    pixels = keras.ops.reshape(planes, (-1, channels, height * width))
    images = keras.ops.transpose(pixels, (0, 2, 1))
    return keras.ops.reshape(images, (-1, height, width, channels))


class Window(NamedTuple):
    """Some new pixels of an axis, beside each other, and the old ones that they are means of.

    Attributes:
        seen: Which old pixels.
        weights: How much each of these counts in each new one, `(batch, new, old)`.
    """

    seen: slice
    weights: Any


def resample(planes: Any, rows: Sequence[Window], columns: Sequence[Window]) -> Any:
    """Samples planes anew.

    Args:
        planes: `(batch, channels, height, width)`.
        rows: The windows that make up the new rows.
        columns: Likewise.

    Returns:
        `(batch, channels, new height, new width)`.
    """
    channels, height, width = planes.shape[1:]
    lines = keras.ops.reshape(planes, (-1, channels * height, width))
    lines = [
        keras.ops.matmul(lines[..., window.seen], keras.ops.swapaxes(window.weights, 1, 2))
        for window in columns
    ]
    lines = keras.ops.concatenate(lines, axis=-1)
    planes = keras.ops.reshape(lines, (-1, channels, height, lines.shape[-1]))
    planes = [
        keras.ops.matmul(keras.ops.expand_dims(window.weights, 1), planes[:, :, window.seen])
        for window in rows
    ]
    return keras.ops.concatenate(planes, axis=2)


def sampling_weights(
    centres: Any, wide: Any, narrow: Any, length: int, light: Any = 1.0, reach: int | None = None
) -> list[Window]:
    """Returns how much each old pixel counts in each new one.

    The weights fall off as a box of width `wide` smoothed by another of width `narrow`: the area
    of larger pixels between 1 and their size, a focus that is off where both are alike, a shake
    where `wide` is its length. Centres beyond an edge are reflected at it.

    Args:
        centres: Where each new pixel lies among the old ones, `(batch, new length)`; pixel 0 lies
            at 0.
        wide: `(batch, 1)`, at least as large as `narrow`.
        narrow: `(batch, 1)`, at least 1, so that there is always a pixel to take.
        length: How many old pixels there are.
        light: What the weights of each new pixel sum to, `(batch, new length)`.
        reach: How far the old pixels that count lie at most from the new one of their number; None
            if anywhere.

    Returns:
        The windows that make up the new pixels, their weights float32. With a `reach` they are
        narrow, so that there is less to multiply.
    """
    centres = _reflected(centres, length)
    light = light + keras.ops.zeros_like(centres)
    wide, narrow = keras.ops.expand_dims(wide, -1), keras.ops.expand_dims(narrow, -1)
    reach, step = (length, length) if reach is None else (reach, _WINDOW)
    windows = []
    for first in range(0, centres.shape[1], step):
        new = slice(first, first + step)
        seen = slice(max(first - reach, 0), min(first + step + reach, length))
        pixels = keras.ops.arange(seen.start, seen.stop, dtype="float32")
        distance = keras.ops.abs(pixels - keras.ops.expand_dims(centres[:, new], -1))
        weights = keras.ops.minimum(keras.ops.relu((wide + narrow) / 2 - distance), narrow)
        factor = keras.ops.expand_dims(light[:, new], -1)
        factor = factor / keras.ops.sum(weights, axis=-1, keepdims=True)
        windows.append(Window(seen, weights * factor))
    return windows


def _reflected(centres: Any, length: int) -> Any:
    """Positions along an endless row of copies, every other one mirrored, as of the first copy."""
    return length - 0.5 - keras.ops.abs(keras.ops.mod(centres + 0.5, 2.0 * length) - length)
