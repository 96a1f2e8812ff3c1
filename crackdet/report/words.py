"""Numbers in words that an engineer reads without a glossary."""

from collections.abc import Mapping, Sequence
from typing import Any

from crackdet.evaluation.intervals import group_bound
from crackdet.runs.judged import CROSS_VALIDATION, judged_row

Row = Mapping[str, Any]

MISSING = "\N{EN DASH}"

# Name of each metric, how it is written, and what it says.
METRIC_WORDS = {
    "accuracy": ("Accuracy", "percent", "share of images called right"),
    "recall": ("Recall", "percent", "share of cracked images found"),
    "precision": ("Precision", "percent", "share of alarms that are cracks"),
    "f1": ("F1", "percent", "harmonic mean of precision and recall"),
    "false_alarm_rate": (
        "False-alarm rate",
        "percent",
        "share of sound images that raise an alarm",
    ),
    "auroc": ("AUROC", "number", "chance that a cracked image scores above a sound one"),
    "average_precision": ("Average precision", "number", "area under precision over recall"),
    "recall_at_far_5pct": (
        "Recall at 5 % false alarms",
        "percent",
        "with the threshold set on the same images",
    ),
    "recall_at_far_1pct": (
        "Recall at 1 % false alarms",
        "percent",
        "with the threshold set on the same images",
    ),
    "recall_at_far_0_1pct": (
        "Recall at 0.1 % false alarms",
        "percent",
        "with the threshold set on the same images",
    ),
    "brier": ("Brier score", "number", "mean squared error of the score; 0 is perfect"),
    "ece": ("Calibration error", "number", "mean gap between score and frequency; 0 is perfect"),
    "log_loss": ("Log loss", "number", "natural logarithm; 0 is perfect"),
}


def percent(value: float | None) -> str:
    """Returns a share as percent, `98.25 %`."""
    return MISSING if value is None else f"{100 * value:.2f} %"


def number(value: float | None, decimals: int = 4) -> str:
    """Returns a number with four decimals, or as many as are wanted."""
    return MISSING if value is None else f"{value:.{decimals}f}"


def written(name: str, value: float | None) -> str:
    """Returns the value of a metric as the report writes it."""
    return percent(value) if METRIC_WORDS[name][1] == "percent" else number(value)


def interval(name: str, row: Row) -> str:
    """Returns the interval of a metric, `97.10 to 99.00`, empty where there is none."""
    bounds = row["intervals"].get(name)
    if bounds is None:
        return ""
    low, high = (written(name, bound).removesuffix(" %") for bound in bounds)
    return f"{low} to {high}"


def percent_interval(bounds: Sequence[float] | None) -> str:
    """Returns the interval of a share, `97.10 to 99.00`, empty where there is none."""
    if bounds is None:
        return ""
    low, high = (percent(bound).removesuffix(" %") for bound in bounds)
    return f"{low} to {high}"


def unsure_line(facts: Row) -> str:
    """Returns what a classifier is unsure of, and its figures without it.

    Args:
        facts: `unsure` of a row of metrics.
    """
    if not facts["n"]:
        return "none"
    answered = facts["answered"]
    figures = ", ".join(
        f"{METRIC_WORDS[name][0].lower()} {percent(answered[name])}"
        for name in ("accuracy", "recall", "precision", "false_alarm_rate")
    )
    return (
        f"{plural(facts['n'], 'image')} ({percent(facts['share'])}), of which "
        f"{facts['positives']:,} cracked, counted as mistakes; without them {figures}"
    )


def detection_lines(found: Row) -> list[str]:
    """Returns how wide a crack has to be to be found, a sentence a contrast.

    Args:
        found: `detection` of metrics.json.
    """
    lines = [
        f"Of contrast {contrast}, {_detected(facts, found['side'])}"
        for contrast, facts in found["contrasts"].items()
    ]
    return [*lines, _without_cracks(found)]


def detection_line(found: Row) -> str:
    """Returns how wide a crack has to be to be found, whatever its contrast, in one line.

    Args:
        found: `detection` of metrics.json, or of a model card.
    """
    detected = _detected(found["overall"], found["side"])
    return f"Of cracks painted on validation, {detected} {_without_cracks(found)}"


def _without_cracks(found: Row) -> str:
    alarms = found["false_alarms"]
    return (
        f"Without a crack {percent(alarms['rate'])} of the {alarms['n']:,} patches raise an alarm."
    )


def _detected(facts: Row, side: int) -> str:
    if facts["a90"] is None:
        return f"no width is known that is found in 90 %: {facts['note']}"
    above = facts["above_a90"]
    bound, sure = facts["a90_95"], facts["note"]
    if bound is not None:
        sure = f"With 95 % confidence one of {bound:.2g} px is (a90/95)."
    return (
        f"a crack of {facts['a90']:.2g} px (of {side}) is found in 90 % (a90). {sure} Of the "
        f"{above['n']:,} painted that are at least as wide, {percent(above['found'] / above['n'])} "
        "were."
    )


def groups_of(name: str, row: Row) -> str:
    """Returns how many groups stand behind a metric: those of the classes that it is about."""
    cracked, sound = row["positive_groups"], row["negative_groups"]
    if name == "recall":
        return plural(cracked, "group")
    if name == "false_alarm_rate":
        return plural(sound, "group")
    if name == "accuracy":
        return plural(row["groups"], "group")
    return f"{cracked:,} and {plural(sound, 'group')}"


def judged_on(metrics: Row) -> str:
    """Returns what the figures of a run are measured on, behind a colon or a comma.

    Args:
        metrics: The content of metrics.json.
    """
    row = judged_row(metrics["after"])
    images, groups = plural(row["n"], "image"), plural(row["groups"], "group")
    if CROSS_VALIDATION in metrics:
        folds = metrics[CROSS_VALIDATION]["folds"]
        return f"cross-validated on {images} in {groups}, {folds} folds"
    return f"test split: {images} in {groups.replace(' ', ' independent ')}, read once"


def of_hundred(share: float) -> str:
    """Returns how many of 100, with about two significant digits: `12`, `3.4`, `0.25`."""
    count = 100 * share
    if count >= 9.95:
        return f"{count:.0f}"
    return f"{count:.1f}".removesuffix(".0") if count >= 0.995 else f"{count:.2g}"


def headline(row: Row) -> str:
    """Returns what the classifier does on the images that judge it, in plain words."""
    recall, bounds = row["recall"], row["intervals"]["recall"]
    rate, rate_bounds = row["false_alarm_rate"], row["intervals"]["false_alarm_rate"]
    if recall is None:
        misses = "No patch judged is cracked."
    else:
        flipped = None if bounds is None else [1 - bounds[1], 1 - bounds[0]]
        sure = _how_sure(1 - recall, flipped, row["positive_groups"])
        misses = f"Of 100 cracked patches it misses {of_hundred(1 - recall)}{sure}."
    if rate is None:
        alarms = "No patch judged is sound."
    else:
        sure = _how_sure(rate, rate_bounds, row["negative_groups"])
        alarms = f"On 100 sound patches it raises {of_hundred(rate)} false alarms{sure}."
    return f"{misses} {alarms}"


def _how_sure(share: float, bounds: list[float] | None, groups: int) -> str:
    if share == 0:
        possible = of_hundred(group_bound(groups))
        return f" (none in {plural(groups, 'group')} of images: up to {possible} remain possible)"
    if bounds is None:
        return ""
    low, high = (of_hundred(bound) for bound in bounds)
    return f" (95 % interval {low} to {high}, from {plural(groups, 'group')} of images)"


def plural(count: int, noun: str) -> str:
    """Returns a count with its noun: `1 image`, `2,000 images`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def short(text: str | None) -> str:
    """Shortens the digits of a cell that holds a fraction; other text stays as it is."""
    if not text:
        return ""
    try:
        value = float(text)
    except ValueError:
        return text
    return f"{value:.4g}" if "." in text or "e" in text else text


def shape(sizes: Sequence[int | None] | None) -> str:
    """Returns an output shape as text: `56 x 56 x 24`; unknown sizes are question marks."""
    if not sizes:
        return MISSING
    return " \N{MULTIPLICATION SIGN} ".join("?" if size is None else str(size) for size in sizes)
