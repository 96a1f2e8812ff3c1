"""Cracks of the stress validation: random walks with kinks, graded from wide to a hairline.

They are made in another way than those that training paints, so that who has learned the painter's
hand alone does not pass: a crack goes from aggregate to aggregate in straight pieces, turns at
kinks, comes back to its course, and splits. How dark it is, is measured against the texture that it
lies in, so that a grade is about as hard to see on a smooth wall as on a rough deck.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from crackdet.stress.drawing import (
    Field,
    Line,
    Picture,
    between,
    blurred,
    coverage,
    coverage_of_width,
    grey,
    lit,
    noise,
    unit,
)

Range = tuple[float, float]
Points = NDArray[np.float64]

_TRIES = 6
_MOST_DARKENING = 0.85
_LENS = (0.35, 0.6)  # deviation of its blur in pixels
_FROM_EDGE_TO_EDGE = 4.0  # sides of the patch; from the midst half of it either way, kinks and all
_LEAST_LEVELS = 6.0  # a difference of fewer grey levels is lost in an 8-bit picture


@dataclass(frozen=True)
class Grade:
    """What a crack of one severity looks like.

    Attributes:
        width: Pixels.
        depth: How much darker than its surroundings, in deviations of their texture.
        darkness: The same as a share of their brightness, at least: a wide crack may be black.
        reach: Length in sides of the patch; above 1 it goes from edge to edge.
        gaps: Share of its length where it is closed.
    """

    width: Range
    depth: Range
    darkness: Range
    reach: Range
    gaps: float


GRADES = {
    1: Grade((2.0, 12.0), (5.0, 8.0), (0.4, 0.8), (1.2, 1.5), 0.0),
    2: Grade((1.4, 2.5), (4.0, 6.0), (0.2, 0.2), (1.0, 1.5), 0.05),
    3: Grade((1.0, 1.7), (3.0, 4.5), (0.1, 0.1), (0.8, 1.5), 0.1),
    4: Grade((0.7, 1.2), (2.4, 3.4), (0.065, 0.065), (0.6, 1.4), 0.17),
    5: Grade((0.5, 1.0), (1.8, 2.7), (0.045, 0.045), (0.5, 1.3), 0.22),
}


def crack(
    picture: Picture, severity: int, rng: np.random.Generator, hidden: Field | None = None
) -> Picture:
    """Returns a picture with a crack.

    Args:
        picture: float32 `(height, width, 3)` in [0, 255].
        severity: 1 (wide and dark) to 5 (a broken hairline).
        rng: What draws it.
        hidden: float32 `(height, width)`, 1 where something lies over the wall and the crack.
    """
    grade = GRADES[severity]
    free = 1 - hidden if hidden is not None else np.ones(picture.shape[:2], np.float32)
    for _ in range(_TRIES):
        drawn = _drawn(grade, free, rng)
        if _shows(drawn):
            break
    return _darkened(picture, drawn, grade, rng)


def crack_of_width(
    picture: Picture, width: float, contrast: float, rng: np.random.Generator
) -> Picture:
    """Returns a picture with one crack from edge to edge, alike everywhere.

    Its course is that of `crack`. What is stated is the crack itself, before the lens: of one that
    is narrower than a pixel, the picture shows only the share that it covers.

    Args:
        picture: float32 `(height, width, 3)` in [0, 255].
        width: Pixels of the picture, at least a quarter.
        contrast: Share of the light around it that the crack lacks (Weber contrast), 0 to 1.
        rng: What draws it.
    """
    shape = (picture.shape[0], picture.shape[1])
    trunk, *_ = _trunk(shape, _FROM_EDGE_TO_EDGE, rng)
    drawn = blurred(coverage_of_width(shape, trunk, width), rng.uniform(*_LENS))
    return lit(picture, 1 - contrast * drawn)


def _shows(drawn: Field) -> bool:
    """Whether a third of a side of a crack is in view."""
    margin = max(1, min(drawn.shape) // 16)
    inside = drawn[margin:-margin, margin:-margin]
    return bool(np.sum(inside > 0.2) > 0.35 * min(drawn.shape))


def _drawn(grade: Grade, free: Field, rng: np.random.Generator) -> Field:
    shape, scale = free.shape, unit(free.shape)
    lines = _lines(grade, free.shape, rng)
    drawn = coverage((shape[0], shape[1]), lines) * free
    # The lens: no picture holds a line that is sharp to the pixel.
    return blurred(drawn, rng.uniform(*_LENS) * min(1.0, scale + 0.5))


def _lines(grade: Grade, shape: tuple[int, ...], rng: np.random.Generator) -> list[Line]:
    side = min(shape)
    width = between(rng, *grade.width) * max(unit(shape), 0.5)
    reach = rng.uniform(*grade.reach)
    trunk, heading, wander, kinks = _trunk(shape, reach, rng)
    ends_inside = reach < 1.1
    lines = [(trunk, _widths(rng, len(trunk), width, grade.gaps, taper=ends_inside))]
    for _ in range(rng.poisson(0.9)):
        at = int(rng.integers(len(trunk) // 5, 4 * len(trunk) // 5 + 1))
        away = heading + rng.choice([-1, 1]) * rng.uniform(0.4, 1.2)
        branch = _walk(rng, away, rng.uniform(0.1, 0.5) * side, wander, kinks, scale=unit(shape))
        branch += trunk[at] - branch[0]
        thinner = max(width * rng.uniform(0.4, 0.8), 0.5)
        lines.append((branch, _widths(rng, len(branch), thinner, grade.gaps, taper=True)))
    return lines


def _trunk(
    shape: tuple[int, ...], reach: float, rng: np.random.Generator
) -> tuple[Points, float, float, float]:
    """Returns a walk through the midst of a patch, its heading, its wander and its kinks."""
    heading = rng.uniform(0, 2 * np.pi)
    wander, kinks = between(rng, 0.1, 0.35), between(rng, 0.05, 0.3)
    middle = rng.uniform(0.2, 0.8, 2) * (shape[1], shape[0])
    trunk = _walk(rng, heading, reach * min(shape), wander, kinks, scale=unit(shape))
    return trunk + middle - trunk[len(trunk) // 2], heading, wander, kinks


def _walk(
    rng: np.random.Generator,
    heading: float,
    length: float,
    wander: float,
    kinks: float,
    *,
    scale: float,
) -> Points:
    """Returns the corners `(n, 2)` of a walk along a heading, about one in 4 pixels."""
    count = max(int(length / (4 * scale)), 4)
    turns = rng.normal(0, wander, count)
    sharp = rng.choice([-1, 1], count) * rng.uniform(0.5, 1.2, count)
    turns += np.where(rng.random(count) < kinks, sharp, 0)
    away = np.empty(count)
    course = 0.0
    for i, turn in enumerate(turns):
        away[i] = course = 0.62 * course + turn  # past the aggregate, back to the course
    slow = np.cumsum(rng.normal(0, 0.04, count))
    angles = heading + away + slow
    steps = 4 * scale * rng.uniform(0.5, 1.6, count)
    walk = np.stack([np.cos(angles), np.sin(angles)], 1) * steps[:, None]
    return np.concatenate([np.zeros((1, 2)), np.cumsum(walk, 0)])


def _widths(
    rng: np.random.Generator, count: int, width: float, gaps: float, *, taper: bool
) -> NDArray[np.float64]:
    """Returns widths that swell and shrink slowly, 0 where the crack is closed."""
    knots = np.arange(0, count + 8, 6)
    swell = np.exp(0.3 * np.interp(np.arange(count), knots, rng.normal(0, 1, len(knots))))
    closed = np.interp(np.arange(count), knots, rng.random(len(knots))) < gaps
    widths = np.where(closed, 0, width * swell)
    if taper:
        ends = np.minimum(np.arange(count) + 1, np.arange(count)[::-1] + 1) / (0.3 * count)
        widths *= np.clip(ends, 0.3, 1)
    return widths


def _darkened(picture: Picture, drawn: Field, grade: Grade, rng: np.random.Generator) -> Picture:
    """Returns a picture, darker where a crack is drawn."""
    scale = unit(picture.shape)
    light = grey(picture)
    corridor = cv2.dilate(drawn, np.ones((9, 9), np.uint8)) > 0.05
    if not corridor.any():
        return picture
    detail = np.abs(light - blurred(light, 3 * max(scale, 0.4)))[corridor]
    texture = 1.48 * float(np.median(detail))  # a deviation that joints and edges do not raise
    around = max(float(np.median(light[corridor])), 1.0)
    least = max(rng.uniform(*grade.darkness) * around, _LEAST_LEVELS)
    levels = max(rng.uniform(*grade.depth) * texture, least)
    # What is measured is what is seen: a hairline covers a part of its pixels only.
    peak = float(np.quantile(drawn[drawn > 0.1], 0.75)) if (drawn > 0.1).any() else 1.0
    depth = min(levels / (around * max(peak, 0.25)), _MOST_DARKENING)
    uneven = np.clip(1 + 0.2 * noise(rng, light.shape, 9 * max(scale, 0.2)), 0.4, 1.4)
    darkness = depth * drawn * uneven
    colour = 1 + rng.normal(0, 0.02, 3)
    return picture * (1 - np.clip(darkness[..., None] * colour, 0, 0.95)).astype(np.float32)
