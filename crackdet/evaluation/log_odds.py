"""The log-odds of a crack as a smooth function of the score, fitted to counts of images.

A logistic regression whose log-odds are the logit of the score plus a smooth deviation, with a
Gaussian process as the deviation's prior (Rasmussen & Williams, "Gaussian Processes for Machine
Learning", 2006, chapters 3 and 5): what the images do not say stays as calibration left it.
"""

from collections import Counter
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import expit, logit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Scores are counted by their logit, rounded to this grid; at its ends float32 rounds to 0 and 1.
STEP = 0.125
LOGITS = np.arange(-128, 129) * STEP

# Standard deviations of the deviation that is expected beforehand: of a shift, of a slope, and of
# waves of some 1.5 logits. examples/benchmarks/threshold_rules.py judges them.
_SHIFT, _SLOPE, _WAVES, _LENGTH = 1.0, 0.3, 1.0, 1.5
# Directions of the deviation that vary less than this beforehand are left out.
_LEAST_VARIANCE = 1e-3
_MOST_STEPS, _MOST_HALVINGS = 50, 20


def count_by_group(y: Ints, s: Floats, group_of: Ints) -> tuple[csr_array, Ints]:
    """Returns the distinct groups as counts of images, and how many groups are like each.

    Args:
        y: Labels, shape `(n,)`.
        s: Scores in [0, 1], shape `(n,)`.
        group_of: Group of each image, shape `(n,)`.

    Returns:
        Counts of shape `(kinds, 2 * len(LOGITS))`, negatives at each logit and then positives, and
        the number of groups of each kind. Neither depends on the order or the names of anything.
    """
    with np.errstate(divide="ignore"):
        nearest = np.rint(np.clip(logit(s), LOGITS[0], LOGITS[-1]) / STEP)
    columns = nearest.astype(np.int64) + LOGITS.size // 2 + LOGITS.size * y
    order = np.lexsort((columns, group_of))
    starts = np.flatnonzero(np.diff(group_of[order])) + 1
    alike = Counter(group.tobytes() for group in np.split(columns[order], starts))
    kinds = sorted(alike)
    images = [np.frombuffer(kind, np.int64) for kind in kinds]
    ends = np.cumsum([0, *(group.size for group in images)])
    flat = np.concatenate(images)
    shape = len(kinds), 2 * LOGITS.size
    return (
        csr_array((np.ones(flat.size), flat, ends), shape=shape),
        np.array([alike[kind] for kind in kinds]),
    )


def fit_log_odds(
    counts: Floats,
    evidence: float,
    *,
    start: Floats | None = None,
    expected: Floats | None = None,
) -> Floats:
    """Returns the coefficients of the most probable deviation for each row of counts.

    Args:
        counts: As of `count_by_group`, summed over groups: shape `(fits, 2 * len(LOGITS))`.
        evidence: Weight of an image in the likelihood.
        start: Coefficients to begin with, shape `(fits, size)` or one that spreads to it.
        expected: Coefficients that are expected beforehand, shape `(fits, size)`: such as
            `draw_expected` gives. Defaults to 0, no deviation.

    Returns:
        Coefficients of shape `(fits, size)`.
    """
    basis = _basis()
    expected = np.zeros((len(counts), basis.shape[1])) if expected is None else expected
    coefficients = np.zeros_like(expected) + (0.0 if start is None else start)
    images, positives = evidence * _images(counts), evidence * counts[:, LOGITS.size :]

    def loss(values: Floats) -> Floats:
        odds = log_odds(values)
        likelihood = images * np.logaddexp(0.0, odds) - positives * odds
        return likelihood.sum(axis=1) + np.square(values - expected).sum(axis=1) / 2

    best = loss(coefficients)
    for _ in range(_MOST_STEPS):
        slope = (images * expit(log_odds(coefficients)) - positives) @ basis
        slope += coefficients - expected
        newton = np.linalg.solve(_curvature(images, coefficients), slope[..., None])[..., 0]
        # The loss is convex: of a full step that overshoots, a small enough part does not.
        part = np.ones(len(counts))
        for _ in range(_MOST_HALVINGS):
            reached = loss(coefficients - part[:, None] * newton)
            worse = reached > best + 1e-9
            if not worse.any():
                break
            part[worse] /= 2
        coefficients, best = coefficients - part[:, None] * newton, reached
        if np.abs(newton).max() < 1e-6:
            break
    return coefficients


def draw_expected(random: np.random.Generator, fits: int) -> Floats:
    """Returns coefficients drawn from what is expected beforehand, shape `(fits, size)`."""
    return random.normal(size=(fits, _basis().shape[1]))


def log_odds(coefficients: Floats) -> Floats:
    """Returns the fitted log-odds at `LOGITS`, shape `(fits, len(LOGITS))`."""
    return LOGITS + coefficients @ _basis().T


def uncertainty_left(
    counts: Floats, evidence: float, coefficients: Floats, position: float
) -> float:
    """Returns the share of the variance expected beforehand that is left at a logit, 0 to 1."""
    basis = _basis()
    there = basis[np.abs(LOGITS - position).argmin()]
    curvature = _curvature(evidence * _images(counts), coefficients)[0]
    return float(there @ np.linalg.solve(curvature, there) / (there @ there))


def _images(counts: Floats) -> Floats:
    return counts[:, : LOGITS.size] + counts[:, LOGITS.size :]


def _curvature(images: Floats, coefficients: Floats) -> Floats:
    """The loss's second derivatives, shape `(fits, size, size)`."""
    basis = _basis()
    size = basis.shape[1]
    probability = expit(log_odds(coefficients))
    squares = (basis[:, :, None] * basis[:, None, :]).reshape(LOGITS.size, size * size)
    curvature = (images * probability * (1 - probability)) @ squares
    return curvature.reshape(-1, size, size) + np.eye(size)


@cache
def _basis() -> Floats:
    """Deviations at `LOGITS`, a column each, that are expected in independent standard amounts."""
    z = LOGITS[:, None]
    covariance = (
        _SHIFT**2 + _SLOPE**2 * z * z.T + _WAVES**2 * np.exp(-np.square((z - z.T) / _LENGTH) / 2)
    )
    variances, directions = np.linalg.eigh(covariance)
    kept = variances > _LEAST_VARIANCE
    return directions[:, kept] * np.sqrt(variances[kept])
