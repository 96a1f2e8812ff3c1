"""Pictures of the stress validation: what it shows, and what the classifier makes of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from crackdet.report.figures.theme import INK, VERMILION, WIDTH, Picture, new_figure
from crackdet.report.run import Run
from crackdet.report.words import number

# Half of them wrong is as good as nothing; below that all are alike.
_LOWEST, _HIGHEST = 0.5, 1.0
_DARK_FROM = 0.8  # cells that dark have white figures


def stress_scores(run: Run) -> Picture | None:
    """AUROC by family and severity; None where the run was not measured under stress."""
    stress = run.stress
    if stress is None:
        return None
    families = dict(stress["families"])
    worst = min(families, key=lambda name: families[name]["auroc"] or 0)
    return Picture(
        "stress_scores",
        "Under stress, by family and severity",
        f"Area under the ROC curve of {stress['n']} pictures in {len(families)} families of 5 "
        f"severities: {number(_mean_area(families))} in the mean over families; the least is "
        f"{number(families[worst]['auroc'])}, {worst}.",
        "1 tells all cracked pictures from the sound ones of the same cell, 0.5 none. Severity "
        "grows from 1 to 5; the last column is the family's own, the last row the mean.",
        _draw_scores(stress),
    )


def stress_pictures(run: Run) -> Picture | None:
    """A cracked picture of each family and severity; None where the run holds none."""
    samples = run.samples
    if "stress_images" not in samples:
        return None
    wrong = samples["stress_wrong"]
    return Picture(
        "stress_pictures",
        "Cracks under stress",
        f"{len(wrong)} cracked pictures of the stress validation, a row for each family and a "
        f"column for each severity; {int(wrong.sum())} are missed.",
        "Made from validation patches, a row a family; severity grows from left to right, and at a "
        "gap there is none of it. With a red border: missed at the threshold.",
        draw_grid(
            samples["stress_images"],
            samples["stress_families"].tolist(),
            samples["stress_severities"].tolist(),
            wrong,
        ),
        photographs=True,
    )


def draw_grid(
    images: NDArray[np.uint8],
    families: Sequence[str],
    severities: Sequence[int],
    wrong: NDArray[np.bool_] | None = None,
) -> Figure:
    """Draws one picture for each family and severity, families in rows.

    Args:
        images: uint8 `(n, height, width, 3)`; of several of one cell the first is shown.
        families: The family of each.
        severities: The severity of each.
        wrong: Which have a red border, bool `(n,)`.

    Returns:
        The figure, for whoever saves it.

    Example:

    >>> cracked = stress.subset(np.flatnonzero(stress.labels == 1))
    >>> images = cracked.images(range(cracked.num_images))
    >>> draw_grid(images, cracked.families, cracked.severities).savefig("stress.png")
    """
    rows, columns = list(dict.fromkeys(families)), sorted(set(severities))
    figure = new_figure(len(rows) * (WIDTH / len(columns) + 0.03) + 0.2, gap=0.02)
    grid: Any = figure.subplots(len(rows), len(columns), squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    first: dict[tuple[str, int], int] = {}
    for index, cell in enumerate(zip(families, severities, strict=True)):
        first.setdefault(cell, index)
    for (family, severity), index in first.items():
        axes = grid[rows.index(family), columns.index(severity)]
        red = wrong is not None and bool(wrong[index])
        _show(axes, images[index], VERMILION if red else INK)
    # A family of few pictures may have none in the first column, where its name stands.
    for family, axes in zip(rows, grid[:, 0], strict=True):
        axes.set_title(family, fontsize=9, fontweight="normal", loc="left", pad=2)
    return figure


def _show(axes: Axes, image: NDArray[np.uint8], colour: str) -> None:
    axes.set_axis_on()
    axes.grid(False)
    axes.set(xticks=[], yticks=[])
    axes.imshow(image, interpolation="antialiased")
    axes.spines[:].set(visible=True, color=colour, linewidth=1.6 if colour == VERMILION else 0.5)


def _mean_area(families: Mapping[str, Any]) -> float:
    return float(np.nanmean([_area(row) for row in families.values()]))


def _draw_scores(stress: Any) -> Figure:
    families = dict(stress["families"])
    severities = list(stress["severities"])
    values = [
        [*(_area(row["severities"].get(severity)) for severity in severities), _area(row)]
        for row in families.values()
    ]
    means = [_area(stress["severities"][severity]) for severity in severities]
    table = np.array([*values, [*means, _mean_area(families)]])
    figure = new_figure(0.26 * len(table) + 0.7)
    axes = figure.subplots()
    axes.grid(False)
    axes.imshow(table, cmap="Blues", vmin=_LOWEST, vmax=_HIGHEST, aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        if np.isfinite(value):
            colour = "white" if value > _DARK_FROM else INK
            axes.text(column, row, number(value, 2), ha="center", va="center", color=colour, size=9)
    axes.axvline(len(severities) - 0.5, color="white", linewidth=4)
    axes.axhline(len(families) - 0.5, color="white", linewidth=4)
    axes.set_xticks(range(len(severities) + 1), [*severities, "all"])
    axes.set_yticks(range(len(table)), [*families, "mean"])
    axes.set_xlabel("Severity")
    axes.tick_params(length=0)
    axes.spines[:].set(visible=False)
    axes.tick_params(axis="y", labelcolor=INK)
    return figure


def _area(row: dict[str, Any] | None) -> float:
    """Returns an area under the ROC curve, NaN where there is none."""
    value = None if row is None else row["auroc"]
    return float("nan") if value is None else float(value)
