"""What the pictures are drawn with: smooth noise, lines finer than a pixel, light and paint.

Pictures are float32 `(height, width, 3)` in [0, 255], fields float32 `(height, width)`. Lengths are
pixels of a patch of `SIDE` pixels; `unit` scales them to patches of other sizes.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Field = NDArray[np.float32]
Picture = NDArray[np.float32]
Line = tuple[NDArray[np.float64], NDArray[np.float64]]  # points (n, 2) as x, y; n widths
Shape = tuple[int, int]

SIDE = 224
_FINE = 8  # lines are drawn so many times larger: widths come in steps of an eighth of a pixel
_SHIFT = 4  # cv2 takes coordinates in sixteenths of those


def unit(shape: Sequence[int]) -> float:
    """Returns how many pixels stand for one of a patch of `SIDE` pixels."""
    return min(shape[:2]) / SIDE


def noise(rng: np.random.Generator, shape: Shape, cell: float, along: float = 1.0) -> Field:
    """Returns smooth noise of mean 0 and deviation 1.

    Args:
        rng: What draws it.
        shape: Height and width.
        cell: Distance in pixels over which it changes, down the rows.
        along: How many times longer it is along the rows.
    """
    rows, columns = shape
    lattice = (round(rows / cell) + 4, round(columns / (cell * along)) + 4)
    small = rng.standard_normal(lattice).astype(np.float32)
    width = max(columns + 2, round(lattice[1] * cell * along))
    height = max(rows + 2, round(lattice[0] * cell))
    large = resized(small, (height, width), cv2.INTER_CUBIC)
    top, left = (rng.integers(0, a - b + 1) for a, b in zip(large.shape, shape, strict=True))
    field = large[top : top + rows, left : left + columns]
    return (field - field.mean()) / max(float(field.std()), 1e-6)


def grain(rng: np.random.Generator, shape: Shape, cells: Iterable[float], slope: float) -> Field:
    """Returns the sum of noises of several cells, deviation 1; each weighs `cell ** slope`."""
    total = sum(cell**slope * noise(rng, shape, cell) for cell in cells)
    return np.asarray(total / max(float(np.std(total)), 1e-6), np.float32)


def turned_noise(
    rng: np.random.Generator, shape: Shape, cell: float, along: float, angle: float, bend: float
) -> Field:
    """Returns noise drawn out along a direction in radians, its streaks bent by some pixels."""
    u, v = turned(shape, angle)
    side = 2 * max(shape)
    large = noise(rng, (side, side), cell, along)
    v = v + bend * noise(rng, shape, 70 * unit(shape))
    return read_at(large, u + side / 2, v + side / 2)


def turned(shape: Shape, angle: float) -> tuple[Field, Field]:
    """Returns two coordinates from the middle in pixels: along a direction, and across it."""
    y, x = np.indices(shape, np.float32)
    y, x = y - shape[0] / 2, x - shape[1] / 2
    along, across = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x * along + y * across, y * along - x * across


def coverage(shape: Shape, lines: Iterable[Line]) -> Field:
    """Returns the share of each pixel that lies in lines of varying width, in [0, 1]."""
    canvas = np.zeros((shape[0] * _FINE, shape[1] * _FINE), np.uint8)
    for points, widths in lines:
        fine = np.round((points + 0.5) * _FINE * 2**_SHIFT).astype(int).tolist()
        for start, end, width in zip(fine[:-1], fine[1:], widths[1:].tolist(), strict=True):
            if width > 0:
                thickness = max(1, round(width * _FINE))
                cv2.line(canvas, start, end, 255, thickness, cv2.LINE_8, _SHIFT)
    return averaged(canvas, shape)


def coverage_of_width(shape: Shape, points: NDArray[np.float64], width: float) -> Field:
    """Returns the share of each pixel within half a width of a line, in [0, 1].

    Of one width and exact to some hundredths of it, where `coverage` is to an eighth of a pixel.

    Args:
        shape: Height and width.
        points: x and y of its corners, `(n, 2)`.
        width: Pixels, at least a quarter.
    """
    canvas = np.ones((shape[0] * _FINE, shape[1] * _FINE), np.uint8)
    corners = np.round(((points + 0.5) * _FINE - 0.5) * 2**_SHIFT).astype(np.int32)
    cv2.polylines(canvas, [corners], False, 0, 1, cv2.LINE_8, _SHIFT)
    far = cv2.distanceTransform(canvas, cv2.DIST_L2, cv2.DIST_MASK_5)
    near = np.clip(width * _FINE / 2 + 0.5 - far, 0, 1)
    return np.asarray(resized(near, shape), np.float32)


def polygons(shape: Shape, outlines: Iterable[NDArray[np.float64]]) -> Field:
    """Returns the share of each pixel that lies in polygons `(n, 2)` of x, y, in [0, 1]."""
    fine = 4
    canvas = np.zeros((shape[0] * fine, shape[1] * fine), np.uint8)
    for outline in outlines:
        cv2.fillPoly(canvas, [np.round((outline + 0.5) * fine * 16).astype(np.int32)], 255, 8, 4)
    return averaged(canvas, shape)


def averaged(canvas: NDArray[np.uint8], shape: Shape) -> Field:
    """Returns a finer drawing in levels at the size of the patch, in [0, 1]."""
    return resized(canvas, shape).astype(np.float32) / np.float32(255)


def resized(values: NDArray[Any], shape: Shape, way: int = cv2.INTER_AREA) -> NDArray[Any]:
    """Returns a field or picture of another height and width."""
    return np.asarray(cv2.resize(values, shape[::-1], interpolation=way))


def read_at(values: NDArray[Any], x: Field, y: Field) -> NDArray[Any]:
    """Returns a field or picture read between its pixels; beyond its edges it is mirrored."""
    mirrored = cv2.BORDER_REFLECT_101
    x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
    return np.asarray(cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=mirrored))


def blurred(field: Field, sigma: float) -> Field:
    """Returns a field or picture that a Gaussian of `sigma` pixels has gone over."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma), np.float32)


def step(field: Field, edge: float | Field, width: float) -> Field:
    """Returns 0 below an edge and 1 above it, with a ramp of some width."""
    return np.asarray(np.clip((field - edge) / width + 0.5, 0, 1), np.float32)


def lit(picture: Picture, light: Field | float) -> Picture:
    """Returns a picture under more or less light: multiplied."""
    factor = np.asarray(light, np.float32)
    return picture * (factor[..., None] if factor.ndim == 2 else factor)


def stained(picture: Picture, tint: ArrayLike, amount: Field) -> Picture:
    """Returns a picture through a stain: where the amount is 1, times the tint of each channel."""
    return picture * (1 + amount[..., None] * (np.asarray(tint, np.float32) - 1))


def covered(picture: Picture, colour: ArrayLike, amount: Field) -> Picture:
    """Returns a picture under something opaque of a colour, or of a picture's colours."""
    return picture + amount[..., None] * (np.asarray(colour, np.float32) - picture)


def moved(field: Field, x: float, y: float) -> Field:
    """Returns a field pushed by some pixels; what comes in is 0."""
    shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
    return np.asarray(cv2.warpAffine(field, shift, field.shape[::-1]), np.float32)


def grey(picture: Picture) -> Field:
    """Returns the brightness of a picture."""
    return picture @ np.array([0.299, 0.587, 0.114], np.float32)


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Returns a number between two, each factor as likely as any other (log-uniform)."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def graded(severity: int, mild: float, severe: float) -> float:
    """Returns the value of a severity: from mild at 1 to severe at 5, in equal factors."""
    return float(mild * (severe / mild) ** ((severity - 1) / 4))
