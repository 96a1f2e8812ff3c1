"""Pictures of decisions at the threshold: confusion matrix, predicted against true."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from crackdet.report.files import Run
from crackdet.report.theme import BLUE, INK, VERMILION, Picture, new_figure

_BLUES = LinearSegmentedColormap.from_list("white to blue", ["white", BLUE])


def confusion(run: Run) -> Picture:
    """The confusion matrix of the test split: counts and shares of each row."""
    counts = np.array(run.metrics["after"]["test"]["confusion"])
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    names = run.class_names
    figure = new_figure(4.4)
    axes = figure.subplots()
    axes.grid(False)
    axes.imshow(shares, cmap=_BLUES, vmin=0, vmax=1)
    for i in range(2):
        for j in range(2):
            text = f"{counts[i, j]:,}\n{100 * shares[i, j]:.2f} %"
            colour = "white" if shares[i, j] > 0.5 else INK
            axes.text(j, i, text, ha="center", va="center", fontsize=15, color=colour)
    axes.set(xticks=[0, 1], yticks=[0, 1], xlabel="Predicted", ylabel="True")
    axes.set_xticklabels(names)
    axes.set_yticklabels(names, rotation=90, va="center")
    axes.spines[:].set_visible(True)
    return Picture(
        "confusion",
        "Confusion matrix",
        f"Test images, true class by row: of {totals[0, 0]:,} {names[0]}, {counts[0, 0]:,} are "
        f"called {names[0]} and {counts[0, 1]:,} {names[1]}; of {totals[1, 0]:,} {names[1]}, "
        f"{counts[1, 0]:,} are called {names[0]} and {counts[1, 1]:,} {names[1]}.",
        "Rows are the true classes, columns the answers; percentages are of the row.",
        figure,
    )


def predicted_against_true(run: Run) -> Picture:
    """Each test image as a point: its score over its true class."""
    test, names = run.test, run.class_names
    right = (test.scores >= run.threshold) == (test.labels == 1)
    # Points of one class are spread sideways, repeatably, so that they do not hide each other.
    spread = np.random.default_rng(0).uniform(-0.36, 0.36, len(right))
    figure = new_figure(4.4)
    axes = figure.subplots()
    size = float(np.clip(4000 / len(right), 1.5, 14))
    for chosen, colour, marker, name in (
        (right, BLUE, "o", "right"),
        (~right, VERMILION, "X", "wrong"),
    ):
        axes.scatter(
            (test.labels + spread)[chosen],
            test.scores[chosen],
            s=size if marker == "o" else max(28.0, 2 * size),
            color=colour,
            marker=marker,
            alpha=0.5 if marker == "o" else 0.9,
            linewidths=0,
            label=f"{name} ({int(chosen.sum()):,})",
            rasterized=True,
        )
    axes.axhline(run.threshold, color=INK, linestyle="--", linewidth=1.2)
    axes.set(
        xticks=[0, 1],
        xlim=(-0.5, 1.5),
        ylim=(-0.03, 1.03),
        xlabel="True class",
        ylabel="Score; dashed: threshold",
    )
    axes.set_xticklabels(names)
    axes.grid(False, axis="x")
    axes.legend(ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0), markerscale=1.4)
    return Picture(
        "predicted_against_true",
        "Predicted against true",
        f"The score of each of {len(right):,} test images over its true class; "
        f"{int(np.sum(~right)):,} stand on the wrong side of the threshold {run.threshold:.3f}.",
        "One point for each image, spread sideways only to be seen. Crosses stand on the wrong "
        "side of the dashed threshold.",
        figure,
    )
