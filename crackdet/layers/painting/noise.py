"""Smooth random fields: lattices of random numbers between which cubic B-splines interpolate.

A field is `rows @ lattice @ columns`, two small matrix products an image, with one's own distance
between lattice points for each image. Fields have mean 0 and variance 1, so that the caller's
factor is the standard deviation.
"""

import math
from typing import Any

import keras

from crackdet.layers.painting.draws import Draws

# Interpolated by cubic B-splines, values of variance 1 keep the mean square of these weights.
_VARIANCE = 151 / 315


def smooth_noise(
    draws: Draws, size: tuple[int, int], cells: Any, finest: float, columns_cells: Any = None
) -> Any:
    """Draws a smooth random field for each image.

    Args:
        draws: The stream to draw from.
        size: `(height, width)` of the fields.
        cells: Distance between the lattice's points in pixels: a number or `(batch,)`; smaller
            features than about twice this do not appear.
        finest: The smallest value that `cells` can have, at least 1; it decides the lattice's size.
        columns_cells: The distance along rows where it differs from that along columns, for fields
            with a grain; not below `finest` either.

    Returns:
        float32 `(batch, height, width)` of mean 0 and variance 1.
    """
    height, width = size
    rows = _interpolation(draws, height, cells, finest)
    columns = _interpolation(
        draws, width, cells if columns_cells is None else columns_cells, finest
    )
    lattice = _lattice(draws, (rows.shape[-1], columns.shape[-1]))
    field = keras.ops.matmul(rows, keras.ops.matmul(lattice, keras.ops.swapaxes(columns, 1, 2)))
    return field / _VARIANCE


def fractal_noise(
    draws: Draws, size: tuple[int, int], cells: Any, finest: float, octaves: int, gain: Any
) -> Any:
    """Draws a sum of smooth fields, each half as coarse as the one before.

    Args:
        draws: The stream to draw from.
        size: `(height, width)` of the fields.
        cells: Distance between the points of the coarsest lattice. See `smooth_noise`.
        finest: The smallest value that `cells` can have. Octaves that would be finer than a pixel
            with it are left out.
        octaves: How many fields are summed.
        gain: How much weaker each field is than the one before, a number or `(batch,)`: 0.5 gives
            the clouds of nature, 1 equal weights.

    Returns:
        float32 `(batch, height, width)` of mean 0 and variance 1.
    """
    octaves = max(1, min(octaves, 1 + int(math.log2(finest))))
    gain = keras.ops.reshape(keras.ops.convert_to_tensor(gain, "float32"), (-1, 1, 1))
    weights = [gain**octave for octave in range(octaves)]
    fields = [
        weight * smooth_noise(draws, size, cells / 2.0**octave, finest / 2**octave)
        for octave, weight in enumerate(weights)
    ]
    return sum(fields) / keras.ops.sqrt(sum(weight * weight for weight in weights))


def smooth_noise_1d(draws: Draws, count: int, length: int, cells: Any, finest: float) -> Any:
    """Draws smooth random functions of one coordinate.

    Args:
        draws: The stream to draw from.
        count: How many functions each image gets.
        length: How many points each function has.
        cells: Distance between lattice points: a number or `(batch,)`. See `smooth_noise`.
        finest: The smallest value that `cells` can have, at least 1.

    Returns:
        float32 `(batch, count, length)` of mean 0 and variance 1.
    """
    weights = _interpolation(draws, length, cells, finest)
    lattice = _lattice(draws, (count, weights.shape[-1]))
    functions = keras.ops.matmul(lattice, keras.ops.swapaxes(weights, 1, 2))
    return functions / math.sqrt(_VARIANCE)


def _lattice(draws: Draws, shape: tuple[int, ...]) -> Any:
    """Random numbers of variance 1: uniform ones, for sixteen of them make a point of a field."""
    return draws.uniform(-math.sqrt(3), math.sqrt(3), shape)


def _interpolation(draws: Draws, length: int, cells: Any, finest: float) -> Any:
    """The weight of each lattice point in each pixel, `(batch, length, points)`.

    The lattice begins at a place drawn for each image, since a field is a little weaker between
    its points.
    """
    points = math.ceil((length - 1) / finest) + 5
    cells = keras.ops.reshape(keras.ops.convert_to_tensor(cells, "float32"), (-1, 1))
    pixels = keras.ops.expand_dims(keras.ops.arange(length, dtype="float32"), 0)
    positions = draws.uniform(1.0, 2.0, (1,)) + pixels / cells
    distance = keras.ops.abs(
        keras.ops.expand_dims(positions, -1) - keras.ops.arange(points, dtype="float32")
    )
    near, nearer = keras.ops.relu(2.0 - distance), keras.ops.relu(1.0 - distance)
    return (near * near * near - 4.0 * nearer * nearer * nearer) / 6.0
