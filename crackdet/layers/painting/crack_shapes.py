"""The shape of a crack: where it runs, how wide it is, where it branches, ends and fades."""

import math
from typing import Any, NamedTuple

import keras
import numpy as np

from crackdet.layers.painting.curves import Curves, rough_functions
from crackdet.layers.painting.draws import Draws

# A crack, a second one; then up to four branches, and what only a map of cracks has beside them.
TRUNKS, BRANCHES, TWIGS = 2, 4, 6
# The widest that branches become, since their bands are narrow.
_BRANCH_WIDTH = 3.0
# What no swelling exceeds.
_WIDEST, _WIDEST_TWIG = 13.0, 5.0
_PATH_CELLS = (2, 4, 8, 16, 32, 64, 128)
_WIDTH_CELLS = (4, 12, 40)
_FADE_CELLS = (6, 20)
_FADE_SIZES = np.array([[[0.4, 0.7]]], "float32")


class Cracks(NamedTuple):
    """Cracks along curves, all `(batch, curves, length)`.

    Attributes:
        curves: Where they run.
        above: How far they reach to one side, in pixels.
        below: How far to the other.
        presence: How dark they are, 0 to 1, beside the crack's darkest place.
    """

    curves: Curves
    above: Any
    below: Any
    presence: Any


class Plan(NamedTuple):
    """What all curves of an image's crack have in common, `(batch, 1)` where not said otherwise.

    Attributes:
        width: Width of the main crack in pixels.
        wander: Standard deviations of the path's noises, `(batch, 1, octaves)`.
        broken: How much the crack fades in places, 0 to 1.
        network: 1 where many cracks cross, else 0.
    """

    width: Any
    wander: Any
    broken: Any
    network: Any


def draw_plan(draws: Draws, strength: float) -> Plan:
    """Draws what a crack is like as a whole. See `RandomCrack` for `strength`."""
    draws = draws.fork("plan")
    hairline = draws.chance(min(0.35 + 0.25 * strength, 0.9), (1,))
    finest = 2.0 / 4.0 ** min(strength, 1.0)
    thin = draws.log_uniform(finest, 3.0, (1,))
    wide = draws.log_uniform(1.5, 10.0, (1,))
    width = hairline * thin + (1.0 - hairline) * wide
    # As rough as broken concrete is at every scale (a Hurst exponent of 0.6 to 1.2).
    size = draws.log_uniform(2.0, 5.0 + 6.0 * strength, (1, 1))
    exponent = draws.uniform(0.6, 1.2, (1, 1))
    octaves = np.log(np.array(_PATH_CELLS, "float32") / 64.0)
    wander = size * keras.ops.exp(exponent * octaves)
    broken = draws.chance(0.25 + 0.2 * strength, (1,)) * draws.uniform(0.3, 1.2, (1,))
    # Wide cracks seldom close in between.
    broken = broken * keras.ops.minimum(1.0, 2.0 / width)
    network = draws.chance(0.05 * strength, (1,))
    wander = wander * (1.0 + keras.ops.expand_dims(network, 2))
    return Plan(width, wander, broken, network)


def draw_trunks(draws: Draws, length: int, plan: Plan, strength: float) -> Cracks:
    """Draws the main crack of each image, and on some a second one that runs beside or across."""
    draws = draws.fork("trunks")
    along = draws.chance(0.6)
    angles = draws.uniform(-math.pi / 4, math.pi / 4, (TRUNKS,))
    turned = draws.chance(0.5, (TRUNKS,))
    angle = keras.ops.stack(
        [angles[:, 0], along * (angles[:, 0] + 0.3 * angles[:, 1]) + (1 - along) * angles[:, 1]], 1
    )
    angle = keras.ops.clip(angle, -math.pi / 4, math.pi / 4)
    upright = keras.ops.stack(
        [turned[:, 0], along * turned[:, 0] + (1 - along) * turned[:, 1]], axis=1
    )
    middle = draws.uniform(0.03 * length, 0.97 * length, (2, TRUNKS))
    path = _path(draws, length, plan, TRUNKS)
    u = keras.ops.arange(length, dtype="float32")
    tangent = _column(keras.ops.tan(angle))
    centre = _column(middle[:, 0]) + tangent * (u - _column(middle[:, 1])) + path
    # Both ends, or one, or none lies in view.
    ends = draws.choice([0.62, 0.28, 0.1], (TRUNKS,))
    reach = draws.uniform(0.2 * length, 0.75 * length, (2, TRUNKS))
    open_first, open_second = (
        keras.ops.cast(ends < 2, "float32"),
        keras.ops.cast(ends < 1, "float32"),
    )
    first = u - _column(middle[:, 1]) + _column(reach[:, 0] + 1e4 * open_first)
    second = _column(middle[:, 1] + reach[:, 1] + 1e4 * open_second) - u
    taper = _taper(draws, first, TRUNKS, length) * _taper(draws, second, TRUNKS, length)
    widths = draws.uniform(0.25, 0.9, (1,))
    second_there = keras.ops.maximum(draws.chance(0.08 + 0.08 * strength, (1,)), plan.network)
    width = plan.width * keras.ops.concatenate(
        [keras.ops.ones_like(widths), keras.ops.maximum(widths, 0.4 / plan.width)], axis=1
    )
    there = keras.ops.concatenate([keras.ops.ones_like(widths), second_there], axis=1)
    return _cracks(draws, Curves(centre, _column(upright)), width * there, taper, plan, _WIDEST)


def draw_twigs(draws: Draws, length: int, plan: Plan, trunks: Cracks, strength: float) -> Cracks:
    """Draws branches that leave the main crack at 25 to 75 degrees, and the meshes of a network."""
    draws = draws.fork("twigs")
    u = keras.ops.arange(length, dtype="float32")
    centre, upright = trunks.curves.centre[:, 0], trunks.curves.upright[:, 0]
    # Where each branch leaves: a column of the main crack, and the main crack's v there.
    leaves = draws.uniform(0.05 * length, 0.95 * length, (TWIGS,))
    parent_v = _at(keras.ops.expand_dims(centre, 1), leaves)
    run = 0.15 * length
    ahead = _at(keras.ops.expand_dims(centre, 1), keras.ops.clip(leaves + run, 0, length - 1.0))
    behind = _at(keras.ops.expand_dims(centre, 1), keras.ops.clip(leaves - run, 0, length - 1.0))
    parent_angle = keras.ops.arctan((ahead - behind) / (2 * run))
    # In the image: the main crack's direction, one of both ways, and the turn off it.
    parent_angle = parent_angle + upright * (math.pi / 2 - 2.0 * parent_angle)
    side = 2.0 * draws.chance(0.5, (TWIGS,)) - 1.0
    # Most branches of one crack fork the same way, as it grew.
    way = draws.chance(0.5, (1,))
    way = keras.ops.abs(way - draws.chance(0.2, (TWIGS,)))
    turn = side * draws.uniform(math.radians(25), math.radians(75), (TWIGS,))
    free = plan.network * keras.ops.cast(np.arange(TWIGS) >= 2, "float32")
    angle = parent_angle + math.pi * way + turn
    angle = (1.0 - free) * angle + free * draws.uniform(0.0, 2 * math.pi, (TWIGS,))
    column = (1.0 - upright) * leaves + upright * parent_v
    row = (1.0 - upright) * parent_v + upright * leaves
    place = draws.uniform(0.0, float(length), (2, TWIGS))
    column = (1.0 - free) * column + free * place[:, 0]
    row = (1.0 - free) * row + free * place[:, 1]
    cos, sin = keras.ops.cos(angle), keras.ops.sin(angle)
    own_upright = keras.ops.cast(keras.ops.abs(sin) > keras.ops.abs(cos), "float32")
    own_u = (1.0 - own_upright) * column + own_upright * row
    own_v = (1.0 - own_upright) * row + own_upright * column
    along = (1.0 - own_upright) * cos + own_upright * sin
    across = (1.0 - own_upright) * sin + own_upright * cos
    path = _path(draws, length, plan, TWIGS)
    path = path - _column(_at(path, own_u))
    gone = u - _column(own_u)
    graph = _column(own_v) + _column(across / along) * gone + path
    reach = draws.log_uniform(0.12 * length, 0.8 * length, (TWIGS,)) + free * 2.0 * length
    forward = gone * _column(keras.ops.sign(along))
    left = _column(reach * keras.ops.abs(along)) - forward
    started = keras.ops.cast(keras.ops.maximum(forward + 0.5, 1e3 * _column(free)) > 0.0, "float32")
    taper = _taper(draws, left, TWIGS, length) * started
    count = draws.choice([0.42, 0.24, 0.16, 0.1, 0.08], (1,))
    number = keras.ops.arange(TWIGS, dtype="int32")
    there = keras.ops.cast(keras.ops.logical_and(count > number, number < BRANCHES), "float32")
    there = keras.ops.maximum(there, plan.network)
    width = plan.width * draws.uniform(0.3, 0.75, (TWIGS,))
    width = keras.ops.clip(width, 0.4, _BRANCH_WIDTH)
    return _cracks(
        draws, Curves(graph, _column(own_upright)), width * there, taper, plan, _WIDEST_TWIG
    )


def _path(draws: Draws, length: int, plan: Plan, count: int) -> Any:
    sizes = plan.wander * _shared(plan.width)
    return rough_functions(draws.fork("path"), length, _PATH_CELLS, sizes, count)


def _taper(draws: Draws, left: Any, count: int, length: int) -> Any:
    """How much of its width a crack has so far before its end: it closes like an ellipse."""
    run = draws.uniform(0.08 * length, 0.6 * length, (count,))
    return keras.ops.sqrt(keras.ops.clip(left / _column(run), 0.0, 1.0))


def _cracks(
    draws: Draws, curves: Curves, width: Any, taper: Any, plan: Plan, widest: float
) -> Cracks:
    """Gives curves their swelling widths, their rough edges and their fading stretches."""
    count, length = curves.centre.shape[1:]
    swelling = draws.uniform(0.1, 0.5, (count, 1)) * np.array([0.5, 0.7, 1.0], "float32")
    swell = rough_functions(draws.fork("swell"), length, _WIDTH_CELLS, swelling, count)
    waning = rough_functions(draws.fork("fade"), length, _FADE_CELLS, _FADE_SIZES, count)
    fade = keras.ops.clip(1.0 - _column(plan.broken) * (0.4 + waning), 0.0, 1.0)
    # Where it fades it closes too: gaps in a wide crack have pointed ends.
    half = 0.5 * _column(width) * taper * fade * keras.ops.exp(keras.ops.clip(swell, -1.6, 0.7))
    apart = plan.wander * (1.0 - _shared(plan.width))
    edges = rough_functions(
        draws.fork("edges"), length, _PATH_CELLS[:4], apart[:, :, :4], 2 * count
    )
    rough = keras.ops.minimum(half, 0.3 + 0.5 * half)
    edges = keras.ops.clip(edges, -1.0, 1.0) * keras.ops.concatenate([rough, rough], axis=1)
    above, below = half + edges[:, :count], half + edges[:, count:]
    limit = 0.5 * widest
    above, below = (keras.ops.clip(edge, 0.0, limit) for edge in (above, below))
    return Cracks(curves, above, below, keras.ops.clip(3.0 * fade * taper, 0.0, 1.0))


def _shared(width: Any) -> Any:
    """The share of each octave of roughness that both edges have in common, `(batch, 1, octaves)`.

    What is coarser than a crack is wide bends it whole; what is finer, each edge has for itself.
    """
    cells = keras.ops.convert_to_tensor(np.array(_PATH_CELLS, "float32"))
    return cells / (cells + 0.7 * keras.ops.expand_dims(width, 2))


def _column(values: Any) -> Any:
    return keras.ops.expand_dims(values, -1)


def _at(functions: Any, places: Any) -> Any:
    """The values of functions `(batch, curves or 1, length)` at places `(batch, curves)`."""
    u = keras.ops.arange(functions.shape[-1], dtype="float32")
    weights = keras.ops.relu(1.0 - keras.ops.abs(u - _column(places)))
    return keras.ops.sum(weights * functions, axis=-1)
