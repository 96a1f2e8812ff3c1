"""The picture of training: loss and accuracy by epoch, clean and under stress."""

import itertools

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crackdet.report.figures.theme import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    VERMILION,
    Picture,
    new_figure,
    whole_numbers,
)
from crackdet.report.run import Run
from crackdet.report.words import plural
from crackdet.runs.history import counting_epochs, deciding_loss

Rows = list[dict[str, str]]


def history(run: Run) -> Picture | None:
    """Loss and accuracy by epoch, phases marked; None where the run has no history."""
    if not run.history:
        return None
    deciding = deciding_loss(run.history[0])
    losses = _column(run.history, deciding)
    members = [row["member"] for row in run.history] if "member" in run.history[0] else None
    counting = counting_epochs(losses, members)
    stressed = deciding != "val_loss"
    decides = "loss under stress" if stressed else "validation loss"
    seen, caption = "train and validation", f"Circled: the epoch of lowest {decides}."
    if members is not None:
        count = len(set(members))
        caption = f"Circled: those of lowest {decides} of {count} trainings, whose mean counts."
    if stressed:
        seen = "train, validation and stress validation"
    if run.cross_validation is not None:
        seen, caption = "train", "All images are trained on: the folds said for how many epochs."
    phases = _phases(run.history)
    words = ", then ".join(
        f"{name} for {plural(end - start, 'epoch')}" for name, start, end in phases
    )
    lowest = ", ".join(f"{losses[best]:.4f}, epoch {best + 1}" for best in counting)
    kept = f" Lowest {decides}: {lowest}." if counting else ""
    return Picture(
        "history",
        "Loss and accuracy by epoch",
        f"Loss and accuracy on {seen} by epoch: {words}.{kept}",
        caption + (" Dashed: a new phase begins." if len(phases) > 1 else ""),
        _draw(run.history, phases, counting),
    )


def _draw(rows: Rows, phases: list[tuple[str, int, int]], counting: list[int]) -> Figure:
    figure = new_figure(5.4)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, name in ((upper, "loss"), (lower, "accuracy")):
        _draw_metric(axes, name, rows, counting)
        for _, start, _ in phases[1:]:
            axes.axvline(start + 0.5, color=GREY, linewidth=1.2, linestyle="--")
    for name, start, _ in phases:
        text = upper.text(max(start + 0.5, 0.7), 1.01, name, color=INK, fontsize=10)
        text.set_transform(upper.get_xaxis_transform())
    lower.legend(loc="best")
    lower.set(xlabel="Epoch", xlim=(0.5, len(rows) + 0.5))
    whole_numbers(lower.xaxis)
    return figure


def _draw_metric(axes: Axes, name: str, rows: Rows, counting: list[int]) -> None:
    epochs = np.arange(1, len(rows) + 1)
    train, validation = _column(rows, name), _column(rows, f"val_{name}")
    axes.plot(epochs, train, "o-", color=BLUE, markersize=4, label="train")
    if not np.isnan(validation).all():
        axes.plot(epochs, validation, "s-", color=ORANGE, markersize=4, label="validation")
    decides = validation
    if f"val_stress_{name}" in rows[0]:
        decides = _column(rows, f"val_stress_{name}")
        axes.plot(epochs, decides, "^-", color=VERMILION, markersize=4, label="under stress")
    axes.set(ylabel=name.capitalize())
    for best in counting:
        axes.plot(best + 1, decides[best], "o", markersize=11, fillstyle="none", color=INK)


def _column(rows: Rows, name: str) -> list[float]:
    return [float(row[name] or "nan") for row in rows]


def _phases(rows: Rows) -> list[tuple[str, int, int]]:
    """Returns each phase in words, its first epoch, counted from 0, and the one after its last."""
    phases, start = [], 0
    named = (f"{row['phase']} {row.get('member', '')}".replace("_", " ").strip() for row in rows)
    for name, part in itertools.groupby(named):
        end = start + len(list(part))
        phases.append((name, start, end))
        start = end
    return phases
