"""The decision threshold: where missing cracks and false alarms cost least."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from crackdet.evaluation.log_odds import (
    LOGITS,
    STEP,
    count_by_group,
    draw_expected,
    fit_log_odds,
    log_odds,
    uncertainty_left,
)
from crackdet.evaluation.metrics import check_labels_and_scores

Floats = NDArray[np.float64]

# On fewer images or groups of a class than this a choice is said to stand on little.
FEW = 20
# Images counted at a logit where there are none, so that no two thresholds cost the same.
_NEXT_TO_NONE = 1e-6
# Resamples are fitted in blocks of this many, which bounds the memory.
_BLOCK = 100


@dataclass(frozen=True)
class ThresholdChoice:
    """A threshold, how far it would move on other groups, and what it stands on.

    Attributes:
        threshold: In [0, 1]; an image raises an alarm when `score >= threshold`.
        interval: Holds 95 % of the thresholds that the same rule chooses on resampled groups,
            each with another deviation expected beforehand: wide where groups differ and where
            they say little. `None` without resamples.
        miss_cost: Cost of a missed positive in false alarms.
        shrinkage: From 0, where the images decided, to 1, where they said nothing and the cost
            ratio stands: the variance of the fit at the threshold as a share of that beforehand.
        expected_cost: Cost of an image that is expected at the threshold, in false alarms.
        positives: How many positive images it was chosen on.
        positive_groups: How many groups they are of.
        negatives: How many negative images it was chosen on.
        negative_groups: How many groups they are of.
        chosen_on: What the images were, in words.
    """

    threshold: float
    interval: tuple[float, float] | None
    miss_cost: float
    shrinkage: float
    expected_cost: float
    positives: int
    positive_groups: int
    negatives: int
    negative_groups: int
    chosen_on: str = "validation"

    @property
    def cost_ratio(self) -> float:
        """`1 / (1 + miss_cost)`: the best threshold of scores that are true probabilities."""
        return 1 / (1 + self.miss_cost)

    @property
    def rule(self) -> str:
        """How the threshold was chosen, in words."""
        return (
            f"least expected cost on {self.chosen_on} with a miss costing {self.miss_cost:g} false "
            "alarms, by a smooth fit of the scores that stays near the cost ratio "
            f"{self.cost_ratio:.4g} where {self.chosen_on} says little"
        )

    @property
    def caution(self) -> str:
        """What a reader must know where the choice stands on little; else empty."""
        counts = (self.positives, self.positive_groups, self.negatives, self.negative_groups)
        if min(counts) >= FEW:
            return ""
        positive, groups, negative, other = counts
        return (
            f"The threshold was chosen on {positive} positive images of {groups} groups and "
            f"{negative} negative images of {other} groups. With fewer than {FEW} of any of these "
            "it may be far from the best one."
        )

    def facts(self) -> dict[str, Any]:
        """Returns what `metrics.json` and the record beside a model say of the threshold."""
        return {
            "threshold": self.threshold,
            "threshold_rule": self.rule,
            "threshold_interval": None if self.interval is None else list(self.interval),
            "threshold_cost_ratio": self.cost_ratio,
            "threshold_shrinkage": self.shrinkage,
            "threshold_expected_cost": self.expected_cost,
            "threshold_positives": {"images": self.positives, "groups": self.positive_groups},
            "threshold_negatives": {"images": self.negatives, "groups": self.negative_groups},
            "threshold_caution": self.caution,
        }


def choose_threshold(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    miss_cost: float = 5.0,
    bootstrap: int = 200,
    seed: int = 0,
    chosen_on: str = "validation",
) -> ThresholdChoice:
    """Returns the threshold with the least expected cost, `miss_cost * misses + false alarms`.

    Choose it on a validation split and never on the one that is reported.

    The least cost that was counted on a few dozen walls is noise: four sound images of one wall
    move it by half the scale. Here the cost is expected: the probability of a positive is fitted
    as a smooth function of the score (`crackdet.evaluation.log_odds`), and the threshold is where
    alarm and silence are expected to cost the same. The fit starts from the scores themselves, so
    where the images say little, the threshold stays near the cost ratio `1 / (1 + miss_cost)`.
    Images of one group say much the same: all images together weigh as much as there are groups.

    Args:
        labels: Integers of shape `(n,)`, 0 or 1, both present.
        scores: Calibrated probabilities of the positive class, shape `(n,)`.
        groups: Integers of shape `(n,)`; images of one group are resampled together. `None` makes
            each image its own group.
        miss_cost: Cost of a missed positive in false alarms, above 0. The default, 5, says that
            an overlooked crack is worth five needless second looks.
        bootstrap: Number of resamples of groups behind the interval; 0 leaves it `None`.
        seed: Seed of the resampling, on which the interval alone depends.
        chosen_on: What the images are, in words.

    Returns:
        A `ThresholdChoice`.

    Raises:
        ValueError: If a class is absent or an argument is out of range.

    Example:

    >>> choice = choose_threshold([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], miss_cost=1.0)
    >>> round(choice.threshold, 2), choice.cost_ratio
    (0.5, 0.5)
    """
    y, s = check_labels_and_scores(labels, scores)
    if s.min() < 0 or s.max() > 1:
        raise ValueError(f"scores must be in [0, 1]; received {s.min():g} to {s.max():g}.")
    _check_classes_and_cost(y, miss_cost)
    if bootstrap < 0:
        raise ValueError(f"bootstrap must be at least 0; received {bootstrap}.")
    group_of = np.arange(y.size) if groups is None else np.unique(groups, return_inverse=True)[1]
    if group_of.shape != y.shape:
        raise ValueError(f"groups must have shape ({y.size},); received {group_of.shape}.")

    kinds, alike = count_by_group(y, s, group_of)
    evidence = float(alike.sum() / y.size)
    counts = (kinds.T @ alike)[None]
    coefficients = fit_log_odds(counts, evidence)
    costs = _costs(counts, coefficients, miss_cost)
    position = float(_cheapest_logit(costs, coefficients, miss_cost)[0])

    moved: list[Floats] = []
    random = np.random.default_rng(seed)
    for first in range(0, bootstrap, _BLOCK):
        draws = min(_BLOCK, bootstrap - first)
        drawn = random.multinomial(alike.sum(), alike / alike.sum(), size=draws)
        resampled = (kinds.T @ drawn.T).T
        # A fit that the images leave free stays with what is expected beforehand, and would seem
        # sure: so each resample expects something else, drawn from the same prior.
        again = fit_log_odds(
            resampled, evidence, start=coefficients, expected=draw_expected(random, draws)
        )
        resampled_costs = _costs(resampled, again, miss_cost)
        moved.append(_cheapest_logit(resampled_costs, again, miss_cost))
    return ThresholdChoice(
        threshold=float(expit(position)),
        interval=_interval(np.concatenate(moved)) if moved else None,
        miss_cost=float(miss_cost),
        shrinkage=uncertainty_left(counts, evidence, coefficients, position),
        expected_cost=float(costs.min() / y.size),
        positives=int(y.sum()),
        positive_groups=int(np.unique(group_of[y == 1]).size),
        negatives=int(np.sum(y == 0)),
        negative_groups=int(np.unique(group_of[y == 0]).size),
        chosen_on=chosen_on,
    )


def _interval(logits: Floats) -> tuple[float, float]:
    low, high = expit(np.percentile(logits, (2.5, 97.5)))
    return float(low), float(high)


def _costs(counts: Floats, coefficients: Floats, miss_cost: float) -> Floats:
    """Expected costs of the thresholds below each logit and above all: `(fits, logits + 1)`."""
    images = counts[:, : LOGITS.size] + counts[:, LOGITS.size :] + _NEXT_TO_NONE
    probability = expit(log_odds(coefficients))
    missed = np.cumsum(images * probability, axis=1)
    silent = np.cumsum(images * (1 - probability), axis=1)
    misses = np.pad(missed, ((0, 0), (1, 0)))
    false_alarms = silent[:, -1:] - np.pad(silent, ((0, 0), (1, 0)))
    return miss_cost * misses + false_alarms


def _cheapest_logit(costs: Floats, coefficients: Floats, miss_cost: float) -> Floats:
    """The logit where alarm and silence cost the same, of several the one of least cost."""
    wanted = -np.log(miss_cost)
    odds = log_odds(coefficients)
    # Beyond the grid the log-odds go on as the logit does.
    odds = np.concatenate([odds[:, :1] - STEP, odds, odds[:, -1:] + STEP], axis=1)
    rows, best = np.arange(len(costs)), costs.argmin(axis=1)
    below, above = odds[rows, best], odds[rows, best + 1]
    inside = (best > 0) & (best < LOGITS.size)
    part = np.where(inside, (wanted - below) / np.where(inside, above - below, STEP), 0.0)
    ends = np.where(best == 0, LOGITS[0] + wanted - above, LOGITS[-1] + wanted - below)
    return np.where(inside, LOGITS[best - 1] + STEP * part, ends)


def _check_classes_and_cost(y: NDArray[np.int64], miss_cost: float) -> None:
    if not 0 < y.sum() < y.size:
        raise ValueError(
            "A threshold needs images of both classes; received "
            f"{int(np.sum(y == 0))} negatives and {int(y.sum())} positives."
        )
    if not (np.isfinite(miss_cost) and miss_cost > 0):
        raise ValueError(f"miss_cost must be a number above 0; received {miss_cost}.")


def cheapest_threshold(
    y: NDArray[np.int64], s: NDArray[np.float64], *, miss_cost: float, lowest: float
) -> float:
    """Returns the threshold with the least counted cost, for scores that are no probabilities.

    Between two neighbouring scores every threshold costs the same, so the best thresholds form
    intervals. The widest of them is taken (the largest margin), the lowest of equally wide ones
    (fewer misses), and its middle is returned. Thresholds above every score are left out: a
    detector that never alarms detects nothing.

    Args:
        y: Labels, shape `(n,)`.
        s: Scores of any range, shape `(n,)`.
        miss_cost: Cost of a missed positive in false alarms, above 0.
        lowest: The lower end of the scores' range.
    """
    _check_classes_and_cost(y, miss_cost)
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
