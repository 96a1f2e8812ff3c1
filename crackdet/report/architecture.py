"""The drawn architecture: stages from image to answer, frozen or trained."""

from typing import Any

import numpy as np
from matplotlib.patches import FancyBboxPatch, Patch

from crackdet.report.files import Run
from crackdet.report.theme import GREY, INK, LIGHT, ORANGE, Picture, new_figure
from crackdet.report.words import MISSING

_ROW = 0.36  # Height of a stage in inches.
_TRAINED, _FROZEN, _PLAIN = "trained", "frozen", "without weights"
_LOOKS: dict[str, dict[str, Any]] = {
    _TRAINED: {"facecolor": ORANGE, "edgecolor": INK},
    _FROZEN: {"facecolor": LIGHT, "edgecolor": GREY, "hatch": "///"},
    _PLAIN: {"facecolor": "white", "edgecolor": GREY},
}


def architecture(run: Run) -> Picture:
    """The stages of the model from top to bottom; a box is as wide as its image is large."""
    stages = merge_alike(run.architecture["stages"])
    figure = new_figure(_ROW * (len(stages) + 2.2))
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(len(stages) + 1.2, -1))
    sides = [_side(stage["output_shape"]) for stage in stages]
    largest = max(sides, default=1)
    axes.text(0.33, -0.5, "stage", color=GREY, va="center")
    axes.text(0.70, -0.5, "output", color=GREY, va="center", ha="center")
    axes.text(1.0, -0.5, "parameters", color=GREY, va="center", ha="right")
    for place, (stage, side) in enumerate(zip(stages, sides, strict=True)):
        width = 0.05 + 0.23 * np.sqrt(side / largest)
        look = _LOOKS[_state(stage)]
        box = FancyBboxPatch(
            (0.15 - width / 2, place + 0.16), width, 0.68, boxstyle="round,pad=0,rounding_size=0.01"
        )
        box.set(**look, linewidth=1)
        axes.add_patch(box)
        if place:
            axes.plot([0.15, 0.15], [place - 0.16, place + 0.16], color=GREY, linewidth=1)
        weight = "bold" if _state(stage) == _TRAINED else "normal"
        axes.text(0.33, place + 0.5, stage["name"], va="center", fontsize=10.5, fontweight=weight)
        axes.text(
            0.70, place + 0.5, shape(stage["output_shape"]), va="center", ha="center", fontsize=10.5
        )
        if stage["params"]:
            axes.text(
                1.0, place + 0.5, f"{stage['params']:,}", va="center", ha="right", fontsize=10.5
            )
    axes.legend(
        handles=[Patch(label=name, **look) for name, look in _LOOKS.items()],
        loc="lower center",
        ncols=3,
        bbox_to_anchor=(0.5, -0.01),
    )
    trained = [stage["name"] for stage in stages if _state(stage) == _TRAINED]
    table = run.architecture
    return Picture(
        "architecture",
        "Architecture",
        f"{len(stages)} stages from image to prediction, {table['params']:,} parameters, of which "
        f"{table['trainable_params']:,} are trained, in: {', '.join(trained) or 'none'}.",
        "From image to answer; the larger the image at a stage, the wider its box.",
        figure,
    )


def merge_alike(stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Joins neighbouring stages of several layers with equal output and state as `block_4 - 6`."""
    merged: list[dict[str, Any]] = []
    for stage in stages:
        last = merged[-1] if merged else None
        if (
            last
            and last["type"] == stage["type"] == "stage"
            and last["output_shape"] == stage["output_shape"]
            and _state(last) == _state(stage)
        ):
            last["last"] = stage["name"]
            last["params"] += stage["params"]
            last["trainable_params"] += stage["trainable_params"]
        else:
            merged.append(dict(stage))
    for stage in merged:
        if "last" in stage:
            first, last_name = stage["name"], stage["last"]
            # "block_4" and "block_6" share their word; other names are written out.
            word = first.rpartition("_")[0]
            same = bool(word) and last_name.rpartition("_")[0] == word
            stage["name"] = (
                f"{first} {MISSING} {last_name.rpartition('_')[2] if same else last_name}"
            )
    return merged


def shape(sizes: list[int | None] | None) -> str:
    """Returns an output shape as text: `56 x 56 x 24`; unknown sizes are question marks."""
    if not sizes:
        return MISSING
    return " \N{MULTIPLICATION SIGN} ".join("?" if size is None else str(size) for size in sizes)


def _state(stage: dict[str, Any]) -> str:
    if not stage["params"]:
        return _PLAIN
    return _TRAINED if stage["trainable_params"] else _FROZEN


def _side(sizes: list[int | None] | None) -> int:
    return (sizes[0] or 1) if sizes and len(sizes) == 3 else 1
