"""Distractors in spots: pores, tie holes, stones.

A spot is a Gaussian hill, the product of one over rows and one over columns; all hills of an image
are one matrix product. Cut off at half their height they are ellipses of any size and place, which
grow together where they touch.
"""

import dataclasses
import math
from typing import Any

import keras

from crackdet.layers.painting.distractors.marks import Mark, Noises, by_image
from crackdet.layers.painting.distractors.ranges import Look, Range
from crackdet.layers.painting.draws import Draws

_MOST = 96


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spots(Look):
    """Round or elliptical spots. Lengths in pixels.

    Attributes:
        count: Number of spots, at most 96.
        radius: Their median radius.
        unequal: Standard deviation of the logarithm of the radius.
        long: Standard deviation of the logarithm of the ratio of the axes.
        soft: Width of the blur of their edges.
        vary: Standard deviation of the tone from spot to spot.
        shade: Tone of the side away from the light; below 0 as in a hole, above as on a stone.
        ring: Tone of a ring around them.
        ring_width: Width of the ring, as a share of the radius.
        rough: How much fine noise moves the edges, as a share of the radius.
    """

    count: Range = (1.0, 1.0)
    radius: Range = (3.0, 3.0)
    unequal: Range = (0.0, 0.0)
    long: Range = (0.0, 0.0)
    soft: Range = (1.0, 1.0)
    vary: Range = (0.0, 0.0)
    shade: Range = (0.0, 0.0)
    ring: Range = (0.0, 0.0)
    ring_width: Range = (0.3, 0.3)
    rough: Range = (0.0, 0.0)


def draw_spots(draws: Draws, spot: dict[str, Any], noises: Noises) -> Mark:
    """Draws the spots of each image.

    Args:
        draws: The stream to draw from.
        spot: The parameters of each image, `(batch, 1)` each. See `Spots`.
        noises: The noise fields of each image.
    """
    height, width = noises.size
    fields = by_image(spot)
    radius = spot["radius"] * keras.ops.exp(spot["unequal"] * draws.normal((_MOST,)))
    long = keras.ops.exp(0.5 * spot["long"] * draws.normal((_MOST,)))
    rows, row_slopes = _hills(draws, height, radius * long)
    columns, column_slopes = _hills(draws, width, radius / long)
    number = keras.ops.arange(_MOST, dtype="float32")
    painted = keras.ops.cast(number < spot["count"], "float32")
    painted = keras.ops.expand_dims(painted, 1)
    hills = _sum(rows * painted, columns)
    # How far the tone of the spot that is there lies from the mean.
    tones = keras.ops.expand_dims(draws.normal((_MOST,)), 1)
    varied = _sum(rows * (painted * tones), columns) / (hills + 1e-3)
    light = draws.uniform(0.0, 2.0 * math.pi, (1, 1))
    slopes = _sum(
        keras.ops.concatenate([row_slopes * keras.ops.sin(light), rows * keras.ops.cos(light)], 2)
        * keras.ops.concatenate([painted, painted], 2),
        keras.ops.concatenate([columns, column_slopes], 2),
    )
    # At half its height a hill falls by ln 2 over its radius.
    hills = hills * (1.0 + math.log(2) * fields["rough"] * noises.fine)
    sharpness = fields["radius"] / (math.log(2) * fields["soft"])
    inside = _above(hills, 0.5, sharpness)
    around = _above(hills, _height(1.0 + fields["ring_width"]), sharpness) - inside
    shaded = fields["tone"] + fields["vary"] * varied + fields["shade"] * slopes
    return Mark(inside * shaded + fields["ring"] * around, fields["cover"] * inside)


def _height(distance: Any) -> Any:
    """The height of a hill at a distance, in radii, from its middle."""
    return keras.ops.exp(-math.log(2) * distance * distance)


def _hills(draws: Draws, length: int, radius: Any) -> tuple[Any, Any]:
    """Hills along one axis, `(batch, length, spots)`, and their slopes times the radius."""
    middle = draws.uniform(-0.02 * length, 1.02 * length, (1, _MOST))
    pixels = keras.ops.reshape(keras.ops.arange(length, dtype="float32") + 0.5, (1, -1, 1))
    places = (pixels - middle) / keras.ops.expand_dims(radius, 1)
    hills = _height(places)
    return hills, places * hills


def _sum(rows: Any, columns: Any) -> Any:
    return keras.ops.matmul(rows, keras.ops.swapaxes(columns, 1, 2))


def _above(hills: Any, level: Any, sharpness: Any) -> Any:
    """1 where hills are above a level, 0 below, blurred between."""
    return keras.ops.clip(hills * sharpness + (0.5 - level * sharpness), 0.0, 1.0)
