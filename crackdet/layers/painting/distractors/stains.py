"""Distractors in patches: stains, runs of lime, moss."""

import dataclasses
from typing import Any

import keras

from crackdet.layers.painting.distractors.marks import Mark, Noises, by_image
from crackdet.layers.painting.distractors.ranges import Look, Range
from crackdet.layers.painting.draws import Draws
from crackdet.layers.painting.noise import smooth_noise

_FINEST = 9.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stains(Look):
    """Patches where a random field lies above a level. Lengths in pixels.

    Attributes:
        size: Size of the patches, at least 9.
        stretch: How much longer than wide they are, as runs of water.
        detail: Share of fine noise in the field: ragged outlines.
        level: Level above which the stain lies: 0 covers half of the image, 2 a fortieth.
        soft: How slowly the stain grows above the level: 0.1 is a hard edge.
        grain: Standard deviation of fine changes within the stain, as a share of its tone.
        fall: How much sparser the stain grows from one border of the image to the other.
    """

    size: Range = (30.0, 30.0)
    stretch: Range = (1.0, 1.0)
    detail: Range = (0.0, 0.0)
    level: Range = (0.0, 0.0)
    soft: Range = (1.0, 1.0)
    grain: Range = (0.0, 0.0)
    fall: Range = (0.0, 0.0)


def draw_stains(draws: Draws, stain: dict[str, Any], noises: Noises) -> Mark:
    """Draws a stain on each image.

    Args:
        draws: The stream to draw from.
        stain: The parameters of each image, `(batch, 1)` each. See `Stains`.
        noises: The noise fields of each image.
    """
    height, width = noises.size
    fields = by_image(stain)
    upright = keras.ops.cast(stain["upright"] > 0.5, "float32")
    short, long = stain["size"], stain["size"] * stain["stretch"]
    rows = short + upright * (long - short)
    field = smooth_noise(draws, (height, width), rows, _FINEST, short + long - rows)
    field = field + fields["detail"] * noises.fine
    down = keras.ops.reshape(keras.ops.linspace(-1.0, 1.0, height, dtype="float32"), (1, -1, 1))
    level = fields["level"] + fields["fall"] * down
    inside = keras.ops.clip((field - level) / fields["soft"] + 0.5, 0.0, 1.0)
    grain = 1.0 + fields["grain"] * noises.fine
    return Mark(inside * fields["tone"] * grain, inside * fields["cover"])
