"""Evaluation before and after training, the baseline beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crackdet.report.cautions import temperature_caution
from crackdet.report.page_data.tables import Table
from crackdet.report.run import Run
from crackdet.report.words import (
    METRIC_WORDS,
    MISSING,
    interval,
    of_hundred,
    percent,
    percent_interval,
    plural,
    written,
)
from crackdet.runs.judged import CROSS_VALIDATION, judged_row

Row = Mapping[str, Any]

_OF_A_FOLD = ("accuracy", "recall", "precision", "auroc")

# What is counted rather than measured, and how it is written.
_COUNTS = (
    ("Images", "n", ",d"),
    ("Groups", "groups", ",d"),
    ("Groups with cracked images", "positive_groups", ",d"),
    ("Groups with sound images", "negative_groups", ",d"),
    ("Threshold", "threshold", ".4g"),
)


@dataclass(frozen=True)
class MetricRow:
    """One metric of several classifiers or splits; an interval is empty where there is none."""

    name: str
    values: list[tuple[str, str]]  # Each with its interval.
    meaning: str


@dataclass(frozen=True)
class MetricsTable:
    """Metrics by row, classifiers or splits by column, and what they were counted on."""

    caption: str
    columns: list[str]
    metrics: list[MetricRow]
    counts: list[tuple[str, list[str]]]


def results(run: Run) -> dict[str, Any]:
    """Returns the metrics on the images that judge the run, and on the others."""
    metrics = run.metrics
    after, before, baseline = metrics["after"], metrics["before"], metrics["baseline"]
    return {
        "how": how_chosen(metrics),
        "baseline_from": "train" if run.cross_validation is None else "the other folds",
        "threshold": f"{run.threshold:.4f}",
        "threshold_rule": metrics["threshold_rule"],
        "threshold_spread": threshold_spread(metrics),
        "threshold_caution": metrics.get("threshold_caution", ""),
        "unsure": unsure_shares(metrics),
        "temperature_caution": " ".join(temperature_caution(metrics["temperature"])),
        "before": before_training(run.config["options"]),
        "baseline_direction": baseline["direction"],
        "baseline_threshold": f"{baseline['threshold']:.2f}",
        "test": metrics_table(
            f"Evaluation on {run.judged} images, before and after training",
            {
                "Trained": judged_row(after),
                "Before training": judged_row(before),
                "Contrast only": judged_row(baseline),
            },
        ),
        "others": None if run.cross_validation else _other_splits(run, after, before, baseline),
        "folds": _folds(run.cross_validation) if run.cross_validation else None,
    }


def how_chosen(metrics: Mapping[str, Any]) -> str:
    """Returns how the temperature was fitted, and what the judged images had to do with it."""
    found = metrics.get(CROSS_VALIDATION)
    temperature = f"{metrics['temperature']:.3f}"
    if found is None:
        return (
            f"The temperature, fitted on {'stress ' if 'stress' in metrics else ''}validation, is "
            f"{temperature}. Test was read once, after both were set."
        )
    epochs = " and ".join(
        f"{plural(count, 'epoch')} of phase {phase.replace('_', ' ')}"
        for phase, count in found["epochs"].items()
        if count
    )
    return (
        f"The temperature, fitted on cross-validation, is {temperature}. Each image is judged by a "
        "model that was trained on none of its group, with a temperature and a threshold that the "
        "scores of the other folds chose (the table has the mean of these thresholds). The model "
        f"that is kept was trained on all images, for {epochs}, the median of the folds' best; "
        "since it knows every image, no figure here is its own, and it may be a little better "
        "than they say."
    )


def _other_splits(run: Run, after: Row, before: Row, baseline: Row) -> MetricsTable:
    stressed = {} if run.stress is None else {"Stress validation, trained": run.stress["row"]}
    return metrics_table(
        f"Evaluation on validation{', under stress' if stressed else ''} and train",
        {
            "Validation, trained": after["validation"],
            **stressed,
            "Validation, before training": before["validation"],
            "Validation, contrast only": baseline["validation"],
            "Train, trained": after["train"],
        },
    )


def _folds(found: Row) -> Table:
    """Returns what each fold was and found."""
    rows = [
        [
            str(fold["fold"]),
            f"{fold['n']:,}",
            f"{fold['positives']:,}",
            f"{fold['groups']:,}",
            *(written(name, fold[name]) for name in _OF_A_FOLD),
            f"{fold['threshold']:.4f}",
            f"{fold['temperature']:.3f}",
            " + ".join(str(count) for count in fold["epochs"].values() if count),
            f"{fold['val_loss']:.4f}",
        ]
        for fold in found["each"]
    ]
    measured = [METRIC_WORDS[name][0] for name in _OF_A_FOLD]
    header = ["Fold", "Images", "Cracked", "Groups", *measured]
    header += ["Threshold", "Temperature", "Best epoch", "Validation loss"]
    return Table("Folds: what was held out, and what its model said of it", header, rows)


def before_training(options: Mapping[str, Any]) -> str:
    """Returns what the classifier was before training, from the weights that it started with."""
    if "weights" not in options:
        return "the classifier that training began with"
    weights = options["weights"]
    if weights is None:
        return "the same classifier with random weights"
    if weights == "imagenet":
        return "the same classifier with ImageNet's weights, its head not yet trained"
    return f"the trained classifier that training began with, {weights}"


def threshold_spread(metrics: Mapping[str, Any]) -> str:
    """Returns how far the threshold moves with the groups; empty where the run does not say."""
    bounds = metrics.get("threshold_interval")
    if bounds is None:
        return ""
    low, high = bounds
    return (
        f"On other groups like those it was chosen on it would lie between {low:.4f} and "
        f"{high:.4f}, in 95 of 100 cases."
    )


def unsure_shares(metrics: Mapping[str, Any]) -> str:
    """Returns how much of each split a classifier is unsure of; empty where no split says it."""
    rows = {name: metrics["after"].get(name, {}) for name in ("validation", "test")}
    rows["stress validation"] = metrics.get("stress", {}).get("row", {})
    shares = [
        f"{percent(row['unsure']['share'])} of {name}"
        for name, row in rows.items()
        if "unsure" in row
    ]
    if not shares:
        return ""
    return (
        "It is unsure of images that are unlike those of training, as at most 1 % of validation "
        "are, or 5 % of the stress validation where one was made and that limit is the larger: "
        f"here {', '.join(shares)}. They count as mistakes."
    )


def metrics_table(caption: str, columns: Mapping[str, Mapping[str, Any]]) -> MetricsTable:
    """Returns a table with one column for each row of metrics.json."""
    rows = columns.values()
    measured = [
        MetricRow(title, [(written(name, r[name]), interval(name, r)) for r in rows], meaning)
        for name, (title, _, meaning) in METRIC_WORDS.items()
        if all(name in r for r in rows)  # runs of earlier versions have fewer
    ]
    return MetricsTable(
        caption=caption,
        columns=list(columns),
        metrics=[*measured, *_by_prevalence(list(rows)), *_without_unsure(list(rows))],
        counts=[
            (title, [format(row[name], form) for row in rows]) for title, name, form in _COUNTS
        ],
    )


def _without_unsure(rows: Sequence[Mapping[str, Any]]) -> list[MetricRow]:
    """Returns what a classifier is unsure of and its figures without; empty if no row tells."""
    facts = [row.get("unsure") for row in rows]
    if not any(facts):
        return []
    shares = [(percent(each["share"]) if each else MISSING, "") for each in facts]
    meaning = "share of images unlike those of training; they count as mistakes above"
    answered = [each["answered"] if each else None for each in facts]
    return [
        MetricRow("Unsure", shares, meaning),
        *(
            MetricRow(
                f"{METRIC_WORDS[name][0]} without them",
                [
                    (written(name, a[name]), interval(name, a)) if a else (MISSING, "")
                    for a in answered
                ],
                METRIC_WORDS[name][2],
            )
            for name in ("accuracy", "recall", "precision", "false_alarm_rate")
        ),
    ]


def _by_prevalence(rows: Sequence[Mapping[str, Any]]) -> list[MetricRow]:
    """Returns the precision where cracks are rarer; nothing where a run does not say it."""
    by_row = [row.get("precision_at_prevalence", ()) for row in rows]
    return [
        MetricRow(
            f"Precision at {of_hundred(cells[0]['prevalence'])} % cracked",
            [(percent(cell["precision"]), percent_interval(cell["interval"])) for cell in cells],
            "share of alarms that are cracks where the share p of patches is cracked, of recall r "
            "and false-alarm rate f: p r / (p r + (1 - p) f)"
            if number == 0
            else "likewise",
        )
        for number, cells in enumerate(zip(*by_row, strict=False))
    ]
