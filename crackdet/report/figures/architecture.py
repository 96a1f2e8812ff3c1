"""The drawn architecture: stages from image to answer, frozen or trained."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch
from matplotlib.text import Text

from crackdet.report.figures.theme import GREY, INK, LIGHT, ORANGE, Picture, new_figure
from crackdet.report.run import Run
from crackdet.report.words import MISSING, shape

_STAGE_HEIGHT = 0.36  # In inches.
_TRAINED, _FROZEN, _PLAIN = "trained", "frozen", "without weights"
_LOOKS: dict[str, dict[str, Any]] = {
    _TRAINED: {"facecolor": ORANGE, "edgecolor": INK},
    _FROZEN: {"facecolor": LIGHT, "edgecolor": GREY, "hatch": "///"},
    _PLAIN: {"facecolor": "white", "edgecolor": GREY},
}
# Where the boxes and the three columns of text stand, from 0 to 1.
_BOX, _NAME, _OUTPUT, _PARAMETERS = 0.15, 0.33, 0.76, 1.0


def architecture(run: Run) -> Picture:
    """The stages of the model from top to bottom; a box is as wide as its image is large."""
    network = run.architecture
    stages = merge_alike(network["stages"])
    trained = [stage["name"] for stage in stages if _state(stage) == _TRAINED]
    return Picture(
        "architecture",
        "Architecture",
        f"{len(stages)} stages from image to prediction, {network['params']:,} parameters, of "
        f"which {network['trainable_params']:,} are trained, in: {', '.join(trained) or 'none'}.",
        "From image to answer; the larger the image at a stage, the wider its box.",
        _draw(stages),
    )


def merge_alike(stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Joins neighbouring stages of several layers with equal output and state as `block_4 - 6`."""
    merged: list[dict[str, Any]] = []
    for stage in stages:
        if merged and _alike(merged[-1], stage):
            last = merged[-1]
            last["last"] = stage["name"]
            last["params"] += stage["params"]
            last["trainable_params"] += stage["trainable_params"]
        else:
            merged.append(dict(stage))
    for stage in merged:
        if "last" in stage:
            stage["name"] = _joined_name(stage["name"], stage["last"])
    return merged


def _draw(stages: list[dict[str, Any]]) -> Figure:
    figure = new_figure(_STAGE_HEIGHT * (len(stages) + 2.2))
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(len(stages) + 1.2, -1))
    axes.text(_NAME, -0.5, "stage", color=GREY, va="center")
    axes.text(_OUTPUT, -0.5, "output", color=GREY, va="center", ha="center")
    axes.text(_PARAMETERS, -0.5, "parameters", color=GREY, va="center", ha="right")
    largest = max((_side(stage["output_shape"]) for stage in stages), default=1)
    for place, stage in enumerate(stages):
        _draw_box(axes, place, stage, largest)
        name = _draw_texts(axes, place, stage)
        if place:
            _draw_inputs(axes, place, stage, stages[place - 1], name)
    axes.legend(
        handles=[Patch(label=name, **look) for name, look in _LOOKS.items()],
        loc="lower center",
        ncols=3,
        bbox_to_anchor=(0.5, -0.01),
    )
    return figure


def _draw_box(axes: Axes, place: int, stage: dict[str, Any], largest: int) -> None:
    width = 0.05 + 0.23 * np.sqrt(_side(stage["output_shape"]) / largest)
    corner = (_BOX - width / 2, place + 0.16)
    box = FancyBboxPatch(corner, width, 0.68, boxstyle="round,pad=0,rounding_size=0.01")
    box.set(**_LOOKS[_state(stage)], linewidth=1)
    axes.add_patch(box)


def _draw_inputs(
    axes: Axes, place: int, stage: dict[str, Any], above: dict[str, Any], label: Text
) -> None:
    """Joins a stage with the one above; what it takes from further up stands behind its label."""
    name = above.get("last", above["name"])
    inputs = stage.get("inputs", [name])
    if name in inputs:
        axes.plot([_BOX, _BOX], [place - 0.16, place + 0.16], color=GREY, linewidth=1)
    if others := [each for each in inputs if each != name]:
        axes.annotate(
            f"\N{LEFTWARDS ARROW} {', '.join(others)}",
            xy=(1, 0.5),
            xycoords=label,
            xytext=(4, 0),
            textcoords="offset points",
            color=GREY,
            fontsize=9,
            va="center",
        )


def _draw_texts(axes: Axes, place: int, stage: dict[str, Any]) -> Text:
    """Writes a stage's row and returns its name's label."""
    look: dict[str, Any] = {"va": "center", "fontsize": 10.5}
    weight = "bold" if _state(stage) == _TRAINED else "normal"
    name = axes.text(_NAME, place + 0.5, stage["name"], fontweight=weight, **look)
    axes.text(_OUTPUT, place + 0.5, shape(stage["output_shape"]), ha="center", **look)
    if stage["params"]:
        axes.text(_PARAMETERS, place + 0.5, f"{stage['params']:,}", ha="right", **look)
    return name


def _alike(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return (
        first["type"] == second["type"] == "stage"
        and first["output_shape"] == second["output_shape"]
        and _state(first) == _state(second)
    )


def _joined_name(first: str, last: str) -> str:
    # "block_4" and "block_6" share their word; other names are written out.
    word = first.rpartition("_")[0]
    same = bool(word) and last.rpartition("_")[0] == word
    return f"{first} {MISSING} {last.rpartition('_')[2] if same else last}"


def _state(stage: dict[str, Any]) -> str:
    if not stage["params"]:
        return _PLAIN
    return _TRAINED if stage["trainable_params"] else _FROZEN


def _side(sizes: list[int | None] | None) -> int:
    return (sizes[0] or 1) if sizes and len(sizes) == 3 else 1
