"""Calibration: do images scored 0.9 hold a crack nine times in ten?"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

BINS = 15
# A temperature outside this range means a broken model rather than an uncalibrated one.
TEMPERATURE_RANGE = (0.05, 20.0)
_NEAR_BOUND = 1e-3  # Of the logarithm: the search ends beside the bound, not on it.
# The smallest normal float32: a softmax output of 0 is a rounded one, its logarithm is finite.
_SMALLEST = float(np.finfo(np.float32).tiny)


def bin_index(scores: ArrayLike, bins: int = BINS) -> NDArray[np.int64]:
    """Returns the bin 0 to `bins - 1` of each score: bins of equal width, the last closed at 1."""
    index = np.floor(np.asarray(scores, np.float64) * bins).astype(np.int64)
    return np.clip(index, 0, bins - 1)


def reliability_bins(labels: ArrayLike, scores: ArrayLike, bins: int = BINS) -> dict[str, Any]:
    """Returns the reliability diagram of binary scores as numbers.

    Args:
        labels: Integers of shape `(n,)`, 0 or 1.
        scores: Probabilities of the positive class, shape `(n,)`.
        bins: Number of bins of equal width over [0, 1].

    Returns:
        A dictionary of arrays of shape `(bins,)`: `lower`, `upper` (edges), `count`, `score`
        (mean score of the bin) and `frequency` (share of positives); the last two are NaN in an
        empty bin.

    Raises:
        ValueError: If shapes differ or `bins` is less than 1.

    Example:

    >>> reliability_bins([0, 1, 1], [0.1, 0.8, 0.9], bins=2)["frequency"].tolist()
    [0.0, 1.0]
    """
    y, s = np.asarray(labels, np.float64), np.asarray(scores, np.float64)
    if y.shape != s.shape or y.ndim != 1:
        raise ValueError(
            f"labels and scores must both have shape (n,); received {y.shape} and {s.shape}."
        )
    if bins < 1:
        raise ValueError(f"bins must be at least 1; received {bins}.")
    index = bin_index(s, bins)
    count = np.bincount(index, minlength=bins)
    edges = np.linspace(0.0, 1.0, bins + 1)
    with np.errstate(invalid="ignore"):
        return {
            "lower": edges[:-1],
            "upper": edges[1:],
            "count": count,
            "score": np.bincount(index, s, bins) / count,
            "frequency": np.bincount(index, y, bins) / count,
        }


def expected_calibration_error(labels: ArrayLike, scores: ArrayLike, bins: int = BINS) -> float:
    """Returns the mean gap between score and frequency, weighted by the images of each bin.

    Binary form of Naeini, Cooper & Hauskrecht, "Obtaining Well Calibrated Probabilities Using
    Bayesian Binning" (AAAI 2015): the probability of the positive class against its frequency.

    Args:
        labels: Integers of shape `(n,)`, 0 or 1, n at least 1.
        scores: Probabilities of the positive class, shape `(n,)`.
        bins: Number of bins of equal width over [0, 1].

    Returns:
        The error, 0 to 1.

    Raises:
        ValueError: If shapes differ or the arrays are empty.

    Example:

    >>> expected_calibration_error([0, 1], [0.25, 0.75])
    0.25
    """
    table = reliability_bins(labels, scores, bins)
    total = table["count"].sum()
    if total == 0:
        raise ValueError("There is nothing to evaluate: labels and scores are empty.")
    filled = table["count"] > 0
    gap = np.abs(table["score"] - table["frequency"])[filled]
    return float(np.sum(gap * table["count"][filled]) / total)


def apply_temperature(probabilities: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Returns the probabilities of `softmax(logits / temperature)` from those of `softmax(logits)`.

    Log-probabilities are logits up to a constant per row, which softmax ignores.

    Args:
        probabilities: Softmax outputs of shape `(n, classes)`.
        temperature: A positive number; above 1 softens, below 1 sharpens.

    Returns:
        Probabilities of shape `(n, classes)`.

    Example:

    >>> apply_temperature([[0.2, 0.8]], 1.0).round(3).tolist()
    [[0.2, 0.8]]
    """
    return softmax(_logits(probabilities) / temperature, axis=1)


def calibrated_scores(probabilities: ArrayLike, temperature: float) -> NDArray[np.float32]:
    """Returns the probability of class 1, `(n,)`, as the model gives it once its logits are scaled.

    Args:
        probabilities: `(n, 2)`.
        temperature: As in `apply_temperature`.
    """
    return apply_temperature(probabilities, temperature)[:, 1].astype(np.float32)


def at_bound(temperature: float) -> bool:
    """Returns whether a temperature ended at its bound: the loss asked for more, or for less.

    Args:
        temperature: What `fit_temperature` returned.

    Example:

    >>> at_bound(20.0), at_bound(1.3)
    (True, False)
    """
    return any(abs(np.log(temperature / bound)) < _NEAR_BOUND for bound in TEMPERATURE_RANGE)


def fit_temperature(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Returns the temperature that minimizes the log loss on a validation split.

    One scalar for all classes, which changes no ranking of the classes of an image (Guo, Pleiss,
    Sun & Weinberger, "On Calibration of Modern Neural Networks", ICML 2017).

    Where every image is classified right, the log loss falls for ever as the temperature goes to
    0; such a split says nothing about how sure to be, so the temperature stays 1.

    Args:
        probabilities: Softmax outputs on the validation split, shape `(n, classes)`.
        labels: Class indices of shape `(n,)`.

    Returns:
        The temperature, within [0.05, 20].

    Raises:
        ValueError: If the shapes do not fit or there is no image.

    Example:

    >>> overconfident = [[0.01, 0.99]] * 3 + [[0.99, 0.01]]
    >>> round(fit_temperature(overconfident, [1, 1, 0, 0]), 1)  # 3 of 4 right: 75 % is honest
    4.2
    """
    z, y = _logits(probabilities), np.asarray(labels)
    if y.shape != z.shape[:1] or y.size == 0:
        raise ValueError(
            "probabilities and labels must have shapes (n, classes) and (n,) with n at least 1; "
            f"received {z.shape} and {y.shape}."
        )
    rows = np.arange(y.size)
    true = z[rows, y]
    if np.all(np.sum(z >= true[:, None], axis=1) == 1):
        return 1.0

    def loss(log_temperature: float) -> float:
        return -float(np.mean(log_softmax(z / np.exp(log_temperature), axis=1)[rows, y]))

    low, high = np.log(TEMPERATURE_RANGE)
    # The loss is convex in 1 / temperature, hence has one minimum over its logarithm too.
    return float(
        np.exp(
            minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6}).x
        )
    )


def _logits(probabilities: ArrayLike) -> NDArray[np.float64]:
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or p.shape[1] < 2:
        raise ValueError(
            f"probabilities must have shape (n, classes), two classes or more; received {p.shape}."
        )
    return np.log(np.maximum(p, _SMALLEST))
