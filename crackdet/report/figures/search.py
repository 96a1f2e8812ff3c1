"""Pictures of the search: each hyperparameter against the objective, and all together."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from crackdet.report.figures.theme import (
    BLUE,
    GREY,
    INK,
    VERMILION,
    Picture,
    logarithmic,
    new_figure,
    whole_numbers,
)
from crackdet.report.words import plural
from crackdet.runs.trials import FAILED, PRUNED, Trials

Floats = NDArray[np.float64]
Chosen = NDArray[np.bool_]

# Searched over orders of magnitude.
_LOGARITHMIC = ("learning_rate", "images")


def picture_names(trials: Trials) -> tuple[str, ...]:
    """Returns the names of what `search_pictures` draws."""
    return tuple(f"search_{name}" for name in (*trials.hyperparameters, "parallel"))


def search_pictures(trials: Trials | None) -> list[Picture]:
    """One picture for each hyperparameter and the parallel coordinates, where trials finished."""
    if trials is None or not trials.finished():
        return []
    return [_scatter(trials, name) for name in trials.hyperparameters] + [_parallel(trials)]


def _scatter(trials: Trials, name: str) -> Picture:
    best, objective = trials.finished()[0], trials.objective
    failed = len(trials.failed())
    finished = plural(len(trials.rows) - failed, "trial")
    return Picture(
        f"search_{name}",
        f"{_words(name).capitalize()} against {_words(objective)}",
        f"{_words(objective)} of {finished} over {_words(name)}: best "
        f"{trials.value(best, objective):.4g} at {trials.value(best, name):.4g}."
        + (f" {failed} failed." if failed else ""),
        "A cross at the top edge is a trial that failed and has no value."
        if failed
        else "One point for each trial.",
        _draw_scatter(trials, name),
    )


def _draw_scatter(trials: Trials, name: str) -> Figure:
    x, y = (_column(trials, trials.rows, column) for column in (name, trials.objective))
    failed = _with_status(trials, FAILED)
    figure = new_figure(3.6)
    axes = figure.subplots()
    logarithmic(axes, x=name in _LOGARITHMIC, y=_spans(y[~failed]))
    if (x == np.round(x)).all():
        whole_numbers(axes.xaxis)
    axes.set(xlabel=_words(name).capitalize(), ylabel=_words(trials.objective).capitalize())
    _draw_finished(axes, trials, x, y)
    if failed.any():
        _draw_failed(axes, x[failed])
    best = trials.finished()[0]
    at = trials.value(best, name), trials.value(best, trials.objective)
    axes.plot(*at, "*", color=VERMILION, markersize=17, markeredgecolor=INK, label="best")
    axes.legend(loc="lower center", ncols=3, bbox_to_anchor=(0.5, 1.0))
    return figure


def _draw_finished(axes: Axes, trials: Trials, x: Floats, y: Floats) -> None:
    """Plots the finished trials, larger and darker where they trained on more images."""
    images = np.array([trials.images(row) for row in trials.rows])
    failed, pruned = _with_status(trials, FAILED), _with_status(trials, PRUNED)
    sizes = trials.sizes()
    for place, size in enumerate(sizes, start=1):
        chosen = ~failed & ~pruned & (images == size)
        axes.plot(
            x[chosen],
            y[chosen],
            "o",
            color=BLUE,
            alpha=0.35 + 0.4 * place / len(sizes),
            markersize=6 + 2 * (place - 1),
            label="finished" if len(sizes) == 1 else f"{size:,} images",
        )
    if pruned.any():
        axes.plot(x[pruned], y[pruned], "o", color=BLUE, markerfacecolor="none", label="pruned")


def _draw_failed(axes: Axes, x: Floats) -> None:
    """Marks failed trials, which have no objective, at the top edge."""
    axes.plot(
        x,
        np.full(len(x), 0.97),
        "x",
        color=VERMILION,
        markersize=9,
        markeredgewidth=2,
        transform=axes.get_xaxis_transform(),
        label="failed",
    )


def _parallel(trials: Trials) -> Picture:
    """Each trial as a line through its hyperparameters and its objective."""
    rows = trials.finished()
    several = ["images"] if len(trials.sizes()) > 1 else []
    names = [*trials.hyperparameters, *several, trials.objective]
    columns = {name: _column(trials, rows, name) for name in names}
    best = ", ".join(f"{_words(name)} {columns[name][0]:.4g}" for name in names)
    return Picture(
        "search_parallel",
        "All hyperparameters together",
        f"Parallel coordinates of {plural(len(rows), 'finished trial')}; the best, drawn thick: "
        f"{best}.",
        "One line for each finished trial, dark where the objective is good; the best is thick.",
        _draw_parallel(columns, trials.objective),
    )


def _draw_parallel(columns: dict[str, Floats], objective: str) -> Figure:
    figure = new_figure(3.9)
    axes = figure.subplots()
    axes.grid(False)
    logarithmic_names = {*_LOGARITHMIC, *([objective] if _spans(columns[objective]) else [])}
    heights = [_scale(column, name in logarithmic_names) for name, column in columns.items()]
    _draw_lines(axes, np.stack(heights))
    for place, column in enumerate(columns.values()):
        _draw_axis(axes, place, column)
    places = range(len(columns))
    axes.set(xticks=places, yticks=[], xlim=(-0.35, len(columns) - 0.55), ylim=(-0.09, 1.09))
    axes.set_xticklabels([_words(name).replace(" ", "\n") for name in columns])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def _draw_lines(axes: Axes, heights: Floats) -> None:
    """Draws a line for each column of heights, of which the first is the best trial's."""
    count = heights.shape[1]
    # Colour runs by rank: one bad trial would otherwise leave all the others in one shade.
    rank = np.linspace(0, 1, count) if count > 1 else np.zeros(1)
    colours = ScalarMappable(Normalize(0, 1.25), "viridis").to_rgba(rank)
    for trial in reversed(range(count)):  # The best is drawn last, over the others.
        first = trial == 0
        axes.plot(
            range(len(heights)),
            heights[:, trial],
            color=VERMILION if first else colours[trial],
            linewidth=3 if first else 1.4,
            alpha=1 if first else 0.8,
            marker="o",
            markersize=4,
        )


def _draw_axis(axes: Axes, place: int, column: Floats) -> None:
    axes.axvline(place, color=GREY, linewidth=1, ymin=0.07, ymax=0.93, zorder=0)
    low, high = column.min(), column.max()
    whole = bool((column == np.round(column)).all())
    # As many digits as it takes to tell the ends apart.
    digits = next((d for d in range(3, 9) if f"{low:.{d}g}" != f"{high:.{d}g}"), 3)
    for height, value in ((-0.04, low), (1.04, high)):
        text = f"{value:,.0f}" if whole else f"{value:.{digits}g}"
        axes.text(place, height, text, ha="center", va="center", fontsize=9.5)


def _column(trials: Trials, rows: list[dict[str, str]], name: str) -> Floats:
    return np.array([trials.value(row, name) for row in rows])


def _with_status(trials: Trials, status: str) -> Chosen:
    return np.array([row["status"] == status for row in trials.rows])


def _scale(column: Floats, logarithmic: bool) -> Floats:
    """Maps values to 0..1 from their least to their largest."""
    values = np.log(column) if logarithmic else column
    width = np.ptp(values)
    return (values - values.min()) / width if width > 0 else np.full(len(values), 0.5)


def _spans(values: Floats) -> bool:
    """Whether values are positive and so far apart that only a logarithmic axis shows them all."""
    return bool(values.min() > 0 and values.max() > 20 * values.min())


def _words(name: str) -> str:
    return name.replace("val_", "validation ").replace("_", " ")
