"""Is a classifier better than what needs no classifier: one answer for all, or contrast alone?"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crackdet.evaluation.intervals import mean_interval
from crackdet.evaluation.metrics import check_labels_and_scores, number_groups
from crackdet.evaluation.unsure import alarms_of

EVERYTHING_CRACKED = "everything_cracked"
EVERYTHING_SOUND = "everything_sound"
CONTRAST = "contrast"


def compare_with_trivial(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    threshold: float | NDArray[np.float64],
    groups: ArrayLike | None = None,
    miss_cost: float = 5.0,
    contrast_alarms: ArrayLike | None = None,
    unsure: ArrayLike | None = None,
) -> dict[str, Any] | None:
    """Compares a classifier at its threshold with answers that need none.

    What counts is the expected cost, in false alarms an image: a missed crack costs `miss_cost` of
    them. The classifier is called better where the whole 95 % interval of what it saves is above
    0; the differences are paired by image and summed by group.

    Args:
        labels: Integers of shape `(n,)`, 0 or 1.
        scores: Floats of shape `(n,)`, larger meaning more likely positive.
        threshold: An image raises an alarm when `score >= threshold`; one for all images, or one
            for each.
        groups: Integers of shape `(n,)`; images of one group may err together. `None` makes each
            image its own group.
        miss_cost: Cost of a missed positive in false alarms, as in `choose_threshold`.
        contrast_alarms: Booleans of shape `(n,)`: the answers of the threshold on contrast; `None`
            leaves that comparison out.
        unsure: Booleans of shape `(n,)`: images that the classifier is unsure of, which count as
            mistakes. The trivial answers are never unsure.

    Returns:
        `{"miss_cost", "accuracy", "cost", "against": {name: {...}}}` with the names
        `"everything_cracked"`, `"everything_sound"` and `"contrast"`, each with `accuracy`, `cost`,
        `saving` (what the classifier costs less), `saving_interval` and `better`. Both are `None`
        with a single group, where nothing can be shown. `None` altogether where there is only one
        class, for which one answer is always right.

    Raises:
        ValueError: If the arrays are empty, differ in length, or hold values out of range.

    Example:

    >>> compared = compare_with_trivial([0, 0, 1, 1], [0.6, 0.7, 0.8, 0.9], threshold=0.5)
    >>> compared["against"]["everything_cracked"]["better"]
    False
    """
    y, s = check_labels_and_scores(labels, scores)
    if y.min() == y.max():
        return None
    group_of, _ = number_groups(groups, y.size)
    doubtful = None if unsure is None else np.asarray(unsure, bool)
    answers = alarms_of(y, s, threshold, doubtful)
    own = _costs(y, answers, miss_cost)
    rivals = {EVERYTHING_CRACKED: np.ones(y.size, bool), EVERYTHING_SOUND: np.zeros(y.size, bool)}
    if contrast_alarms is not None:
        rivals[CONTRAST] = np.asarray(contrast_alarms, bool)
    against = {}
    for name, alarms in rivals.items():
        costs = _costs(y, alarms, miss_cost)
        interval = mean_interval(costs - own, group_of)
        against[name] = {
            "accuracy": float(np.mean(alarms == y)),
            "cost": float(costs.mean()),
            "saving": float(np.mean(costs - own)),
            "saving_interval": interval,
            "better": None if interval is None else interval[0] > 0,
        }
    return {
        "miss_cost": float(miss_cost),
        "accuracy": float(np.mean(answers == y)),
        "cost": float(own.mean()),
        "against": against,
    }


def _costs(y: NDArray[np.int64], alarms: NDArray[np.bool_], miss_cost: float) -> NDArray[Any]:
    return np.where(y == 1, miss_cost * ~alarms, alarms)
