"""Pictures of the search: each hyperparameter against the objective, and all together."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from crackdet.report.files import Trials
from crackdet.report.theme import (
    BLUE,
    GREY,
    INK,
    VERMILION,
    Picture,
    logarithmic,
    new_figure,
    whole_numbers,
)

Floats = NDArray[np.float64]
# Searched over orders of magnitude.
_LOGARITHMIC = ("learning_rate", "images")


def search_pictures(trials: Trials | None) -> list[Picture]:
    """One picture for each hyperparameter and the parallel coordinates, where trials finished."""
    if trials is None or not trials.finished():
        return []
    return [_scatter(trials, name) for name in trials.hyperparameters] + [_parallel(trials)]


def _scatter(trials: Trials, name: str) -> Picture:
    x = np.array([trials.value(row, name) for row in trials.rows])
    y = np.array([trials.value(row, trials.objective) for row in trials.rows])
    failed = ~np.isfinite(y)
    best = trials.finished()[0]
    figure = new_figure(3.6)
    axes = figure.subplots()
    logarithmic(axes, x=name in _LOGARITHMIC, y=_spans(y))
    if (x == np.round(x)).all():
        whole_numbers(axes.xaxis)
    axes.set(xlabel=_words(name).capitalize(), ylabel=_words(trials.objective).capitalize())
    _points(axes, trials, x, y, ~failed)
    if failed.any():
        # A failed trial has no objective: it is marked at the top edge.
        axes.plot(
            x[failed],
            np.full(failed.sum(), 0.97),
            "x",
            color=VERMILION,
            markersize=9,
            markeredgewidth=2,
            transform=axes.get_xaxis_transform(),
            label="failed",
        )
    at = trials.value(best, name), trials.value(best, trials.objective)
    axes.plot(*at, "*", color=VERMILION, markersize=17, markeredgecolor=INK, label="best")
    axes.legend(loc="lower center", ncols=3, bbox_to_anchor=(0.5, 1.0))
    failures = f" {int(failed.sum())} failed." if failed.any() else ""
    return Picture(
        f"search_{name}",
        f"{_words(name).capitalize()} against {_words(trials.objective)}",
        f"{_words(trials.objective)} of {int(np.sum(~failed))} trials over {_words(name)}: best "
        f"{at[1]:.4g} at {at[0]:.4g}.{failures}",
        "A cross at the top edge is a trial that failed and has no value."
        if failed.any()
        else "One point for each trial.",
        figure,
    )


def _points(axes: Axes, trials: Trials, x: Floats, y: Floats, finished: NDArray[np.bool_]) -> None:
    """Plots the finished trials, larger and darker where they trained on more images."""
    images = np.array([trials.images(row) for row in trials.rows])
    pruned = np.array([row["status"] == "pruned" for row in trials.rows])
    sizes = trials.sizes()
    for place, size in enumerate(sizes, start=1):
        chosen = finished & ~pruned & (images == size)
        axes.plot(
            x[chosen],
            y[chosen],
            "o",
            color=BLUE,
            alpha=0.35 + 0.4 * place / len(sizes),
            markersize=6 + 2 * (place - 1),
            label="finished" if len(sizes) == 1 else f"{size:,} images",
        )
    if (finished & pruned).any():
        chosen = finished & pruned
        axes.plot(x[chosen], y[chosen], "o", color=BLUE, markerfacecolor="none", label="pruned")


def _parallel(trials: Trials) -> Picture:
    """Each trial as a line through its hyperparameters and its objective."""
    several = ["images"] if len(trials.sizes()) > 1 else []
    names = [*trials.hyperparameters, *several, trials.objective]
    rows = trials.finished()
    columns = [np.array([trials.value(row, name) for row in rows]) for name in names]
    heights = np.stack(
        [
            _scale(column, name in _LOGARITHMIC or (name == trials.objective and _spans(column)))
            for name, column in zip(names, columns, strict=True)
        ]
    )
    # Colour runs by rank: one bad trial would otherwise leave all the others in one shade.
    rank = np.linspace(0, 1, len(rows)) if len(rows) > 1 else np.zeros(1)
    colours = ScalarMappable(Normalize(0, 1.25), "viridis").to_rgba(rank)
    figure = new_figure(3.9)
    axes = figure.subplots()
    axes.grid(False)
    places = np.arange(len(names))
    for trial in reversed(range(len(rows))):  # The best is drawn last, over the others.
        first = trial == 0
        axes.plot(
            places,
            heights[:, trial],
            color=VERMILION if first else colours[trial],
            linewidth=3 if first else 1.4,
            alpha=1 if first else 0.8,
            marker="o",
            markersize=4,
        )
    for place, column in zip(places, columns, strict=True):
        _axis(axes, float(place), column)
    axes.set(xticks=places, yticks=[], xlim=(-0.35, len(names) - 0.55), ylim=(-0.09, 1.09))
    axes.set_xticklabels([_words(name).replace(" ", "\n") for name in names])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    best = ", ".join(f"{_words(name)} {trials.value(rows[0], name):.4g}" for name in names)
    return Picture(
        "search_parallel",
        "All hyperparameters together",
        f"Parallel coordinates of {len(rows)} finished trials; the best, drawn thick: {best}.",
        "One line for each finished trial, dark where the objective is good; the best is thick.",
        figure,
    )


def _axis(axes: Axes, place: float, column: Floats) -> None:
    axes.axvline(place, color=GREY, linewidth=1, ymin=0.07, ymax=0.93, zorder=0)
    low, high = column.min(), column.max()
    whole = bool((column == np.round(column)).all())
    # As many digits as it takes to tell the ends apart.
    digits = next((d for d in range(3, 9) if f"{low:.{d}g}" != f"{high:.{d}g}"), 3)
    for height, value in ((-0.04, low), (1.04, high)):
        text = f"{value:,.0f}" if whole else f"{value:.{digits}g}"
        axes.text(place, height, text, ha="center", va="center", fontsize=9.5)


def _scale(column: Floats, logarithmic: bool) -> Floats:
    """Maps values to 0..1 from their least to their largest."""
    values = np.log(column) if logarithmic else column
    width = np.ptp(values)
    return (values - values.min()) / width if width > 0 else np.full(len(values), 0.5)


def _spans(values: Floats) -> bool:
    """Whether values are positive and so far apart that only a logarithmic axis shows them all."""
    return bool(np.nanmin(values) > 0 and np.nanmax(values) > 20 * np.nanmin(values))


def _words(name: str) -> str:
    return name.replace("val_", "validation ").replace("_", " ")
