"""A run's figures in words, as they are printed."""

from collections.abc import Mapping
from typing import Any

from crackdet.runs.judged import TEST, judged_row, judged_split


def figure_lines(metrics: Mapping[str, Any]) -> list[str]:
    """Returns what a person is told first of a run's figures."""
    from crackdet.report.cautions import groups_behind, nothing_wrong, run_cautions
    from crackdet.report.words import detection_line, judged_on

    after = judged_row(metrics["after"])
    return [
        judged_on(metrics),
        threshold_line(metrics),
        *([metrics["threshold_caution"]] if metrics["threshold_caution"] else []),
        *(f"{title}: {metrics_line(row)}" for title, row in test_rows(metrics)),
        f"95% intervals from {groups_behind(after)}",
        *([detection_line(metrics["detection"])] if "detection" in metrics else []),
        *nothing_wrong(after),
        *run_cautions(metrics),
    ]


def test_rows(metrics: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Returns the rows that a person compares first, each with its title."""
    what = "test" if judged_split(metrics["after"]) == TEST else "cross-validated"
    return [
        (f"{what} before training", judged_row(metrics["before"])),
        (f"{what} after training", judged_row(metrics["after"])),
        (f"{what}, one threshold on contrast", judged_row(metrics["baseline"])),
    ]


def threshold_line(metrics: Mapping[str, Any]) -> str:
    """Returns the threshold with its spread and its rule."""
    interval = metrics["threshold_interval"]
    bounds = "" if interval is None else " [{:.4f}, {:.4f}]".format(*interval)
    return f"threshold {metrics['threshold']:.4f}{bounds}: {metrics['threshold_rule']}"


def metrics_line(row: Mapping[str, Any]) -> str:
    """Returns the figures of one row in words, with the intervals that there are."""
    parts = []
    for name in ("accuracy", "recall", "precision", "auroc"):
        value, interval = row[name], row["intervals"][name]
        text = "undefined" if value is None else f"{value:.4f}"
        bounds = "" if interval is None else " [{:.4f}, {:.4f}]".format(*interval)
        parts.append(f"{name} {text}{bounds}")
    return ", ".join(parts)
