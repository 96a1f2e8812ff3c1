"""Pictures of how scores rank images: ROC, precision and recall."""

from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn.metrics
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crackdet.report.figures.theme import BLUE, GREY, VERMILION, Picture, new_figure, unit_axes
from crackdet.report.run import Run
from crackdet.report.words import number, percent

# A curve with more area than this hugs its corner: the corner is drawn once more, magnified.
_HUGS = 0.97


def roc(run: Run) -> Picture | None:
    """The ROC curve with the operating point; None for a single class."""
    row = {**run.test_metrics, **run.at_threshold}
    if row["auroc"] is None:
        return None
    return Picture(
        "roc",
        "ROC curve",
        f"Recall over false-alarm rate on {run.judged} images: area {number(row['auroc'])}. At "
        f"the threshold {run.threshold:.3f}, recall is {percent(row['recall'])} at "
        f"{percent(row['false_alarm_rate'])} false alarms.",
        "The closer to the upper left corner, the better; an inset magnifies a corner "
        "that the curve hugs.",
        _draw_roc(run, row),
    )


def precision_recall(run: Run) -> Picture | None:
    """Precision over recall with the operating point; None without cracks."""
    row = {**run.test_metrics, **run.at_threshold}
    if row["average_precision"] is None:
        return None
    return Picture(
        "precision_recall",
        "Precision and recall",
        f"Precision over recall on {run.judged} images: average precision "
        f"{number(row['average_precision'])}. At the threshold {run.threshold:.3f}, "
        f"precision is {percent(row['precision'])} at recall {percent(row['recall'])}.",
        "The closer to the upper right corner, the better; an inset magnifies a corner "
        "that the curve hugs.",
        _draw_precision_recall(run, row),
    )


def _draw_roc(run: Run, row: dict[str, Any]) -> Figure:
    rate, recall, _ = sklearn.metrics.roc_curve(
        run.test.labels, run.test.scores, drop_intermediate=False
    )

    def draw(axes: Axes) -> None:
        axes.plot(rate, recall, color=BLUE, label=f"model (area {number(row['auroc'])})")
        _point(axes, row["false_alarm_rate"], row["recall"], run.threshold)

    figure = new_figure(4.4)
    axes = figure.subplots()
    unit_axes(axes, x="False-alarm rate", y="Recall")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="guessing (area 0.5)")
    draw(axes)
    axes.legend(loc="lower right")
    if row["auroc"] > _HUGS:
        side = _corner(row["false_alarm_rate"], 1 - row["recall"])
        _magnify(axes, draw, left=0.38, x=(-side / 20, side), y=(1 - side, 1 + side / 20))
    return figure


def _draw_precision_recall(run: Run, row: dict[str, Any]) -> Figure:
    precision, recall, _ = sklearn.metrics.precision_recall_curve(run.test.labels, run.test.scores)

    def draw(axes: Axes) -> None:
        label = f"model (average {number(row['average_precision'])})"
        # Between two thresholds precision does not run along a line: steps, as the average counts.
        axes.step(recall, precision, color=BLUE, where="post", label=label)
        if row["precision"] is not None:
            _point(axes, row["recall"], row["precision"], run.threshold)

    figure = new_figure(4.4)
    axes = figure.subplots()
    unit_axes(axes, x="Recall", y="Precision")
    share = row["positives"] / row["n"]
    axes.axhline(share, color=GREY, linestyle=":", label=f"guessing ({share:.2f})")
    draw(axes)
    axes.legend(loc="lower left")
    if row["average_precision"] > _HUGS:
        side = _corner(1 - row["recall"], 1 - (row["precision"] or 1))
        ends = (1 - side, 1 + side / 20)
        _magnify(axes, draw, left=0.12, x=ends, y=ends)
    return figure


def _corner(*errors: float) -> float:
    """How much of each axis to magnify so that the operating point is well inside."""
    return float(np.clip(1.6 * max(errors), 0.005, 0.3))


def _magnify(
    axes: Axes,
    draw: Callable[[Axes], None],
    *,
    left: float,
    x: tuple[float, float],
    y: tuple[float, float],
) -> None:
    """Draws a part of the axes once more in an inset that begins at `left`."""
    inset = axes.inset_axes((left, 0.37, 0.57, 0.42))
    draw(inset)
    inset.set(xlim=x, ylim=y)
    inset.locator_params(nbins=3)
    inset.tick_params(labelsize=9)
    inset.spines[:].set_visible(True)
    axes.indicate_inset_zoom(inset, edgecolor=GREY)


def _point(axes: Axes, x: float | None, y: float | None, threshold: float) -> None:
    if x is not None and y is not None:
        label = f"threshold {threshold:.3f}"
        axes.plot(x, y, "o", color=VERMILION, markersize=9, clip_on=False, label=label)
