"""Pictures of the scores themselves: reliability, histograms."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from crackdet.evaluation import reliability_bins
from crackdet.report.figures.theme import (
    BLUE,
    CLASS_COLOURS,
    GREY,
    INK,
    VERMILION,
    Picture,
    logarithmic,
    new_figure,
    unit_axes,
)
from crackdet.report.run import Run
from crackdet.report.words import number

# Below one image, so that a bar of one can be seen on a logarithmic axis.
_LEAST_COUNT = 0.7


def reliability(run: Run) -> Picture:
    """Frequency of cracks over score, with the number of images of each bin."""
    bins = reliability_bins(run.test.labels, run.test.scores)
    figure = new_figure(4.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _draw_gaps(upper, bins)
    _draw_counts(lower, bins)
    return Picture(
        "reliability",
        "Reliability",
        f"Share of cracks among {run.judged} images over their score, in {len(bins['count'])} "
        f"bins: the mean gap (calibration error) is {number(run.test_metrics['ece'])}.",
        "On the dotted line a score of 0.8 means a crack in 8 of 10 images. Points of few images, "
        "counted below, may stray far.",
        figure,
    )


def histograms(run: Run) -> Picture:
    """Scores of both classes before and after training."""
    (tn, fp), (fn, tp) = run.at_threshold["confusion"]
    return Picture(
        "histograms",
        "Scores",
        f"Histograms of the scores of {run.judged} images by class, before and after training. "
        f"After training, {tp} of {tp + fn} cracked images score at or above the threshold "
        f"and {tn} of {tn + fp} sound ones below.",
        "The less the two classes overlap, the better. Counts are on a logarithmic scale.",
        _draw_histograms(run),
    )


def _draw_gaps(axes: Axes, bins: dict[str, NDArray[np.float64]]) -> None:
    filled = bins["count"] > 0
    score, frequency = bins["score"][filled], bins["frequency"][filled]
    unit_axes(axes, x="", y="Share of cracks")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="perfectly calibrated")
    axes.vlines(score, score, frequency, color=VERMILION, linewidth=3, alpha=0.45, label="gap")
    axes.plot(score, frequency, "o-", color=BLUE, label="images")
    axes.legend(loc="lower right")


def _draw_counts(axes: Axes, bins: dict[str, NDArray[np.float64]]) -> None:
    centres = (bins["lower"] + bins["upper"]) / 2
    axes.bar(centres, bins["count"], width=0.9 / len(centres), color=BLUE)
    axes.set(xlabel="Score (calibrated)", ylabel="Images")
    logarithmic(axes, y=True)
    axes.set_ylim(bottom=_LEAST_COUNT)


def _draw_histograms(run: Run) -> Figure:
    figure = new_figure(4.8)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, scores, title, threshold in (
        (upper, run.test.scores_before, "Before training", 0.5),
        (lower, run.test.scores, "After training", run.threshold),
    ):
        for label, name in enumerate(run.class_names):
            axes.hist(
                scores[run.test.labels == label],
                bins=np.linspace(0, 1, 41).tolist(),
                color=CLASS_COLOURS[label],
                histtype="stepfilled",
                alpha=0.55,
                label=name,
            )
        axes.axvline(threshold, color=INK, linestyle="--", linewidth=1.2)
        axes.set(title=title, ylabel="Images")
        logarithmic(axes, y=True)
        axes.set_ylim(bottom=_LEAST_COUNT)
    figure.legend(*upper.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    lower.set(xlabel="Score; dashed: threshold", xlim=(-0.02, 1.02))
    return figure
