"""Pictures of a classifier on other sites, a line a site."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crackdet.report.figures.theme import BLUE, GREY, VERMILION, Picture, new_figure
from crackdet.report.site_words import FILTER_WORDS
from crackdet.report.words import number, percent

Row = Mapping[str, Any]

_MARKERS = ("s", "^", "D")  # of the untrained filters
_LONGEST_NAME = 20


def aurocs(rows: Sequence[Row]) -> Picture | None:
    """AUROC on each site with its interval, beside the untrained filters; None without any."""
    rows = [row for row in rows if row["auroc"] is not None]
    if not rows:
        return None
    found = "; ".join(
        f"{row['site']} {number(row['auroc'])}, best untrained "
        f"{number(row['untrained']['auroc'][row['untrained']['best']])}"
        for row in rows
    )
    return Picture(
        "site_aurocs",
        "Does it rank cracked patches above sound ones?",
        f"AUROC by site: {found}.",
        "Dots are the classifier with its 95 % interval by photo, grey marks the untrained "
        "filters. At the dotted line, 0.5, a ranking is worth nothing.",
        _draw_aurocs(rows),
    )


def at_threshold(rows: Sequence[Row]) -> Picture | None:
    """Recall and false alarms at the threshold on each site; None without any."""
    rows = [row for row in rows if row["recall"] is not None or row["false_alarm_rate"] is not None]
    if not rows:
        return None
    found = "; ".join(
        f"{row['site']} {percent(row['recall'])} of the cracks found at "
        f"{percent(row['false_alarm_rate'])} false alarms"
        for row in rows
    )
    return Picture(
        "site_threshold",
        "At its own threshold",
        f"Recall and false-alarm rate by site: {found}.",
        "Blue dots, the share of cracked patches that raise an alarm, should lie far to the right, "
        "orange ones, that of sound patches, far to the left. Bars are 95 % intervals by photo.",
        _draw_threshold(rows),
    )


def _draw_aurocs(rows: Sequence[Row]) -> Figure:
    figure, axes = _site_axes(rows, "AUROC")
    axes.axvline(0.5, color=GREY, linestyle=":", linewidth=1.2)
    for name, marker in zip(FILTER_WORDS, _MARKERS, strict=True):
        areas = [row["untrained"]["auroc"][name] for row in rows]
        axes.scatter(
            areas, range(len(rows)), marker=marker, s=36, facecolors="none", edgecolors=GREY,
            linewidths=1.4, label=FILTER_WORDS[name],
        )  # fmt: skip
    _dots(axes, rows, "auroc", BLUE, "o", "classifier", 0.0)
    shown = [
        *(area for row in rows for area in row["untrained"]["auroc"].values()),
        *(low for row in rows for low in (row["intervals"]["auroc"] or [row["auroc"]])),
    ]
    lowest = min(0.5, *shown)
    axes.set_xlim(max(-0.02, lowest - 0.05), 1.02)
    _legend(figure, axes)
    return figure


def _draw_threshold(rows: Sequence[Row]) -> Figure:
    figure, axes = _site_axes(rows, "Share of patches that raise an alarm")
    _dots(axes, rows, "recall", BLUE, "o", "cracked patches (recall)", -0.12)
    _dots(axes, rows, "false_alarm_rate", VERMILION, "X", "sound patches (false alarms)", 0.12)
    axes.set_xlim(-0.02, 1.02)
    _legend(figure, axes)
    return figure


def _site_axes(rows: Sequence[Row], title: str) -> tuple[Figure, Axes]:
    figure = new_figure(1.7 + 0.5 * len(rows))
    axes = figure.subplots()
    names = [_shortened(row["site"]) for row in rows]
    axes.set(xlabel=title, yticks=range(len(rows)), ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticklabels(names)
    axes.grid(False, axis="y")
    return figure, axes


def _dots(
    axes: Axes, rows: Sequence[Row], name: str, colour: str, marker: str, label: str, shift: float
) -> None:
    shown = [(place, row) for place, row in enumerate(rows) if row[name] is not None]
    places, values = [place + shift for place, _ in shown], [row[name] for _, row in shown]
    for place, (_, row) in zip(places, shown, strict=True):
        if (bounds := row["intervals"][name]) is not None:
            axes.hlines(place, *bounds, color=colour, linewidth=2.2, alpha=0.55)
    axes.scatter(values, places, color=colour, marker=marker, s=48, zorder=3, label=label)


def _legend(figure: Figure, axes: Axes) -> None:
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
