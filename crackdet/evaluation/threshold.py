"""The decision threshold: where missing cracks and false alarms cost least."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crackdet.evaluation.metrics import check_labels_and_scores


def choose_threshold(labels: ArrayLike, scores: ArrayLike, *, miss_cost: float = 5.0) -> float:
    """Returns the threshold with the least cost, `miss_cost * misses + false alarms`.

    Choose it on a validation split and never on the one that is reported.

    Between two neighbouring scores every threshold costs the same, so the best thresholds form
    intervals. The widest of them is taken (the largest margin), the lowest of equally wide ones
    (fewer misses), and its middle is returned. Thresholds above every score are left out: a
    detector that never alarms detects nothing.

    Args:
        labels: Integers of shape `(n,)`, 0 or 1, both present.
        scores: Probabilities of the positive class, shape `(n,)`.
        miss_cost: Cost of a missed positive in false alarms, above 0. The default, 5, says that
            an overlooked crack is worth five needless second looks.

    Returns:
        The threshold, in [0, 1]; an image raises an alarm when `score >= threshold`.

    Raises:
        ValueError: If a class is absent or an argument is out of range.

    Example:

    >>> choose_threshold([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    0.5
    """
    y, s = check_labels_and_scores(labels, scores)
    if s.min() < 0 or s.max() > 1:
        raise ValueError(f"scores must be in [0, 1]; received {s.min():g} to {s.max():g}.")
    return cheapest_threshold(y, s, miss_cost=miss_cost, lowest=0.0)


def cheapest_threshold(
    y: NDArray[np.int64], s: NDArray[np.float64], *, miss_cost: float, lowest: float
) -> float:
    """The rule of `choose_threshold` for scores of any range with `lowest` as its lower end."""
    if not 0 < y.sum() < y.size:
        raise ValueError(
            "A threshold needs images of both classes; received "
            f"{int(np.sum(y == 0))} negatives and {int(y.sum())} positives."
        )
    if not (np.isfinite(miss_cost) and miss_cost > 0):
        raise ValueError(f"miss_cost must be a number above 0; received {miss_cost}.")
    upper, index = np.unique(s, return_inverse=True)
    # A threshold in (lower[k], upper[k]] misses the positives below it and alarms on the rest.
    lower = np.append(lowest, upper[:-1])
    positives = np.bincount(index, y, upper.size)
    negatives = np.bincount(index, 1 - y, upper.size)
    misses = np.append(0.0, np.cumsum(positives)[:-1])
    false_alarms = negatives.sum() - np.append(0.0, np.cumsum(negatives)[:-1])
    cost = miss_cost * misses + false_alarms
    cheapest = np.isclose(cost, cost.min(), rtol=1e-12, atol=0.0)
    # Neighbouring intervals of equal cost (a tied score whose errors balance) are one interval.
    starts = np.flatnonzero(cheapest & ~np.append(False, cheapest[:-1]))
    ends = np.flatnonzero(cheapest & ~np.append(cheapest[1:], False))
    best = int(np.argmax(upper[ends] - lower[starts]))
    low, high = lower[starts[best]], upper[ends[best]]
    middle = (low + high) / 2
    # Two neighbouring floats have no middle; the upper one is in the interval, the lower is not.
    return float(middle if low < middle else high)
