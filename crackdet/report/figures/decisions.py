"""Pictures of decisions at the threshold: confusion matrix, predicted against true."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from crackdet.report.figures.theme import BLUE, INK, VERMILION, Picture, new_figure
from crackdet.report.run import Run
from crackdet.report.words import plural

_BLUES = LinearSegmentedColormap.from_list("white to blue", ["white", BLUE])


def confusion(run: Run) -> Picture:
    """The confusion matrix of the images that judge the run: counts and shares of each row."""
    counts = np.array(run.test_metrics["confusion"])
    totals = counts.sum(axis=1)
    names = run.class_names
    return Picture(
        "confusion",
        "Confusion matrix",
        f"{run.judged.capitalize()} images, true class by row: of {totals[0]:,} {names[0]}, "
        f"{counts[0, 0]:,} are called {names[0]} and {counts[0, 1]:,} {names[1]}; of "
        f"{totals[1]:,} {names[1]}, {counts[1, 0]:,} are called {names[0]} and "
        f"{counts[1, 1]:,} {names[1]}.",
        f"Rows are the true classes, columns the answers; percentages are of the row.{_doubt(run)}",
        _draw_confusion(counts, names),
    )


def _doubt(run: Run) -> str:
    unsure = run.test_metrics.get("unsure", {"n": 0})["n"]
    return f" {plural(unsure, 'image')} it is unsure of count as mistakes." if unsure else ""


def predicted_against_true(run: Run) -> Picture:
    """Each image that judges the run as a point: its score over its true class."""
    right = run.alarms == (run.test.labels == 1)
    folds = "" if run.cross_validation is None else " Each fold has one of its own near it."
    return Picture(
        "predicted_against_true",
        "Predicted against true",
        f"The score of each of {len(right):,} {run.judged} images over its true class; "
        f"{int(np.sum(~right)):,} stand on the wrong side of the threshold {run.threshold:.3f}.",
        "One point for each image, spread sideways only to be seen. Crosses stand on the wrong "
        f"side of the dashed threshold.{folds}",
        _draw_points(run, right),
    )


def _draw_confusion(counts: NDArray[np.int64], names: list[str]) -> Figure:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = new_figure(4.4)
    axes = figure.subplots()
    axes.grid(False)
    axes.imshow(shares, cmap=_BLUES, vmin=0, vmax=1)
    for (i, j), share in np.ndenumerate(shares):
        text = f"{counts[i, j]:,}\n{100 * share:.2f} %"
        colour = "white" if share > 0.5 else INK
        axes.text(j, i, text, ha="center", va="center", fontsize=15, color=colour)
    axes.set(xticks=[0, 1], yticks=[0, 1], xlabel="Predicted", ylabel="True")
    axes.set_xticklabels(names)
    axes.set_yticklabels(names, rotation=90, va="center")
    axes.spines[:].set_visible(True)
    return figure


def _draw_points(run: Run, right: NDArray[np.bool_]) -> Figure:
    # Points of one class are spread sideways, repeatably, so that they do not hide each other.
    x = run.test.labels + np.random.default_rng(0).uniform(-0.36, 0.36, len(right))
    y = run.test.scores
    size = float(np.clip(4000 / len(right), 1.5, 14))
    figure = new_figure(4.4)
    axes = figure.subplots()
    for chosen, name, area, marker, colour, alpha in (
        (right, "right", size, "o", BLUE, 0.5),
        (~right, "wrong", max(28.0, 2 * size), "X", VERMILION, 0.9),
    ):
        axes.scatter(
            x[chosen],
            y[chosen],
            s=area,
            color=colour,
            marker=marker,
            alpha=alpha,
            linewidths=0,
            label=f"{name} ({int(chosen.sum()):,})",
            rasterized=True,
        )
    axes.axhline(run.threshold, color=INK, linestyle="--", linewidth=1.2)
    _label_points(axes, run.class_names)
    return figure


def _label_points(axes: Axes, names: list[str]) -> None:
    axes.set(xticks=[0, 1], xlim=(-0.5, 1.5), ylim=(-0.03, 1.03))
    axes.set(xlabel="True class", ylabel="Score; dashed: threshold")
    axes.set_xticklabels(names)
    axes.grid(False, axis="x")
    axes.legend(ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0), markerscale=1.4)
