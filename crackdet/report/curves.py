"""Pictures of scores: ROC, precision and recall, reliability, histograms, training."""

import numpy as np
import sklearn.metrics
from matplotlib.axes import Axes

from crackdet.evaluation import reliability_bins
from crackdet.report.files import Run
from crackdet.report.theme import (
    BLUE,
    CLASS_COLOURS,
    GREY,
    INK,
    ORANGE,
    VERMILION,
    Picture,
    logarithmic,
    new_figure,
    unit_axes,
    whole_numbers,
)
from crackdet.report.words import number, percent

# A curve with more area than this hugs its corner: the corner is drawn once more, magnified.
_HUGS = 0.97


def roc(run: Run) -> Picture | None:
    """The ROC curve of the test split with the operating point."""
    row, test = run.metrics["after"]["test"], run.test
    if row["auroc"] is None:
        return None
    rate, recall, _ = sklearn.metrics.roc_curve(test.labels, test.scores, drop_intermediate=False)

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
        inset = axes.inset_axes((0.38, 0.37, 0.57, 0.42))
        draw(inset)
        _magnify(axes, inset, x=(-side / 20, side), y=(1 - side, 1 + side / 20))
    return Picture(
        "roc",
        "ROC curve",
        f"Recall over false-alarm rate on test: area {number(row['auroc'])}. At the threshold "
        f"{run.threshold:.3f}, recall is {percent(row['recall'])} at "
        f"{percent(row['false_alarm_rate'])} false alarms.",
        "The closer to the upper left corner, the better; the inset magnifies that corner.",
        figure,
    )


def precision_recall(run: Run) -> Picture | None:
    """Precision over recall of the test split with the operating point."""
    row, test = run.metrics["after"]["test"], run.test
    if row["average_precision"] is None:
        return None
    precision, recall, _ = sklearn.metrics.precision_recall_curve(test.labels, test.scores)

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
        inset = axes.inset_axes((0.12, 0.37, 0.57, 0.42))
        draw(inset)
        _magnify(axes, inset, x=(1 - side, 1 + side / 20), y=(1 - side, 1 + side / 20))
    return Picture(
        "precision_recall",
        "Precision and recall",
        f"Precision over recall on test: average precision {number(row['average_precision'])}. At "
        f"the threshold {run.threshold:.3f}, precision is {percent(row['precision'])} at recall "
        f"{percent(row['recall'])}.",
        "The closer to the upper right corner, the better; the inset magnifies that corner.",
        figure,
    )


def reliability(run: Run) -> Picture:
    """Frequency of cracks over score, with the number of images of each bin."""
    row, test = run.metrics["after"]["test"], run.test
    table = reliability_bins(test.labels, test.scores)
    filled = table["count"] > 0
    figure = new_figure(4.6)
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    unit_axes(axes, x="", y="Share of cracks")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="perfectly calibrated")
    axes.vlines(
        table["score"][filled],
        table["score"][filled],
        table["frequency"][filled],
        color=VERMILION,
        linewidth=3,
        alpha=0.45,
        label="gap",
    )
    axes.plot(table["score"][filled], table["frequency"][filled], "o-", color=BLUE, label="test")
    axes.legend(loc="lower right")
    centres = (table["lower"] + table["upper"]) / 2
    counts.bar(centres, table["count"], width=0.9 / len(centres), color=BLUE)
    counts.set(xlabel="Score (calibrated)", ylabel="Images")
    logarithmic(counts, y=True)
    counts.set_ylim(bottom=0.7)
    return Picture(
        "reliability",
        "Reliability",
        "Share of cracks among test images over their score, in 15 bins: the mean gap "
        f"(calibration error) is {number(row['ece'])}.",
        "On the dotted line a score of 0.8 means a crack in 8 of 10 images. Points of few images, "
        "counted below, may stray far.",
        figure,
    )


def histograms(run: Run) -> Picture:
    """Scores of both classes before and after training."""
    test, row = run.test, run.metrics["after"]["test"]
    figure = new_figure(4.8)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, scores, title, threshold in (
        (upper, test.scores_before, "Before training", 0.5),
        (lower, test.scores, "After training", run.threshold),
    ):
        for label, name in enumerate(run.class_names):
            axes.hist(
                scores[test.labels == label],
                bins=np.linspace(0, 1, 41).tolist(),
                color=CLASS_COLOURS[label],
                histtype="stepfilled",
                alpha=0.55,
                label=name,
            )
        axes.axvline(threshold, color=INK, linestyle="--", linewidth=1.2)
        axes.set(title=title, ylabel="Images")
        logarithmic(axes, y=True)
        axes.set_ylim(bottom=0.7)
    figure.legend(*upper.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    lower.set(xlabel="Score; dashed: threshold", xlim=(-0.02, 1.02))
    (tn, fp), (fn, tp) = row["confusion"]
    return Picture(
        "histograms",
        "Scores",
        "Histograms of test scores by class, before and after training. "
        f"After training, {tp} of {tp + fn} cracked images score at or above the threshold "
        f"and {tn} of {tn + fp} sound ones below.",
        "The less the two classes overlap, the better. Counts are on a logarithmic scale.",
        figure,
    )


def history(run: Run) -> Picture | None:
    """Loss and accuracy by epoch, phases marked."""
    if not run.history:
        return None
    epochs = np.arange(1, len(run.history) + 1)

    def column(name: str) -> list[float]:
        return [float(row.get(name) or "nan") for row in run.history or []]

    phases = [row.get("phase", "") for row in run.history]
    starts = [i for i, phase in enumerate(phases) if i == 0 or phase != phases[i - 1]]
    losses = column("val_loss")
    best = int(np.nanargmin(losses)) if np.isfinite(losses).any() else None
    figure = new_figure(5.4)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, name in ((upper, "loss"), (lower, "accuracy")):
        axes.plot(epochs, column(name), "o-", color=BLUE, markersize=4, label="train")
        axes.plot(
            epochs, column(f"val_{name}"), "s-", color=ORANGE, markersize=4, label="validation"
        )
        axes.set(ylabel=name.capitalize())
        for start in starts[1:]:
            axes.axvline(start + 0.5, color=GREY, linewidth=1.2, linestyle="--")
        if best is not None:
            value = column(f"val_{name}")[best]
            axes.plot(best + 1, value, "o", markersize=11, fillstyle="none", color=INK)
    for start in starts:
        text = upper.text(
            max(start + 0.5, 0.7), 1.01, phases[start].replace("_", " "), color=INK, fontsize=10
        )
        text.set_transform(upper.get_xaxis_transform())
    lower.legend(loc="lower right")
    lower.set(xlabel="Epoch", xlim=(0.5, len(epochs) + 0.5))
    whole_numbers(lower.xaxis)
    words = ", then ".join(
        f"{phases[a].replace('_', ' ')} for {b - a} epochs"
        for a, b in zip(starts, [*starts[1:], len(phases)], strict=True)
    )
    kept = "" if best is None else f" Lowest validation loss: {losses[best]:.4f}, epoch {best + 1}."
    return Picture(
        "history",
        "Loss and accuracy by epoch",
        f"Loss and accuracy on train and validation by epoch: {words}.{kept}",
        "Circled: the epoch of lowest validation loss."
        + (" Dashed: a new phase begins." if len(starts) > 1 else ""),
        figure,
    )


def _corner(*errors: float) -> float:
    """How much of each axis to magnify so that the operating point is well inside."""
    return float(np.clip(1.6 * max(errors), 0.005, 0.3))


def _magnify(axes: Axes, inset: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    inset.set(xlim=x, ylim=y)
    inset.locator_params(nbins=3)
    inset.tick_params(labelsize=9)
    inset.spines[:].set_visible(True)
    axes.indicate_inset_zoom(inset, edgecolor=GREY)


def _point(axes: Axes, x: float | None, y: float | None, threshold: float) -> None:
    if x is not None and y is not None:
        label = f"threshold {threshold:.3f}"
        axes.plot(x, y, "o", color=VERMILION, markersize=9, clip_on=False, label=label)
