"""The full-resolution check that makes a candidate a link."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from tfds_builder.grouping.candidates import Candidates
from tfds_builder.grouping.keypoints import apply_symmetry

MIN_AREA = 2500  # pixels that both crops must show
MIN_SIDE = 24  # pixels, the narrower side of the shared rectangle
# The correlation that a link needs, by the area shared (pixels): the smaller the area, the higher
# chance can reach. Measured on the 38,402 distinct images, hypotheses fall into two heaps, one that
# ends near 0.40 (areas over 13,000) and one that begins near 0.75; what lies between is nearly all
# the same wall in a second photograph.
REQUIRED = ((9000, 0.5), (6000, 0.6), (4000, 0.75), (MIN_AREA, 0.85))
# A straight joint or crack looks the same wherever one stands along it, and so matches any other
# one. A link must therefore correlate better at its own shift than at any shift 4 pixels away, by
# this much. On procedural photos with joints, crops of different walls stay under 0.03 and crops
# that share a quarter over 0.24 (the aperture problem: Marr & Ullman 1981).
MARGIN = 0.15
_AWAY = ((4, 0), (4, 2), (3, 3), (2, 4), (0, 4), (-2, 4), (-3, 3), (-4, 2))
_REACH = 4
COARSE_STRIDE = 3
COARSE_FLOOR = 0.25  # correlation on every third pixel below which no full check is made
_SCALE = 32.0


def normalize(grey: np.ndarray) -> np.ndarray:
    """Takes light and contrast out of an image, so that texture counts as much as a crack.

    A band-pass (Gaussians of 1 and 6 pixels) divided by its local standard deviation (Gaussian of
    8 pixels). Without the division a crack outweighs all else, and any two straight cracks match.

    Args:
        grey: uint8 `(height, width)`.

    Returns:
        int8 `(height, width)`, 32 per local standard deviation.
    """
    image = grey.astype(np.float32)
    band = cv2.GaussianBlur(image, (0, 0), 1.0) - cv2.GaussianBlur(image, (0, 0), 6.0)
    deviation = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), 8.0))
    return np.clip(np.rint(band / (deviation + 1.0) * _SCALE), -127, 127).astype(np.int8)


def shared_views(
    first: np.ndarray, second: np.ndarray, symmetry: int, dy: int, dx: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns what two crops share, each as a view `(rows, columns, ...)` in the first's pose."""
    second = apply_symmetry(second, symmetry)
    top, left = max(0, dy), max(0, dx)
    bottom = min(first.shape[0], second.shape[0] + dy)
    right = min(first.shape[1], second.shape[1] + dx)
    if bottom <= top or right <= left:
        return first[:0, :0], second[:0, :0]
    return (
        first[top:bottom, left:right],
        second[top - dy : bottom - dy, left - dx : right - dx],
    )


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation of two arrays of one shape; 0 where one of them is flat."""
    a = first.astype(np.float32)
    b = second.astype(np.float32)
    a -= a.mean()
    b -= b.mean()
    power = float(np.vdot(a, a)) * float(np.vdot(b, b))
    return float(np.vdot(a, b)) / power**0.5 if power > 0 else 0.0


def rival_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """The highest correlation of the shared pixels when shifted by about 4 more, any way.

    Computed on every second pixel, which is enough for a bound.
    """
    height, width = (side - 2 * _REACH for side in first.shape)
    centre = second[_REACH : _REACH + height : 2, _REACH : _REACH + width : 2]
    shifts = (*_AWAY, *((-dy, -dx) for dy, dx in _AWAY))
    return max(
        correlation(
            first[_REACH + dy : _REACH + dy + height : 2, _REACH + dx : _REACH + dx + width : 2],
            centre,
        )
        for dy, dx in shifts
    )


def required_correlation(area: int) -> float:
    """The correlation a link of `area` shared pixels needs; infinite when the area is too small."""
    return next((needed for least, needed in REQUIRED if area >= least), np.inf)


def verify(
    normalized: Sequence[np.ndarray],
    candidates: Candidates,
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[tuple[int, int], tuple[int, int, int, float]]:
    """Checks candidates at full resolution.

    Args:
        normalized: The images after `normalize`.
        candidates: Hypotheses.
        progress: Called with (what, done, total).

    Returns:
        For each linked pair of images (symmetry, dy, dx, correlation) of its best hypothesis.
    """
    best: dict[tuple[int, int], tuple[int, int, int, float]] = {}
    rows = zip(*(column.tolist() for column in candidates), strict=True)
    total = len(candidates.first)
    for done, (first, second, symmetry, dy, dx) in enumerate(rows):
        if progress and done % 20000 == 0:
            progress("checking candidates", done, total)
        a, b = shared_views(normalized[first], normalized[second], symmetry, dy, dx)
        needed = required_correlation(a.size)
        if min(a.shape) < MIN_SIDE or needed == np.inf:
            continue
        step = COARSE_STRIDE
        if correlation(a[::step, ::step], b[::step, ::step]) < COARSE_FLOOR:
            continue
        value = correlation(a, b)
        known = best.get((first, second))
        if value < needed or (known is not None and value <= known[3]):
            continue
        if value - rival_correlation(a, b) >= MARGIN:
            best[first, second] = (symmetry, dy, dx, value)
    if progress:
        progress("checking candidates", total, total)
    return best
