"""Distractors along a line: joints, boards, edges of shadows, wires, scratches.

A line is the graph of a cubic over one axis of the image, so that its signed distance is a matrix
product of two columns; how it looks across is looked up in a table over that distance, one for
each image. All that differs from family to family is in that table.
"""

import dataclasses
from typing import Any

import keras

from crackdet.layers.painting.distractors.marks import Mark, Noises, by_image
from crackdet.layers.painting.distractors.ranges import Look, Range
from crackdet.layers.painting.draws import Draws
from crackdet.layers.painting.noise import smooth_noise_1d

# Entries of a table a pixel: finer than any wall's texture would show.
_RESOLUTION = 6
# Parallel lines and the stripes between them have tones that come back after so many.
_REPEATS, _STRIPES = 32, 512
# The largest value of x - x^3 is 1 / _CUBIC.
_CUBIC = 2.6
# The share of the image over which a line with ends fades out.
_END = 0.12

ANY_ANGLE: Range = (-0.78, 0.78)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lines(Look):
    """Straight or gently bent lines. Lengths in pixels unless said otherwise.

    Attributes:
        turn: Angle to the nearest axis of the image, in radians.
        place: Where the line crosses the image, in image heights from its centre.
        bend: How far its middle lies beside the chord, in image heights.
        wave: The same of an S.
        width: Width of the line.
        soft: Width of the blur of its edges.
        twin: Tone of a second line beside it, as a multiple of `tone`: a lit lip, a cast shadow.
        twin_gap: Distance from the line's edge to the middle of the second; its sign is the side.
        twin_soft: Blur of the second line's edges.
        step: Tone of the side beyond the line.
        step_soft: Width of that step.
        step_cover: How much of the texture beyond the line is hidden; below 0 it is stronger.
        bleed: Tone of a stain that begins at the line and fades beyond it.
        reach: How far the stain reaches.
        count: Number of parallel lines.
        spacing: Their distance.
        uneven: How unequal these lines are in tone and distance: 0 to 1.
        boards: Standard deviation of the tones between parallel lines.
        grain: Standard deviation of stripes along the line.
        grain_width: Width of those stripes.
        rough: How far the edges stray from the line, as a share of its width.
        fade: How much it varies along its course.
        patchy: How much it varies in patches.
        inside: Share of the image's width that the line lacks where it ends inside.
        partner: Probability that a second such line crosses it at a right angle.
    """

    turn: Range = (-0.1, 0.1)
    place: Range = (-0.42, 0.42)
    bend: Range = (0.0, 0.0)
    wave: Range = (0.0, 0.0)
    width: Range = (1.0, 1.0)
    soft: Range = (1.0, 1.0)
    twin: Range = (0.0, 0.0)
    twin_gap: Range = (1.0, 1.0)
    twin_soft: Range = (1.0, 1.0)
    step: Range = (0.0, 0.0)
    step_soft: Range = (1.0, 1.0)
    step_cover: Range = (0.0, 0.0)
    bleed: Range = (0.0, 0.0)
    reach: Range = (1.0, 1.0)
    count: Range = (1.0, 1.0)
    spacing: Range = (100.0, 100.0)
    uneven: Range = (0.0, 0.0)
    boards: Range = (0.0, 0.0)
    grain: Range = (0.0, 0.0)
    grain_width: Range = (2.0, 2.0)
    rough: Range = (0.0, 0.0)
    fade: Range = (0.0, 0.0)
    patchy: Range = (0.0, 0.0)
    inside: Range = (0.0, 0.0)
    partner: Range = (0.0, 0.0)


def draw_lines(draws: Draws, line: dict[str, Any], noises: Noises) -> Mark:
    """Draws one line, or one set of parallel ones, on each image.

    Args:
        draws: The stream to draw from.
        line: The parameters of each image, `(batch, 1)` each. See `Lines`.
        noises: The noise fields of each image.
    """
    size = noises.size
    fields = by_image(line)
    upright = keras.ops.cast(line["upright"] > 0.5, "float32")
    across = _distance(line, upright, size) + fields["rough"] * fields["width"] * noises.fine
    # What lies beyond an end of the table looks like that end.
    entries = 2 * max(size) * _RESOLUTION
    index = keras.ops.clip(across * _RESOLUTION + entries / 2, 0.0, entries - 1.0)
    first = entries * keras.ops.arange(keras.ops.shape(index)[0], dtype="int32")
    index = keras.ops.cast(index, "int32") + keras.ops.reshape(first, (-1, 1, 1))
    places = _centred(entries) / _RESOLUTION
    table = keras.ops.stack(_profile(draws.fork("profile"), line, places), -1)
    looked_up = keras.ops.take(keras.ops.reshape(table, (-1, 2)), index, axis=0)
    along = _along(draws.fork("along"), line, upright, size) + fields["patchy"] * noises.patchy
    return Mark(looked_up[..., 0] * keras.ops.relu(along), looked_up[..., 1])


def _distance(line: dict[str, Any], upright: Any, size: tuple[int, int]) -> Any:
    """The signed distance to the line in pixels, `(batch, height, width)`.

    With t along the axis and s across, the line is s = p(t), and the distance is
    (s - p(t)) / sqrt(1 + p'(t)^2): exact where the line is straight, close where it is bent. It is
    the product of (s, 1) with what depends on t alone, of rows and columns or the other way round.
    """
    height, width = size
    level = (_places(height, line), _graph(width, line, height))
    steep = (_graph(height, line, width), _places(width, line))
    upright = keras.ops.expand_dims(upright, -1)
    rows, columns = (one + upright * (other - one) for one, other in zip(level, steep, strict=True))
    return keras.ops.matmul(rows, keras.ops.swapaxes(columns, 1, 2))


def _centred(length: int) -> Any:
    """The places of pixels along an axis, `(1, length)`, 0 in its middle."""
    places = keras.ops.arange(length, dtype="float32") - (length - 1) / 2
    return keras.ops.expand_dims(places, 0)


def _places(length: int, line: dict[str, Any]) -> Any:
    """The pixels across the line and ones, `(batch, length, 2)`."""
    places = _centred(length) + keras.ops.zeros_like(line["turn"])
    return keras.ops.stack([places, keras.ops.ones_like(places)], -1)


def _graph(length: int, line: dict[str, Any], scale: int) -> Any:
    """1 / sqrt(1 + p'^2) and -p times that at the pixels along the line, `(batch, length, 2)`."""
    t = _centred(length)
    x = t * (2 / length)
    slope = keras.ops.tan(line["turn"])
    bend, wave = scale * line["bend"], scale * line["wave"] * _CUBIC
    path = scale * line["place"] + slope * t + bend * (1 - x * x) + wave * (x - x**3)
    derivative = slope + (2 / length) * (wave * (1 - 3 * x * x) - 2 * bend * x)
    cosine = keras.ops.rsqrt(1 + derivative * derivative)
    return keras.ops.stack([cosine, -path * cosine], -1)


def _along(draws: Draws, line: dict[str, Any], upright: Any, size: tuple[int, int]) -> Any:
    """How strong the line is along its course, `(batch, height, width)`."""
    length = max(size)
    waves = length / draws.uniform(2.0, 8.0)
    noise = smooth_noise_1d(draws, 1, length, waves, length / 8.0)[:, 0]
    x = _centred(length) / length
    # Where a line ends inside, its middle lies anywhere that leaves both ends inside or one out.
    half = (1.0 - line["inside"]) / 2
    middle = line["inside"] * draws.uniform(-0.7, 0.7, (1,))
    ends = keras.ops.clip((half - keras.ops.abs(x - middle)) / _END + 0.5, 0.0, 1.0)
    ends = keras.ops.where(line["inside"] > 0.0, ends, 1.0)
    strength = ends * keras.ops.clip(1.0 + line["fade"] * noise, 0.0, 2.0)
    rows = 1.0 + upright * (strength[:, : size[0]] - 1.0)
    columns = 1.0 + (1.0 - upright) * (strength[:, : size[1]] - 1.0)
    return keras.ops.expand_dims(rows, 2) * keras.ops.expand_dims(columns, 1)


def _profile(draws: Draws, line: dict[str, Any], places: Any) -> tuple[Any, Any]:
    """The tone and the cover at signed distances from the line, `(batch, entries)` each."""
    number = keras.ops.round(places / line["spacing"])
    number = keras.ops.clip(number, 0.0, keras.ops.floor(line["count"]) - 1.0)
    shift, shade = _repeats(draws, line, number)
    near = places - line["spacing"] * (number + shift)
    core = _bar(near, line["width"], line["soft"])
    gap = line["twin_gap"] + keras.ops.sign(line["twin_gap"]) * line["width"] / 2
    twin = _bar(near - gap, line["width"], line["twin_soft"]) * (1.0 - core)
    step = keras.ops.clip(places / line["step_soft"] + 0.5, 0.0, 1.0)
    ramp = keras.ops.clip(near / line["soft"] + 0.5, 0.0, 1.0)
    bleed = ramp * keras.ops.exp(-keras.ops.relu(near) / line["reach"])
    tones = (
        shade * (line["tone"] * (core + line["twin"] * twin) + line["bleed"] * bleed)
        + line["step"] * step
        + line["boards"] * _boards(draws, line, places)
        + line["grain"] * _grain(draws, places / line["grain_width"])
    )
    return tones, line["cover"] * core + line["step_cover"] * step


def _bar(distance: Any, width: Any, soft: Any) -> Any:
    """Coverage of a bar with blurred edges; where it is narrower than its blur, never full."""
    edge = keras.ops.clip((width / 2 - keras.ops.abs(distance)) / soft + 0.5, 0.0, 1.0)
    return keras.ops.minimum(edge, width / soft)


def _repeats(draws: Draws, line: dict[str, Any], number: Any) -> tuple[Any, Any]:
    """The shift of each parallel line, as a share of the spacing, and the factor of its tone."""
    index = keras.ops.cast(number, "int32") % _REPEATS
    shift = draws.uniform(-0.4, 0.4, (_REPEATS,)) * line["uneven"]
    shade = 1.0 - draws.uniform(0.0, 1.0, (_REPEATS,)) * line["uneven"]
    return tuple(keras.ops.take_along_axis(values, index, axis=1) for values in (shift, shade))


def _boards(draws: Draws, line: dict[str, Any], places: Any) -> Any:
    """A tone for each gap between parallel lines, of variance 1."""
    index = keras.ops.cast(keras.ops.floor(places / line["spacing"]), "int32") % _REPEATS
    return keras.ops.take_along_axis(draws.normal((_REPEATS,)), index, axis=1)


def _grain(draws: Draws, places: Any) -> Any:
    """Stripes one unit wide, and others four times wider, of variance about 1."""
    return 0.8 * _stripes(draws, places) + 0.6 * _stripes(draws, places / 4.0)


def _stripes(draws: Draws, places: Any) -> Any:
    values = draws.normal((_STRIPES,))
    floor = keras.ops.floor(places)
    index = keras.ops.cast(floor, "int32")
    low, high = (
        keras.ops.take_along_axis(values, one % _STRIPES, axis=1) for one in (index, index + 1)
    )
    return low + (places - floor) * (high - low)
