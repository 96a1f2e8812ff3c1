"""What belongs to a wall and is no crack: joints, grooves, voids, rust, and rough surfaces.

Each function returns a picture with the thing, and what of the wall is hidden by it: nothing here,
for a crack goes through all of them. Severity grows from 1 to 5 towards what looks like a crack.
"""

import cv2
import numpy as np

from crackdet.stress.drawing import (
    Field,
    Picture,
    averaged,
    between,
    blurred,
    covered,
    graded,
    grain,
    lit,
    moved,
    noise,
    read_at,
    stained,
    step,
    turned,
    turned_noise,
    unit,
)


def saw_grooves(picture: Picture, severity: int, rng: np.random.Generator) -> Picture:
    """Grooves that a pavement is given for grip: parallel, straight, evenly spaced."""
    shape, scale = picture.shape[:2], unit(picture.shape)
    _, across = turned(shape, _upright(rng))
    spacing = graded(severity, 62, 20) * rng.uniform(0.85, 1.2) * scale
    width = max(graded(severity, 4.5, 1.2) * rng.uniform(0.85, 1.15) * scale, 0.7)
    chipped = 0.12 * width * np.abs(noise(rng, shape, max(3 * scale, 1)))
    phase = rng.uniform(0, spacing)
    distance = np.abs((across + phase) % spacing - spacing / 2)
    groove = np.clip((width + chipped) / 2 + 0.5 - distance, 0, 1)
    groove = blurred(groove, rng.uniform(0.4, 0.7))
    depth = graded(severity, 0.5, 0.22) * rng.uniform(0.8, 1.2)
    dirt = np.clip(1 + 0.25 * noise(rng, shape, 20 * scale), 0.3, 1.5)
    lip = moved(groove, *rng.uniform(-1.2, 1.2, 2)) - groove
    return lit(picture, 1 - np.clip(depth * groove * dirt, 0, 0.9) + 0.1 * np.clip(lip, 0, 1))


def joints(picture: Picture, severity: int, rng: np.random.Generator) -> Picture:
    """What formwork leaves: straight joints with a fin or a shadow, boards of other tones."""
    shape, scale = picture.shape[:2], unit(picture.shape)
    along, across = turned(shape, _upright(rng, spread=0.06))
    boards = rng.random() < 0.6
    spacing = (between(rng, 26, 75) if boards else between(rng, 120, 400)) * scale
    place = (across + rng.uniform(-0.25, 0.25) * min(shape)) / spacing
    board = np.floor(place).astype(int)
    tones = rng.normal(0, 0.05, board.max() - board.min() + 1).astype(np.float32)
    tone = 1 + tones[board - board.min()]
    if boards:
        wood = turned_noise(rng, shape, max(2.2 * scale, 1), 28, 0.0, 0.0)
        wood = _along(wood, along, across)
        tone += rng.uniform(0.01, 0.05) * wood
    distance = np.abs(place - np.round(place)) * spacing
    line = _joint(distance, severity, rng)
    if rng.random() < 0.5:  # boards end, each at its own place
        ends = rng.uniform(-0.5, 0.5, len(tones))[board - board.min()] * min(shape)
        here = (rng.random(len(tones)) < 0.5)[board - board.min()]
        line = np.maximum(line, _joint(np.where(here, np.abs(along - ends), 1e3), severity, rng))
    depth = graded(severity, 0.55, 0.25) * rng.uniform(0.8, 1.25)
    fin = np.clip(moved(line, *rng.uniform(-2, 2, 2)) - line, 0, 1)
    leaked = np.exp(-distance / (7 * scale)) * np.clip(noise(rng, shape, 30 * scale), 0, 1)
    light = tone * (1 - depth * line) + rng.uniform(0, 0.22) * fin - 0.12 * leaked
    marked = lit(picture, light)
    return _tie_holes(marked, rng) if rng.random() < 0.3 else marked


def _joint(distance: Field, severity: int, rng: np.random.Generator) -> Field:
    """Returns a line where a distance is 0: its edges are worn, its width does not wander."""
    scale = unit(distance.shape)
    width = max(graded(severity, 4.0, 0.9) * rng.uniform(0.8, 1.2) * scale, 0.6)
    worn = 0.1 * width * noise(rng, distance.shape, max(3 * scale, 1))
    filled = np.clip(1 + 0.3 * noise(rng, distance.shape, 25 * scale), 0.2, 1.3)
    line = np.clip((width + worn) / 2 + 0.5 - distance, 0, 1) * filled
    return blurred(line.astype(np.float32), rng.uniform(0.4, 0.7))


def _along(field: Field, along: Field, across: Field) -> Field:
    """Returns a field that is laid along a direction: read at turned coordinates."""
    rows, columns = field.shape
    return read_at(field, along + columns / 2, across + rows / 2)


def _tie_holes(picture: Picture, rng: np.random.Generator) -> Picture:
    scale = unit(picture.shape)
    y, x = np.indices(picture.shape[:2], np.float32)
    for _ in range(rng.integers(1, 3)):
        row, column = rng.uniform(0.1, 0.9, 2) * picture.shape[:2]
        radius = rng.uniform(5, 11) * scale
        distance = np.hypot(x - column, y - row)
        inside = 1 - step(distance, radius, 1.5)
        shadow = np.clip(0.55 + 0.4 * (x - column + y - row) / (2 * radius), 0.25, 0.9)
        picture = covered(picture, lit(picture, shadow), inside)
    return picture


def honeycombing(picture: Picture, severity: int, rng: np.random.Generator) -> Picture:
    """Nests of stones with too little mortar between them: ragged dark voids, and pores about."""
    shape, scale = picture.shape[:2], unit(picture.shape)
    size = between(rng, 7, 13) * scale
    between_stones, tones = _stones(rng, shape, size)
    missing = 0.28 * noise(rng, shape, 0.8 * size) - rng.uniform(0.0, 0.12)
    voids = 1 - step(between_stones - missing, 0.0, 0.1)
    relief = np.sqrt(np.clip(between_stones, 0, 0.5))
    relief = relief - moved(relief, *rng.uniform(-1.5, 1.5, 2))
    nest = noise(rng, shape, 40 * scale) + 0.5 * noise(rng, shape, 10 * scale)
    nest = step(nest, 1.3 - 0.25 * severity, 0.9)
    light = (1 + 0.05 * tones + 0.3 * relief) * (1 - rng.uniform(0.5, 0.75) * voids)
    return pores(lit(picture, 1 + nest * (light - 1)), rng, count=graded(severity, 8, 60))


def pores(picture: Picture, rng: np.random.Generator, count: float) -> Picture:
    """Bubbles of air that the form held: round holes, a shadow above, light below."""
    shape, scale = picture.shape[:2], unit(picture.shape)
    fine = 4
    canvas = np.zeros((shape[0] * fine, shape[1] * fine), np.uint8)
    for _ in range(rng.poisson(count)):
        radius = min(0.7 * (1 - rng.random()) ** -0.6, 6) * scale * fine
        axes = (max(1, round(radius)), max(1, round(radius * rng.uniform(0.6, 1))))
        centre = (int(rng.integers(canvas.shape[1])), int(rng.integers(canvas.shape[0])))
        cv2.ellipse(canvas, centre, axes, rng.uniform(0, 180), 0, 360, 255, -1)
    holes = blurred(averaged(canvas, shape), 0.5)
    rim = np.clip(moved(holes, 0.8, 0.8) - holes, 0, 1)
    return lit(picture, 1 - rng.uniform(0.3, 0.6) * holes + 0.15 * rim)


def _stones(rng: np.random.Generator, shape: tuple[int, int], size: float) -> tuple[Field, Field]:
    """Returns stones: how deep in one each pixel lies, and a tone for each one in [-1, 1].

    Stones are the cells about points that are drawn at random (Worley 1996); the depth is the
    difference of the distances to the two nearest points, in sizes of a stone: 0 between stones.
    """
    rows, columns = (int(np.ceil(length / size)) + 3 for length in shape)
    jitter = rng.uniform(0.05, 0.95, (rows, columns, 2)).astype(np.float32)
    tones = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
    y, x = np.indices(shape, np.float32) / np.float32(size) + 1
    y, x = (each + 0.06 * noise(rng, shape, max(size / 3, 1.5)) for each in (y, x))
    first = np.full(shape, 9.0, np.float32)
    second, tone = first.copy(), np.zeros(shape, np.float32)
    row, column = np.floor(y).astype(int), np.floor(x).astype(int)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            i, j = np.clip(row + down, 0, rows - 1), np.clip(column + right, 0, columns - 1)
            distance = np.hypot(y - i - jitter[i, j, 0], x - j - jitter[i, j, 1])
            second = np.minimum(second, np.maximum(first, distance))
            tone = np.where(distance < first, tones[i, j], tone)
            first = np.minimum(first, distance)
    return second - first, tone


def rust(picture: Picture, severity: int, rng: np.random.Generator) -> Picture:
    """Rust of steel near the surface: blooms, and streaks that run down from them and fade."""
    shape, scale = picture.shape[:2], unit(picture.shape)
    thin = max(graded(severity, 11, 2.0) * scale, 1.2)
    sources = step(noise(rng, shape, thin), 2.3, 1.0) * step(noise(rng, shape, 35 * scale), 0.3, 2)
    bloom = np.clip(grain(rng, shape, [c * scale for c in (4, 8, 16, 32)], 0.6) - 1.0, 0, 1)
    run = _run_down(np.maximum(sources, 0.5 * bloom), fade=rng.uniform(0.975, 0.992))
    y, x = np.indices(shape)
    wander = x + 2.5 * scale * noise(rng, shape, 50 * scale)
    run = blurred(read_at(run, wander, np.asarray(y, np.float32)), 0.12 * thin)
    amount = np.clip(rng.uniform(0.6, 0.95) * run + rng.uniform(0.3, 0.8) * bloom, 0, 0.95)
    amount *= np.clip(
        1 + 0.15 * grain(rng, shape, [max(c * scale, 1) for c in (1, 3, 9)], 0.3), 0, 2
    )
    if shape[0] == shape[1]:  # whoever took the picture may have held the camera anyhow
        amount = np.rot90(amount, int(rng.integers(4)))
    tint = (rng.uniform(0.7, 0.85), rng.uniform(0.45, 0.58), rng.uniform(0.25, 0.4))
    return stained(picture, tint, np.ascontiguousarray(np.clip(amount, 0, 1)))


def _run_down(source: Field, fade: float) -> Field:
    """Returns what flows from above: each row holds its own and what is left of the row before."""
    run = source.copy()
    for row in range(1, len(run)):
        run[row] = np.maximum(run[row], fade * run[row - 1])
    return run


def rough_texture(picture: Picture, severity: int, rng: np.random.Generator) -> Picture:
    """A deck that was broomed, or whose stones lie bare: small-scale texture all over."""
    shape = picture.shape[:2]
    if rng.random() < 0.5:
        return lit(picture, broomed(rng, shape, strength=graded(severity, 0.05, 0.13)))
    return exposed(picture, rng, strength=graded(severity, 0.45, 1.0))


def broomed(rng: np.random.Generator, shape: tuple[int, int], strength: float) -> Field:
    """Returns the light on a surface that a broom was drawn over, mean 1."""
    scale = unit(shape)
    angle = rng.uniform(0, np.pi)
    cell = max(rng.uniform(1.1, 2.4) * scale, 1)
    ridges = turned_noise(rng, shape, cell, rng.uniform(12, 40), angle, rng.uniform(0, 4) * scale)
    grit = grain(rng, shape, [1.0, max(2 * scale, 1.2), max(4 * scale, 2)], 0.3)
    worn = np.clip(1 + 0.4 * noise(rng, shape, 45 * scale), 0.2, 1.8)
    return np.clip(1 + strength * (0.75 * ridges * worn + 0.75 * grit), 0.2, 1.8)


def exposed(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """Stones in the mortar that traffic or a jet of water has laid bare: each has its own tone."""
    shape, scale = picture.shape[:2], unit(picture.shape)
    depth, tones = _stones(rng, shape, max(between(rng, 5, 13) * scale, 3))
    bare = step(tones, rng.uniform(-0.4, 0.5), 0.05) * step(depth, 0.16, 0.12)
    height = blurred(np.sqrt(np.clip(depth, 0, 0.6)) * bare, 0.5)
    sand = grain(rng, shape, [1.0, max(1.8 * scale, 1), max(3.5 * scale, 1)], 0.2)
    relief = (height + 0.06 * sand) - moved(height + 0.06 * sand, *rng.uniform(-1.3, 1.3, 2))
    tone = np.sin(40 * tones)  # which stones stand out says nothing of how they look
    light = 1 + strength * (0.1 * bare * tone + 0.35 * relief + 0.04 * sand - 0.05 * (1 - bare))
    warm = np.array([1.06, 1.0, 0.93]) if rng.random() < 0.5 else np.array([0.96, 1.0, 1.03])
    return stained(lit(picture, np.clip(light, 0.3, 1.7)), warm, bare * np.abs(tone))


def _upright(rng: np.random.Generator, spread: float = 0.12) -> float:
    """Returns an angle near that of the picture's edges, seldom another."""
    if rng.random() < 0.2:
        return float(rng.uniform(0, np.pi))
    return float(rng.choice([0, np.pi / 2]) + rng.normal(0, spread))
