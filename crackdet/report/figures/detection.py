"""The picture of how wide a crack has to be to be found."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crackdet.report.figures.theme import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    VERMILION,
    Picture,
    logarithmic,
    new_figure,
)
from crackdet.report.run import Run
from crackdet.report.words import detection_lines, percent

_COLOURS = (ORANGE, BLUE, VERMILION)


def detection(run: Run) -> Picture | None:
    """POD by crack width and contrast; None where it was not measured."""
    found = run.metrics.get("detection")
    if found is None:
        return None
    lines = detection_lines(found)
    return Picture(
        "detection",
        "Probability of detection by crack width",
        " ".join(lines),
        f"{' '.join(lines)} Painted cracks on validation's sound patches; a pixel is one of the "
        f"{found['side']} that the model sees: where a patch shows 200 mm of wall, it is "
        f"{200 / found['side']:.2g} mm. Bands: 95 % confidence on either side, by "
        "likelihood ratio (MIL-HDBK-1823A); dots: share found among neighbours in width; "
        "marks on the line at 90 %: a90 and, open, a90/95.",
        _draw(found),
    )


def _draw(found: Any) -> Figure:
    figure = new_figure(4.4)
    axes = figure.subplots()
    logarithmic(axes, x=True)
    axes.axhline(0.9, color=INK, linewidth=0.8, linestyle=":")
    for colour, (contrast, facts) in zip(_COLOURS, found["contrasts"].items(), strict=False):
        _draw_curve(axes, facts, colour, f"contrast {contrast}")
    rate = found["false_alarms"]["rate"]
    axes.axhline(rate, color=GREY, linestyle="--", label=f"no crack: {percent(rate)}")
    axes.set(xlabel=f"Width in pixels of {found['side']}", ylabel="Found", ylim=(-0.03, 1.03))
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def _draw_curve(axes: Axes, facts: Any, colour: str, label: str) -> None:
    bins = facts["observed"]
    middles = [(each["low"] * each["high"]) ** 0.5 for each in bins]
    shares = [each["found"] / each["n"] for each in bins]
    curve = facts["curve"]
    # Without a curve the dots are all that is known.
    axes.plot(middles, shares, "o", color=colour, markersize=4, label=None if curve else label)
    if not curve:
        return
    axes.plot(curve["width"], curve["pod"], color=colour, label=label)
    if curve["low"]:
        axes.fill_between(
            curve["width"], curve["low"], curve["high"], color=colour, alpha=0.15, linewidth=0
        )
    for name, face in (("a90", colour), ("a90_95", "white")):
        if facts[name] is not None:
            axes.plot(facts[name], 0.9, "D", color=colour, markerfacecolor=face, markersize=6)
