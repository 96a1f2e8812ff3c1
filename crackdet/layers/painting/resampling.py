"""Images sampled anew, by one matrix for the rows of each image and one for its columns.

Seeing an image from further away, blurring it along an axis, and showing it on a coarser grid are
all weighted means of pixels along rows and along columns: one matrix product each, with the matrix
its own for each image. Planes `(batch, channels, height, width)` keep these products large.
"""

from typing import Any

import keras


def to_planes(images: Any) -> Any:
    """Turns images `(batch, height, width, channels)` into `(batch, channels, height, width)`."""
    return keras.ops.transpose(images, (0, 3, 1, 2))


def from_planes(planes: Any) -> Any:
    """Turns planes into images again. See `to_planes`."""
    return keras.ops.transpose(planes, (0, 2, 3, 1))


def resample(planes: Any, rows: Any, columns: Any) -> Any:
    """Samples planes anew.

    Args:
        planes: `(batch, channels, height, width)`.
        rows: The weight of each row in each new one, `(batch, new height, height)`.
        columns: Likewise, `(batch, new width, width)`.

    Returns:
        `(batch, channels, new height, new width)`.
    """
    columns = keras.ops.expand_dims(keras.ops.swapaxes(columns, 1, 2), 1)
    return keras.ops.matmul(keras.ops.expand_dims(rows, 1), keras.ops.matmul(planes, columns))


def sampling_weights(centres: Any, wide: Any, narrow: Any, length: int) -> Any:
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

    Returns:
        float32 `(batch, new length, length)`; the weights of each new pixel sum to 1.
    """
    pixels = keras.ops.arange(length, dtype="float32")
    centres, wide, narrow = (
        keras.ops.expand_dims(value, -1) for value in (_reflected(centres, length), wide, narrow)
    )
    distance = keras.ops.abs(pixels - centres)
    weights = keras.ops.minimum(keras.ops.relu((wide + narrow) / 2 - distance), narrow)
    return weights / keras.ops.sum(weights, axis=-1, keepdims=True)


def _reflected(centres: Any, length: int) -> Any:
    """Positions along an endless row of copies, every other one mirrored, as of the first copy."""
    return length - 0.5 - keras.ops.abs(keras.ops.mod(centres + 0.5, 2.0 * length) - length)
