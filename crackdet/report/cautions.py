"""What a reader must know beside a figure so as not to be fooled by it, in sentences."""

from collections.abc import Mapping
from typing import Any

from crackdet.evaluation.calibration import at_bound
from crackdet.evaluation.intervals import group_bound
from crackdet.evaluation.trivial import CONTRAST, EVERYTHING_CRACKED, EVERYTHING_SOUND
from crackdet.report.words import of_hundred, percent, plural
from crackdet.runs.judged import CROSS_VALIDATION, judged_row

Row = Mapping[str, Any]

_RIVALS = {
    EVERYTHING_CRACKED: "calling everything cracked",
    EVERYTHING_SOUND: "calling everything sound",
    CONTRAST: "one threshold on contrast",
}


def groups_behind(row: Row) -> str:
    """Returns how many groups of images stand behind the intervals of a row."""
    cracked, sound = row["positive_groups"], row["negative_groups"]
    if not row["n"] - row["positives"]:
        return f"{plural(cracked, 'group')} with cracked images"
    if not row["positives"]:
        return f"{plural(sound, 'group')} with sound images"
    return (
        f"{plural(cracked, 'group')} with cracked images, {plural(sound, 'group')} with sound ones"
    )


def nothing_wrong(row: Row) -> list[str]:
    """Says for each class without an error what so many groups cannot rule out."""
    return [
        f"No {error} in {plural(row[groups], 'group')}: up to "
        f"{of_hundred(group_bound(row[groups]))} % remain possible."
        for name, value, error, groups in (
            ("recall", 1, "crack missed", "positive_groups"),
            ("false_alarm_rate", 0, "false alarm", "negative_groups"),
        )
        if row[name] == value
    ]


def few_cracks(row: Row) -> list[str]:
    """Says where the images judged hold no crack, one, or nothing else."""
    cracked, sound = row["positives"], row["n"] - row["positives"]
    cautions = []
    if cracked == 0:
        cautions.append("No image judged is cracked: recall and AUROC are undefined.")
    if cracked == 1:
        cautions.append("A single image judged is cracked: recall is all or nothing.")
    if sound == 0:
        cautions.append("No image judged is sound: false-alarm rate and AUROC are undefined.")
    if cracked and row["precision"] is None:
        cautions.append("Nothing was called cracked: precision is undefined.")
    return cautions


def against_trivial(comparison: Row | None, *, fitted_here: bool = False) -> list[str]:
    """Says against which trivial answers a classifier is no better, or not shown to be.

    Args:
        comparison: What `crackdet.evaluation.compare_with_trivial` returned.
        fitted_here: Whether the threshold on contrast was fitted on the very images judged.

    Returns:
        Sentences, one for each such answer; one alone where the classifier is better than all.
    """
    if comparison is None:
        return []
    names = dict(_RIVALS)
    if fitted_here:
        names[CONTRAST] += " that was fitted on these very images"
    against = comparison["against"]
    worse = [
        _no_better(names[name], rival, comparison)
        for name, rival in against.items()
        if not rival["better"]
    ]
    if worse:
        return worse
    rivals = [names[name] for name in against]
    return [f"Better than {', '.join(rivals[:-1])} and {rivals[-1]}."]


def _no_better(name: str, rival: Row, own: Row) -> str:
    interval = rival["saving_interval"]
    verdict = "No better than" if rival["saving"] <= 0 else "Not shown to be better than"
    saved = "" if interval is None else " (difference {:.2f} to {:.2f})".format(*interval)
    return (
        f"{verdict} {name}: mistakes cost {own['cost']:.2f} an image against {rival['cost']:.2f}"
        f"{saved}, in false alarms, a missed crack counting as {own['miss_cost']:g}; accuracy "
        f"{percent(own['accuracy'])} against {percent(rival['accuracy'])}."
    )


def temperature_caution(temperature: float) -> list[str]:
    """Says where calibration ended at its bound."""
    if not at_bound(temperature):
        return []
    return [f"The temperature, {temperature:.3g}, ended at its bound: scores are no probabilities."]


def run_cautions(metrics: Row) -> list[str]:
    """Returns what must be said of the figures that judge a run, in the order of its weight.

    Args:
        metrics: The content of metrics.json.
    """
    row = judged_row(metrics["after"])
    return [
        *against_trivial(metrics.get("trivial")),
        *metrics.get(CROSS_VALIDATION, {}).get("notes", []),
        *few_cracks(row),
        *temperature_caution(metrics["temperature"]),
    ]
