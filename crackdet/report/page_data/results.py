"""Evaluation before and after training, the baseline beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crackdet.report.cautions import temperature_caution
from crackdet.report.run import Run
from crackdet.report.words import METRIC_WORDS, interval, written

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
    """Returns the metrics on test, and on the other splits."""
    metrics = run.metrics
    after, before, baseline = metrics["after"], metrics["before"], metrics["baseline"]
    return {
        "threshold": f"{run.threshold:.4f}",
        "threshold_rule": metrics["threshold_rule"],
        "threshold_spread": threshold_spread(metrics),
        "threshold_caution": metrics.get("threshold_caution", ""),
        "temperature": f"{metrics['temperature']:.3f}",
        "temperature_caution": " ".join(temperature_caution(metrics["temperature"])),
        "before": before_training(run.config["options"]),
        "baseline_direction": baseline["direction"],
        "baseline_threshold": f"{baseline['threshold']:.2f}",
        "test": metrics_table(
            "Evaluation on test, before and after training",
            {
                "Trained": after["test"],
                "Before training": before["test"],
                "Contrast only": baseline["test"],
            },
        ),
        "others": metrics_table(
            "Evaluation on validation and train",
            {
                "Validation, trained": after["validation"],
                "Validation, before training": before["validation"],
                "Validation, contrast only": baseline["validation"],
                "Train, trained": after["train"],
            },
        ),
    }


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
        f"On other groups like those of validation it would lie between {low:.4f} and {high:.4f}, "
        "in 95 of 100 cases."
    )


def metrics_table(caption: str, columns: Mapping[str, Mapping[str, Any]]) -> MetricsTable:
    """Returns a table with one column for each row of metrics.json."""
    rows = columns.values()
    return MetricsTable(
        caption=caption,
        columns=list(columns),
        metrics=[
            MetricRow(title, [(written(name, r[name]), interval(name, r)) for r in rows], meaning)
            for name, (title, _, meaning) in METRIC_WORDS.items()
        ],
        counts=[
            (title, [format(row[name], form) for row in rows]) for title, name, form in _COUNTS
        ],
    )
