"""The row of metrics of one split, with intervals that know of groups."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crackdet.evaluation.calibration import bin_index
from crackdet.evaluation.intervals import (
    Floats,
    Interval,
    Ints,
    area_under_roc,
    auroc_interval,
    cluster_variance,
    positive_interval,
    proportion_interval,
    share_interval,
)
from crackdet.evaluation.prevalence import precision_by_prevalence
from crackdet.evaluation.unsure import alarms_of, confusion_matrix, unsure_facts

METRICS = (
    "accuracy",
    "precision",
    "recall",
    "f1",
    "false_alarm_rate",
    "auroc",
    "average_precision",
    "brier",
    "ece",
    "log_loss",
    "recall_at_far_5pct",
    "recall_at_far_1pct",
    "recall_at_far_0_1pct",
)
_NEED_PROBABILITIES = ("brier", "ece", "log_loss")
_FALSE_ALARM_RATES = {
    "recall_at_far_5pct": 0.05,
    "recall_at_far_1pct": 0.01,
    "recall_at_far_0_1pct": 0.001,
}
# Scores are float32 softmax outputs: closer to 0 or 1 than this they carry no information.
_LOG_LOSS_CLIP = float(np.finfo(np.float32).eps)
# Resamples are worked off in blocks of about this many weights (16 MB of float64 each), so that
# 1,000 resamples of 32,000 images need no 256 MB arrays.
_BLOCK_WEIGHTS = 2_000_000


def metrics_row(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    threshold: float | Floats,
    groups: ArrayLike | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    are_probabilities: bool = True,
    unsure: ArrayLike | None = None,
) -> dict[str, Any]:
    """Returns the metrics of binary scores, each with a 95 % interval.

    Intervals take groups for what they are: crops of one piece of wall err together, so counting
    images would promise more certainty than there is. How, by metric (see
    `crackdet.evaluation.intervals`):

    - `accuracy`, `recall`, `precision`, `false_alarm_rate`, `f1` (the share of `2 tp` in
      `2 tp + fp + fn`): Jeffreys' interval on the effective number of images;
    - the recalls at a false-alarm rate: the same, and no narrower than resampling of groups says,
      for their threshold varies too;
    - `auroc`: DeLong's variance for groups (Obuchowski 1997) on the probit scale;
    - `brier`, `log_loss`: variance between groups, on the logit and the logarithmic scale;
    - `average_precision`, `ece`: variance of resampled groups (Efron 1979), on the logit scale.

    Where nothing was wrong, the interval is `group_bound`: no error in 41 groups leaves 7 %
    possible, however many images they are.

    A metric that the data do not define (recall without positives, AUROC with one class,
    precision without alarms) is `None`, and so is its interval; an interval is also `None` where
    fewer than two groups stand behind it or half of the resamples leave it undefined. No value
    is ever NaN, so the row can be written as JSON.

    Args:
        labels: Integers of shape `(n,)`, 0 (negative) or 1 (positive).
        scores: Floats of shape `(n,)`, larger meaning more likely positive.
        threshold: An image raises an alarm when `score >= threshold`. One for all images, or one
            for each, shape `(n,)`, as where folds have their own; the row then holds their mean.
        groups: Integers of shape `(n,)`; images of one group may err together. `None` makes each
            image its own group.
        bootstrap: Number of resamples behind the intervals that need them; 0 leaves every
            interval `None`.
        seed: Seed of the resampling.
        are_probabilities: Whether scores are probabilities in [0, 1]. When `False`, Brier score,
            calibration error and log loss are `None`.
        unsure: Booleans of shape `(n,)`: of which images the classifier is unsure. At the threshold
            such a crack counts as missed and such a sound image as an alarm, whatever their
            scores; what is measured over all thresholds takes their scores as any.

    Returns:
        A dictionary with `n`, `positives`, `groups`, `positive_groups`, `negative_groups` (groups
        with an image of that class), `threshold`, `confusion` as `[[tn, fp], [fn, tp]]`,
        `intervals` as `{metric: [low, high]}`, and:

        - `accuracy`, `precision`, `recall`, `f1`, `false_alarm_rate` (`fp / negatives`) at the
          threshold;
        - `auroc`, `average_precision` (the step sum, without interpolation) over all thresholds;
        - `brier`, `log_loss` (natural logarithm), and `ece`: the expected calibration error of
          the positive probability in 15 bins of equal width (Naeini et al. 2015);
        - `recall_at_far_5pct`, `recall_at_far_1pct`, `recall_at_far_0_1pct`: the largest recall
          among the thresholds that raise alarms on at most 5 %, 1 % or 0.1 % of the same split's
          negatives. That threshold is read off the split itself: the figures compare rankings and
          promise no operating point;
        - `precision_at_prevalence`: what `precision_by_prevalence` returns, the precision where
          50, 20, 5 or 1 % of the patches are cracked;
        - `unsure`, where it was given: what `crackdet.evaluation.unsure.unsure_facts` returns, how
          many images that are and the figures of the others.

    Raises:
        ValueError: If the arrays are empty, differ in length, or hold values out of range.

    Example:

    >>> row = metrics_row([0, 0, 1, 1], [0.1, 0.6, 0.7, 0.9], threshold=0.5)
    >>> row["recall"], row["confusion"]
    (1.0, [[1, 1], [0, 2]])
    """
    y, s = check_labels_and_scores(labels, scores)
    if are_probabilities and (s.min() < 0 or s.max() > 1):
        raise ValueError(
            f"Scores must be probabilities in [0, 1]; received {s.min():g} to {s.max():g}. "
            "Pass are_probabilities=False for other scores."
        )
    if bootstrap < 0:
        raise ValueError(f"bootstrap must be at least 0; received {bootstrap}.")
    group_of, group_count = number_groups(groups, y.size)

    doubtful = None if unsure is None else np.asarray(unsure, bool)
    alarms = alarms_of(y, s, threshold, doubtful)
    sums = _group_sums(y, s, alarms, group_of, group_count)
    ranking = _Ranking(y, s, group_of)
    once = np.ones((1, group_count))
    values = {
        name: _number(value[0])
        for name, value in (_from_sums(once @ sums) | ranking.metrics(once)).items()
    } | {"auroc": area_under_roc(y, s)}
    intervals: dict[str, Interval] = dict.fromkeys(METRICS)
    if bootstrap and group_count > 1:
        deviations = _resampled_deviations(sums, ranking, bootstrap, seed)
        intervals |= _closed_intervals(values, sums) | _resampled_intervals(
            values, sums, ranking, deviations
        )
        if values["auroc"] is not None:
            intervals["auroc"] = auroc_interval(y, s, group_of)
    if not are_probabilities:
        for name in _NEED_PROBABILITIES:
            values[name] = intervals[name] = None

    row: dict[str, Any] = {
        "n": int(y.size),
        "positives": int(y.sum()),
        "groups": group_count,
        "positive_groups": int(np.unique(group_of[y == 1]).size),
        "negative_groups": int(np.unique(group_of[y == 0]).size),
        "threshold": float(np.mean(threshold)),
        **{name: values[name] for name in METRICS},
        "confusion": confusion_matrix(y, alarms),
        "intervals": {name: intervals[name] for name in METRICS},
    }
    row["precision_at_prevalence"] = precision_by_prevalence(row)
    if doubtful is not None:
        row["unsure"] = unsure_facts(y, s >= threshold, doubtful, group_of, bootstrap > 0)
    return row


def check_labels_and_scores(labels: ArrayLike, scores: ArrayLike) -> tuple[Ints, Floats]:
    """Returns labels as int64 and scores as float64 after checking both.

    Args:
        labels: Values 0 or 1, shape `(n,)` with n at least 1.
        scores: Finite values, shape `(n,)`.

    Raises:
        ValueError: If a shape or a value is not as described.
    """
    y, s = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if y.ndim != 1 or y.shape != s.shape:
        raise ValueError(
            f"labels and scores must both have shape (n,); received {y.shape} and {s.shape}."
        )
    if y.size == 0:
        raise ValueError("There is nothing to evaluate: labels and scores are empty.")
    if not np.isin(y, (0, 1)).all():
        raise ValueError(f"labels must be 0 or 1; received {np.unique(y)[:5].tolist()}.")
    if not np.isfinite(s).all():
        raise ValueError(f"scores must be finite; {int(np.sum(~np.isfinite(s)))} are not.")
    return y.astype(np.int64), s


def number_groups(groups: ArrayLike | None, count: int) -> tuple[Ints, int]:
    """Returns the groups of so many images numbered from 0, and how many groups there are."""
    if groups is None:
        return np.arange(count), count
    groups = np.asarray(groups)
    if groups.shape != (count,):
        raise ValueError(f"groups must have shape ({count},); received {groups.shape}.")
    names, numbers = np.unique(groups, return_inverse=True)
    return numbers.astype(np.int64), int(names.size)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _divide(numerator: Floats, denominator: Floats) -> Floats:
    """Divides elementwise, NaN where the denominator is 0."""
    result = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.divide(numerator, denominator, out=result, where=denominator > 0)


def _group_sums(
    y: Ints, s: Floats, alarms: NDArray[np.bool_], group_of: Ints, groups: int
) -> Floats:
    """Sums over each group of everything that adds up: shape `(groups, 6 + bins)`.

    A resample of groups then needs one matrix product instead of a pass over the images.
    """
    p = np.clip(s, _LOG_LOSS_CLIP, 1 - _LOG_LOSS_CLIP)
    columns = [
        np.ones_like(s),
        y,
        alarms & (y == 1),
        alarms & (y == 0),
        (s - y) ** 2,
        -np.log(np.where(y == 1, p, 1 - p)),
    ]
    bins = bin_index(s)
    columns += [(y - s) * (bins == b) for b in range(bins.max() + 1)]
    return np.stack(
        [np.bincount(group_of, np.asarray(c, np.float64), groups) for c in columns], axis=1
    )


def _from_sums(sums: Floats) -> dict[str, Floats]:
    """The metrics that follow from `(resamples, 6 + bins)` sums."""
    n, positives, tp, fp, brier, log_loss = sums[:, :6].T
    negatives = n - positives
    return {
        "accuracy": _divide(tp + negatives - fp, n),
        "precision": _divide(tp, tp + fp),
        "recall": _divide(tp, positives),
        "f1": _divide(2 * tp, positives + tp + fp),
        "false_alarm_rate": _divide(fp, negatives),
        "brier": _divide(brier, n),
        "log_loss": _divide(log_loss, n),
        "ece": _divide(np.abs(sums[:, 6:]).sum(axis=1), n),
    }


def _allowed(rate: float, negatives: Floats) -> Floats:
    """The most false alarms at a rate."""
    # Counts are whole numbers; 1e-9 keeps 0.01 * 2900 = 28.999999999999996 at 29.
    return np.floor(rate * negatives + 1e-9)


class _Ranking:
    """Scores sorted once; ranking metrics for any number of group weightings."""

    def __init__(self, y: Ints, s: Floats, group_of: Ints) -> None:
        order = np.argsort(-s, kind="stable")
        self.positive = y[order].astype(np.float64)
        self.group_of = group_of[order]
        # Images with equal scores stand or fall together: only the last of a tie is a threshold.
        self.thresholds = np.append(np.flatnonzero(np.diff(s[order])), y.size - 1)

    def metrics(self, weights: Floats) -> dict[str, Floats]:
        """Returns metrics of shape `(resamples,)` for weights of shape `(resamples, groups)`."""
        rows = max(1, _BLOCK_WEIGHTS // self.positive.size)
        blocks = [
            self._block(weights[first : first + rows]) for first in range(0, len(weights), rows)
        ]
        return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}

    def found_at(self, rate: float, groups: int) -> Floats:
        """Returns each group's positives found at that false-alarm rate, shape `(groups,)`."""
        false_alarms = np.cumsum(1 - self.positive)[self.thresholds]
        reached = np.sum(false_alarms <= _allowed(rate, false_alarms[-1]))
        end = self.thresholds[reached - 1] + 1 if reached else 0
        return np.bincount(self.group_of[:end], self.positive[:end], groups).astype(np.float64)

    def _block(self, weights: Floats) -> dict[str, Floats]:
        per_image = weights[:, self.group_of]
        alarms = np.cumsum(per_image, axis=1)[:, self.thresholds]
        tp = np.cumsum(per_image * self.positive, axis=1)[:, self.thresholds]
        fp = alarms - tp
        positives, negatives = tp[:, -1], fp[:, -1]
        steps_tp = np.diff(tp, axis=1, prepend=0.0)
        # A threshold that nothing reaches in this resample has precision 0/0 and step 0.
        precision = tp / np.maximum(alarms, 1.0)
        result = {
            "average_precision": _divide((steps_tp * precision).sum(axis=1), positives),
        }
        for name, rate in _FALSE_ALARM_RATES.items():
            reached = (fp <= _allowed(rate, negatives)[:, None]).sum(axis=1)
            found = np.take_along_axis(tp, np.maximum(reached - 1, 0)[:, None], axis=1)[:, 0]
            recall = _divide(np.where(reached > 0, found, 0.0), positives)
            result[name] = np.where(negatives > 0, recall, np.nan)
        return result


def _closed_intervals(values: dict[str, float | None], sums: Floats) -> dict[str, Interval]:
    """Intervals that follow from sums by group."""
    n, positives, tp, fp, brier, log_loss = sums[:, :6].T
    intervals = {
        "accuracy": proportion_interval(tp + n - positives - fp, n),
        "precision": proportion_interval(tp, tp + fp),
        "recall": proportion_interval(tp, positives),
        "f1": proportion_interval(2 * tp, tp + fp + positives),
        "false_alarm_rate": proportion_interval(fp, n - positives),
    }
    total = float(n.sum())
    for name, losses, interval in (
        ("brier", brier, share_interval),
        ("log_loss", log_loss, positive_interval),
    ):
        mean = losses.sum() / total
        intervals[name] = interval(mean, cluster_variance(losses - mean * n, total), n.size)
    return {name: None if values[name] is None else intervals[name] for name in intervals}


def _resampled_intervals(
    values: dict[str, float | None],
    sums: Floats,
    ranking: _Ranking,
    deviations: dict[str, float],
) -> dict[str, Interval]:
    """Intervals of what follows from no sums, from deviations over resampled groups."""
    groups = len(sums)
    intervals: dict[str, Interval] = {}
    for name in ("average_precision", "ece", *_FALSE_ALARM_RATES):
        value = values[name]
        if value is None or name not in deviations:
            continue
        # Drawing with replacement shows 1 - 1 / groups of the variance.
        variance = deviations[name] ** 2 * groups / (groups - 1)
        if name in _FALSE_ALARM_RATES:
            found = ranking.found_at(_FALSE_ALARM_RATES[name], groups)
            intervals[name] = proportion_interval(found, sums[:, 1], resampled_variance=variance)
        else:
            intervals[name] = share_interval(value, variance, groups)
    return intervals


def _resampled_deviations(
    sums: Floats, ranking: _Ranking, bootstrap: int, seed: int
) -> dict[str, float]:
    """Standard deviations over resampled groups of what most of the resamples define."""
    groups = len(sums)
    # Drawing `groups` groups with replacement gives multinomial counts of each group.
    draws = np.random.default_rng(seed).multinomial(
        groups, np.full(groups, 1 / groups), size=bootstrap
    )
    weights = draws.astype(np.float64)
    deviations = {}
    for name, resampled in (_from_sums(weights @ sums) | ranking.metrics(weights)).items():
        defined = resampled[np.isfinite(resampled)]
        if 2 * defined.size > bootstrap:
            deviations[name] = float(defined.std())
    return deviations
