"""How light falls on a crack: how dark it is, what is seen inside, its pale lip."""

from typing import Any, NamedTuple

import keras
import numpy as np

from crackdet.layers.painting.crack_shapes import Cracks, Plan
from crackdet.layers.painting.curves import band_noise, coverage, rough_functions
from crackdet.layers.painting.draws import Draws

_DEBRIS_CELL = 3


class Inside(NamedTuple):
    """What is seen of a crack, each `(batch, curves, rows, length)`, from 0 to 1.

    Attributes:
        dark: How dark it is, beside its darkest place.
        lip: How pale the spalled edge beside it is, by the same measure.
    """

    dark: Any
    lip: Any


def draw_inside(draws: Draws, cracks: Cracks, distance: Any, softness: Any) -> Inside:
    """Draws what is seen of cracks that are wide enough to look into.

    Args:
        draws: The stream to draw from.
        cracks: Where the cracks are.
        distance: The pixels' distances from them.
        softness: See `coverage`; broadcasts to `distance`.
    """
    count, rows, length = distance.shape[1:]
    above, below = keras.ops.expand_dims(cracks.above, 2), keras.ops.expand_dims(cracks.below, 2)
    width = above + below
    noise = band_noise(draws, count, rows, length, _DEBRIS_CELL)
    # The noise of two coordinates makes overhangs, which the graph of a function has not.
    distance = distance + 0.12 * keras.ops.minimum(width, 4.0) * noise
    openness = keras.ops.clip(width / 2.0 - 1.0, 0.0, 1.0)
    # Light reaches one wall of the crack in places, and debris.
    places = rough_functions(draws, length, (8, 24), np.array([[[0.5, 0.8]]], "float32"), 2 * count)
    places = keras.ops.expand_dims(keras.ops.clip(0.5 + places, 0.0, 1.0), 2)
    slant = draws.uniform(-1.0, 1.0, (1, 1, 1)) * openness / (width + 0.5) * places[:, :count]
    debris = draws.chance(0.4, (1, 1, 1)) * draws.uniform(0.1, 0.6, (1, 1, 1)) * openness
    lit = keras.ops.clip(slant * distance + debris * keras.ops.relu(noise - 0.3), 0.0, 0.75)
    dark = coverage(distance, above, below, softness) * (1.0 - lit)
    # A strip beside the edge that faces the light, where the skin of the concrete broke off.
    side = 2.0 * draws.chance(0.5, (1, 1, 1)) - 1.0
    outside = side * distance - keras.ops.where(side > 0, above, below)
    strip = draws.uniform(0.1, 0.5, (1, 1, 1)) * width * places[:, count:] + 0.5
    pale = draws.chance(0.6, (1, 1, 1)) * draws.uniform(0.15, 0.8, (1, 1, 1)) * openness
    ragged = keras.ops.clip(places[:, count:] + 0.4 * noise, 0.0, 1.0)
    lip = keras.ops.clip(keras.ops.minimum(outside + 1.0, strip - outside), 0.0, 1.0)
    return Inside(dark, lip * ragged * pale)


def draw_depth(draws: Draws, plan: Plan, softness: Any, faintest: Any) -> Any:
    """Draws how much of the light a crack takes at its darkest.

    Args:
        draws: The stream to draw from.
        plan: The crack's plan.
        softness: See `coverage`; `(batch, 1, 1, 1)`.
        faintest: The share of the light, `(batch,)`, that a pixel has to lose for it to show.

    Returns:
        float32 `(batch, 1, 1)`: up to 0.95; below 0 for lime, which is paler than the wall.
    """
    width = keras.ops.expand_dims(plan.width, 2)
    # A line that is narrower than a pixel covers no pixel whole.
    peak = keras.ops.minimum(width / (2.0 * softness[:, 0]), 1.0)
    least = keras.ops.reshape(faintest, (-1, 1, 1)) / peak
    # What is wide is also deep.
    least = keras.ops.maximum(least, keras.ops.clip(0.12 * width, 0.08, 0.5))
    depth = draws.log_uniform(keras.ops.minimum(least, 0.85), 0.95, (1, 1))
    lime = draws.chance(0.08, (1, 1))
    return depth * (1.0 - lime * draws.uniform(1.25, 1.6, (1, 1)))
