"""Precision where cracks are rarer than among the images that were judged."""

from collections.abc import Mapping
from typing import Any

from crackdet.evaluation.intervals import Interval

PREVALENCES = (0.5, 0.2, 0.05, 0.01)


def precision_at(
    prevalence: float, recall: float | None, false_alarm_rate: float | None
) -> float | None:
    """Returns the share of alarms that are cracks where a given share of patches is cracked.

    Bayes' rule: `p r / (p r + (1 - p) f)` with the prevalence p, the recall r and the false-alarm
    rate f. In surveys of sound structures one patch in a hundred is cracked, in data sets one in
    two: there the same classifier raises fifty times as many false alarms for each crack.

    Args:
        prevalence: Share of the patches that are cracked, 0 to 1.
        recall: Share of the cracked patches that raise an alarm.
        false_alarm_rate: Share of the sound patches that do.

    Returns:
        The precision, 0 to 1; None where it is not defined.

    Example:

    >>> round(precision_at(0.01, recall=0.9, false_alarm_rate=0.05), 3)
    0.154
    """
    if recall is None or false_alarm_rate is None:
        return None
    found = prevalence * recall
    alarms = found + (1 - prevalence) * false_alarm_rate
    return found / alarms if alarms > 0 else None


def precision_by_prevalence(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the precision at each of `PREVALENCES`, from the recall and the false-alarm rate.

    Args:
        row: A row of metrics with `recall`, `false_alarm_rate` and their `intervals`.

    Returns:
        One dictionary a prevalence, with `prevalence`, `precision` (None where not defined) and
        `interval`: from the worst ends of both intervals to their best ones, so no narrower than
        95 %; None where one is missing.

    Example:

    >>> intervals = {"recall": [0.8, 0.95], "false_alarm_rate": [0.03, 0.1]}
    >>> row = {"recall": 0.9, "false_alarm_rate": 0.05, "intervals": intervals}
    >>> [round(each["precision"], 2) for each in precision_by_prevalence(row)]
    [0.95, 0.82, 0.49, 0.15]
    """
    recall, false_alarms = (row["intervals"][name] for name in ("recall", "false_alarm_rate"))

    def interval(prevalence: float) -> Interval:
        if recall is None or false_alarms is None:
            return None
        worst = precision_at(prevalence, recall[0], false_alarms[1])
        best = precision_at(prevalence, recall[1], false_alarms[0])
        return None if worst is None or best is None else [worst, best]

    return [
        {
            "prevalence": prevalence,
            "precision": precision_at(prevalence, row["recall"], row["false_alarm_rate"]),
            "interval": interval(prevalence),
        }
        for prevalence in PREVALENCES
    ]
