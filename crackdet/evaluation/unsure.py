"""What becomes of the images that a classifier is unsure of: mistakes, and figures without them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crackdet.evaluation.intervals import Floats, Interval, Ints, proportion_interval

Mask = NDArray[np.bool_]


def alarms_of(y: Ints, s: Floats, threshold: float | Floats, unsure: Mask | None = None) -> Mask:
    """Returns which images count as alarms, shape `(n,)`.

    Who asks for an answer and gets none has to look: an unsure crack counts as missed, and an
    unsure sound image as a false alarm, so that a classifier gains nothing by being unsure.

    Args:
        y: Labels 0 and 1, shape `(n,)`.
        s: Scores, shape `(n,)`.
        threshold: One for all images, or one for each.
        unsure: Of which images it is unsure; None for none.

    Example:

    >>> y, unsure = np.array([0, 0, 1, 1]), np.array([False, True, True, False])
    >>> alarms_of(y, np.array([0.1, 0.1, 0.9, 0.9]), 0.5, unsure).tolist()
    [False, True, False, True]
    """
    alarms = s >= threshold
    return alarms if unsure is None else np.where(unsure, y == 0, alarms)


def confusion_matrix(y: Ints, alarms: Mask) -> list[list[int]]:
    """Returns `[[tn, fp], [fn, tp]]`."""
    return [[int(np.sum((y == t) & (alarms == p))) for p in (0, 1)] for t in (0, 1)]


def unsure_facts(
    y: Ints, alarms: Mask, unsure: Mask, group_of: Ints, with_intervals: bool = True
) -> dict[str, Any]:
    """Returns how many images a classifier is unsure of, and how it does on the others.

    Args:
        y: Labels 0 and 1, shape `(n,)`.
        alarms: Which images score at or above the threshold, shape `(n,)`.
        unsure: Of which it is unsure, shape `(n,)`.
        group_of: Number of each image's group from 0, shape `(n,)`.
        with_intervals: Whether intervals are wanted.

    Returns:
        `n`, `share`, `positives` and `negatives` of the unsure images, and `answered`: of the
        others `n`, `positives`, `accuracy`, `recall`, `precision`, `false_alarm_rate` (None where
        not defined), their `intervals` and the `confusion`.
    """
    kept = ~unsure
    cracked, hit = y[kept] == 1, alarms[kept]
    groups = np.unique(group_of[kept], return_inverse=True)[1]
    shares = {
        "accuracy": (cracked == hit, np.ones_like(hit)),
        "recall": (cracked & hit, cracked),
        "precision": (cracked & hit, hit),
        "false_alarm_rate": (~cracked & hit, ~cracked),
    }
    return {
        "n": int(unsure.sum()),
        "share": float(unsure.mean()),
        "positives": int(np.sum(unsure & (y == 1))),
        "negatives": int(np.sum(unsure & (y == 0))),
        "answered": {
            "n": int(kept.sum()),
            "positives": int(cracked.sum()),
            **{name: _share(*part) for name, part in shares.items()},
            "confusion": confusion_matrix(y[kept], hit),
            "intervals": {
                name: _interval(*part, groups) if with_intervals else None
                for name, part in shares.items()
            },
        },
    }


def _share(hits: Mask, counted: Mask) -> float | None:
    return float(hits.sum() / counted.sum()) if counted.any() else None


def _interval(hits: Mask, counted: Mask, groups: Ints) -> Interval:
    if not counted.any():
        return None
    return proportion_interval(np.bincount(groups, hits), np.bincount(groups, counted))
