"""Curves on a batch of images: the pixels near each, and their distance from it.

A curve is the graph v = g(u) over the columns of an image, or over its rows where it is nearer to
upright, so that its slope stays within about 45 degrees. Only a band of pixels along the graph is
computed, a tenth of an image, for all curves of all images at once; `rasterise` puts the bands into
images.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from crackdet.layers.painting.draws import Draws

# Up to this distance between lattice points a noise of one coordinate is made of straight pieces:
# fracture goes from grain to grain. Above it is smooth.
_ANGULAR = 16


class Curves(NamedTuple):
    """Some curves on each image.

    Attributes:
        centre: float32 `(batch, curves, length)`: v at u = 0, 1, …, where length is that of the
            image's longer side.
        upright: float32 `(batch, curves, 1)`: 0 where u counts columns and v rows, 1 the reverse.
    """

    centre: Any
    upright: Any


class Band(NamedTuple):
    """The pixels near curves.

    Attributes:
        pixels: int32 `(batch, curves, rows, length)`: their numbers in the flattened batch.
        distance: float32 of that shape: how far off the curve they are, in pixels, and on which
            side.
    """

    pixels: Any
    distance: Any


def band(curves: Curves, size: tuple[int, int], reach: int) -> Band:
    """Finds the pixels up to `reach` rows above and below each curve.

    Args:
        curves: The curves.
        size: `(height, width)` of the images.
        reach: At least the curve's half width, times 1.5 where it may run at 45 degrees.
    """
    height, width = size
    u = keras.ops.arange(max(size), dtype="int32")
    upright = keras.ops.cast(curves.upright, "int32")
    # Beyond the shorter side of an image that is not square, a curve is out of sight.
    visible = u < width + (height - width) * upright
    centre = keras.ops.where(visible, curves.centre, -1e4)
    u = keras.ops.where(visible, u, 0)
    offsets = keras.ops.reshape(keras.ops.arange(-reach, reach + 1, dtype="float32"), (-1, 1))
    v = keras.ops.expand_dims(keras.ops.floor(centre), 2) + offsets
    # At the image's edge several rows of the band fall on one of pixels: `rasterise` takes the
    # largest value, so that none counts twice.
    last = keras.ops.cast(height - 1 + (width - height) * upright, "float32")
    v = keras.ops.clip(v, 0.0, keras.ops.expand_dims(last, 2))
    distance = (v - keras.ops.expand_dims(centre, 2)) * keras.ops.expand_dims(
        keras.ops.rsqrt(1.0 + keras.ops.square(slope(curves.centre))), 2
    )
    batch = keras.ops.shape(centre)[0]
    first = keras.ops.reshape(keras.ops.arange(batch, dtype="int32") * (height * width), (-1, 1, 1))
    start = first + u * (1 + (width - 1) * upright)
    step = keras.ops.expand_dims(width + (1 - width) * upright, 2)
    pixels = keras.ops.cast(v, "int32") * step + keras.ops.expand_dims(start, 2)
    return Band(pixels, distance)


def slope(functions: Any) -> Any:
    """The derivative of sampled functions `(…, length)`, by differences over two steps."""
    before, after = functions[..., :1], functions[..., -1:]
    padded = keras.ops.concatenate([before, functions, after], axis=-1)
    return (padded[..., 2:] - padded[..., :-2]) / 2.0


def coverage(distance: Any, above: Any, below: Any, softness: Any) -> Any:
    """The share of each pixel that a line covers, exact for thin lines too.

    Args:
        distance: Signed distance from the line's middle.
        above: How far the line reaches on the side of positive distances.
        below: How far it reaches on the other side.
        softness: Half the distance over which the edge falls off: 0.5 for pixels that are squares
            and sharp, more for a lens.
    """
    falloff = 0.5 / softness
    inside = (keras.ops.minimum(above - distance, below + distance) + softness) * falloff
    return keras.ops.clip(inside, 0.0, keras.ops.minimum((above + below) * falloff, 1.0))


def rasterise(
    values: Sequence[Any], bands: Sequence[Any], size: tuple[int, int], batch: Any
) -> Any:
    """Puts values of bands into images, the largest where they meet.

    Args:
        values: For each band float32 `(batch, curves, rows, length)`, at least 0.
        bands: The bands' `pixels`.
        size: `(height, width)` of the images.
        batch: How many images there are.

    Returns:
        float32 `(batch, height, width)`, 0 off all bands.
    """
    flat = [
        keras.ops.concatenate([keras.ops.reshape(x, (-1,)) for x in xs]) for xs in (values, bands)
    ]
    pixels = keras.ops.segment_max(*flat, num_segments=batch * (size[0] * size[1]))
    return keras.ops.reshape(keras.ops.relu(pixels), (-1, *size))


def rough_functions(
    draws: Draws, length: int, cells: tuple[int, ...], amplitudes: Any, count: int
) -> Any:
    """Draws random functions of one coordinate as sums of noises of fixed coarseness.

    Args:
        draws: The stream to draw from.
        length: How many points each function has.
        cells: The distances between the noises' lattice points.
        amplitudes: Their standard deviations, `(batch or 1, count or 1, len(cells))`.
        count: How many functions each image gets.

    Returns:
        float32 `(batch, count, length)` of mean 0.
    """
    bases = [_basis(length, cell) for cell in cells]
    membership = np.repeat(np.eye(len(cells), dtype="float32"), [len(b) for b in bases], axis=1)
    basis = np.concatenate(bases)
    lattice = draws.uniform(-(3**0.5), 3**0.5, (count, len(basis)))
    return keras.ops.matmul(lattice * keras.ops.matmul(amplitudes, membership), basis)


def band_noise(draws: Draws, count: int, rows: int, length: int, cell: int) -> Any:
    """Draws smooth noise in the coordinates of bands, `(batch, count, rows, length)`."""
    across, along = _basis(rows, cell, smooth=True), _basis(length, cell, smooth=True)
    lattice = draws.uniform(-(3**0.5), 3**0.5, (count, len(across), len(along)))
    return keras.ops.matmul(across.T, keras.ops.matmul(lattice, along))


def _basis(length: int, cell: int, smooth: bool = False) -> np.ndarray:
    """What each lattice point adds to each of `length` points: `(points, length)`, variance 1."""
    positions = np.arange(length, dtype="float32") / cell + 1.37
    distance = np.abs(np.arange(int(positions[-1]) + 3)[:, None] - positions).astype("float32")
    near, nearer = np.maximum(2 - distance, 0), np.maximum(1 - distance, 0)
    weights = nearer if cell <= _ANGULAR and not smooth else (near**3 - 4 * nearer**3) / 6
    return weights / np.sqrt(np.mean(np.sum(weights**2, axis=0)))
