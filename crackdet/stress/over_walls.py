"""What lies over a wall and is no crack: twigs, writing, paint, rails and pipes.

Each function returns a picture with the thing, and a field that is 1 where it hides the wall and a
crack in it. Severity grows from 1 to 5 towards what looks like a crack.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from crackdet.stress.drawing import (
    Field,
    Line,
    Picture,
    averaged,
    between,
    blurred,
    coverage,
    covered,
    graded,
    lit,
    moved,
    noise,
    polygons,
    read_at,
    resized,
    step,
    turned,
    unit,
)

_LETTERS = list("ABCDEFHKLMNPRSTXZ0123456789")
_FONTS = (0, 1, 2, 3, 4, 5, 6, 7)  # cv2's, of lines


def twigs(picture: Picture, severity: int, rng: np.random.Generator) -> tuple[Picture, Field]:
    """Twigs and blades with leaves, and their shadows beside them."""
    shape, scale = picture.shape[:2], unit(picture.shape)
    width = graded(severity, 7, 1.3) * scale
    stems: list[Line] = []
    leaves: list[NDArray[np.float64]] = []
    for _ in range(1 + rng.poisson(graded(severity, 0.4, 1.6))):
        stem = _stem(rng, shape, width * rng.uniform(0.7, 1.2))
        stems += stem
        for points, _ in stem:
            leaves += _leaves(rng, points, scale)
    wood, green = coverage(shape, stems), polygons(shape, leaves)
    sun = rng.uniform(-1, 1, 2) * graded(severity, 9, 3) * scale
    shadow = blurred(moved(np.maximum(wood, green), *sun), rng.uniform(0.6, 2.2) * scale + 0.2)
    shaded = lit(picture, 1 - rng.uniform(0.25, 0.5) * shadow)
    bark = np.array([rng.uniform(60, 120)] * 3) * [1.0, rng.uniform(0.8, 0.95), 0.65]
    rounded = 1 + 0.5 * (blurred(wood, 1.2) - blurred(moved(wood, 1, 1), 1.2))
    wooden = covered(shaded, lit(np.ones_like(picture) * bark.astype(np.float32), rounded), wood)
    dry = rng.random() < 0.5
    leaf = np.array([130, 95, 50] if dry else [70, 105, 45]) * rng.uniform(0.75, 1.3)
    veined = lit(np.ones_like(picture) * leaf.astype(np.float32), 1 + 0.12 * noise(rng, shape, 4))
    return covered(wooden, veined, green), np.maximum(wood, green)


def _stem(rng: np.random.Generator, shape: tuple[int, int], width: float) -> list[Line]:
    """Returns a twig with its side twigs: smooth bows that get thinner to their ends."""
    side = min(shape)
    length = rng.uniform(0.6, 1.3) * side
    points = _bow(rng, rng.uniform(0, 2 * np.pi), length)
    points += rng.uniform(0.2, 0.8, 2) * (shape[1], shape[0]) - points[len(points) // 2]
    lines = [(points, np.linspace(width, 0.45 * width, len(points)))]
    for at in rng.integers(6, len(points) - 3, rng.poisson(2.2)):
        heading = np.arctan2(*(points[at + 2] - points[at])[::-1])
        away = heading + rng.choice([-1, 1]) * rng.uniform(0.5, 0.9)
        branch = _bow(rng, away, length * rng.uniform(0.12, 0.4)) + points[at]
        lines.append((branch, np.linspace(0.6 * width, 0.3 * width, len(branch))))
    return lines


def _bow(rng: np.random.Generator, heading: float, length: float) -> NDArray[np.float64]:
    angles = heading + np.cumsum(rng.normal(0, 0.015, 40)) + np.linspace(0, rng.normal(0, 0.5), 40)
    return np.cumsum(np.stack([np.cos(angles), np.sin(angles)], 1) * length / 40, 0)


def _leaves(
    rng: np.random.Generator, points: NDArray[np.float64], scale: float
) -> list[NDArray[np.float64]]:
    outlines = []
    turn = np.linspace(0, 2 * np.pi, 24)
    for at in rng.integers(5, len(points), rng.poisson(1.6)):
        long, wide = rng.uniform(11, 26) * scale, rng.uniform(0.17, 0.28)
        angle = rng.uniform(0, 2 * np.pi)
        x = long * (0.5 - 0.5 * np.cos(turn))
        y = long * wide * np.sin(turn) * np.abs(np.sin(turn)) ** 0.5  # pointed at both ends
        cos, sin = np.cos(angle), np.sin(angle)
        outlines.append(points[at] + np.stack([x * cos - y * sin, x * sin + y * cos], 1))
    return outlines


def writing(picture: Picture, severity: int, rng: np.random.Generator) -> tuple[Picture, Field]:
    """Marks of chalk, spray and pencil: letters, numbers, arrows, measuring lines."""
    shape, scale = picture.shape[:2], unit(picture.shape)
    width = max(graded(severity, 8, 1.1) * scale, 0.8)
    marks = _marks(rng, shape, width, size=graded(severity, 2.4, 0.9))
    rough = noise(rng, shape, max(1.6 * scale, 1)) + 0.6 * noise(rng, shape, 5 * scale)
    if severity <= 2 and rng.random() < 0.5:  # a can of spray: soft edges, no grain
        amount = np.clip(1.25 * blurred(marks, 0.35 * width), 0, 1)
        colour = [(225, 90, 40), (40, 110, 190), (210, 40, 50), (235, 235, 230), (25, 25, 28)]
        ink = np.array(colour[rng.integers(len(colour))])
    else:  # chalk and pencil stay on what stands out
        pressed = rng.uniform(0.1, 0.7)
        amount = blurred(marks, 0.4) * np.clip(0.5 * rough + 0.5 + pressed, 0, 1)
        colour = [(235, 232, 225), (90, 130, 190), (190, 80, 70), (70, 70, 75), (70, 70, 75)]
        ink = np.array(colour[rng.integers(len(colour)) if severity < 4 else rng.integers(1, 5)])
    amount *= rng.uniform(0.55, 0.9)
    return covered(picture, ink, amount), 0.5 * amount


def _marks(rng: np.random.Generator, shape: tuple[int, int], width: float, size: float) -> Field:
    fine, scale = 4, unit(shape)
    canvas = np.zeros((shape[0] * fine, shape[1] * fine), np.uint8)
    thickness = max(1, round(width * fine))
    for _ in range(rng.integers(1, 4)):
        text = "".join(rng.choice(_LETTERS, rng.integers(1, 6)))
        place = rng.uniform((0.0, 0.2), (0.6, 0.95)) * canvas.shape[::-1]
        font = int(_FONTS[rng.integers(len(_FONTS))])
        large = size * scale * fine * rng.uniform(0.6, 1.3)
        where = (int(place[0]), int(place[1]))
        cv2.putText(canvas, text, where, font, large, 255, thickness, cv2.LINE_8)
    for _ in range(rng.integers(1, 4)):
        start = rng.uniform(0, 1, 2) * canvas.shape[::-1]
        end = start + rng.normal(0, 0.35, 2) * canvas.shape[::-1]
        first, last = ((int(x), int(y)) for x, y in (start, end))
        if rng.random() < 0.5:
            cv2.arrowedLine(canvas, first, last, 255, thickness, cv2.LINE_8, 0, 0.2)
        else:
            cv2.line(canvas, first, last, 255, thickness)
    tilt = cv2.getRotationMatrix2D((canvas.shape[1] / 2, canvas.shape[0] / 2), rng.normal(0, 14), 1)
    bend = [scale * fine * 1.5 * noise(rng, shape, 30 * scale) for _ in range(2)]
    y, x = np.indices(canvas.shape, np.float32)
    bent = [resized(each, canvas.shape, cv2.INTER_LINEAR) for each in bend]  # a hand is not steady
    tilted = np.asarray(cv2.warpAffine(canvas, tilt, canvas.shape[::-1]))
    return averaged(read_at(tilted, x + bent[0], y + bent[1]), shape)


def paint_edges(picture: Picture, severity: int, rng: np.random.Generator) -> tuple[Picture, Field]:
    """Paint that ends at a masked edge, or has come off in flakes with a shadow at their rim."""
    shape, scale = picture.shape[:2], unit(picture.shape)
    colours = [(238, 236, 228), (240, 205, 70), (150, 165, 175), (120, 150, 120), (95, 95, 98)]
    colour = np.array(colours[rng.integers(len(colours))])
    _, across = turned(shape, rng.uniform(0, np.pi))
    wobble = noise(rng, shape, 20 * scale) + 0.4 * noise(rng, shape, 5 * scale)
    edge = np.asarray(across + graded(severity, 0.6, 5) * scale * wobble, np.float32)
    paint = step(edge, rng.uniform(-0.25, 0.25) * min(shape), 1.3)
    if rng.random() < 0.4:  # a stripe
        paint *= 1 - step(edge, rng.uniform(0.3, 0.5) * min(shape), 1.3)
    flaking = noise(rng, shape, 18 * scale) + 0.5 * noise(rng, shape, 5 * scale)
    flakes = step(flaking, graded(severity, 2.2, 0.75), 0.12)
    paint = paint * (1 - flakes)
    rim = np.clip(moved(paint, *rng.uniform(-1.5, 1.5, 2)) - paint, 0, 1)
    light = 1 - graded(severity, 0.15, 0.4) * blurred(rim, 0.5)
    thin = rng.uniform(0.55, 0.9)
    relief = picture / max(float(picture.mean()), 1.0)
    painted = covered(picture, colour * np.clip(relief, 0.3, 1.4), thin * paint)
    return lit(painted, light), 0.35 * paint


def rails_and_pipes(
    picture: Picture, severity: int, rng: np.random.Generator
) -> tuple[Picture, Field]:
    """Pipes, rails, bars and cables before the wall, shaded round, and the shadow they cast."""
    shape, scale = picture.shape[:2], unit(picture.shape)
    hidden = np.zeros(shape, np.float32)
    main = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.15)
    bow = float(graded(severity, 0.01, 3)) * scale * noise(rng, shape, 110 * scale)  # cables hang
    for _ in range(rng.integers(1, 3 if severity < 4 else 4)):
        crossing = np.pi / 2 if rng.random() < 0.2 else 0
        _, across = turned(shape, main + crossing + rng.normal(0, 0.03))
        radius = max(graded(severity, 17, 1.1) * between(rng, 0.7, 1.4) * scale, 0.6)
        place = np.asarray(across + bow - rng.uniform(-0.4, 0.4) * min(shape), np.float32)
        beside = rng.choice([-1, 1]) * radius * rng.uniform(0.5, 2.2)
        soft = rng.uniform(1, 3) * scale + 0.15 * radius
        cast = 1 - step(np.abs(place - beside), radius, soft)
        picture = lit(picture, 1 - rng.uniform(0.25, 0.5) * cast * (1 - hidden))
        bar = 1 - step(np.abs(place), radius, 1.0)
        picture = covered(picture, _metal(rng, place / radius), bar)
        hidden = np.maximum(hidden, bar)
    return picture, hidden


def _metal(rng: np.random.Generator, place: Field) -> Picture:
    """Returns a round bar's colours: light on one side, dark to its edges, a little weathered."""
    colours = [(150, 152, 155), (105, 80, 65), (60, 62, 66), (190, 190, 186), (85, 105, 95)]
    colour = np.array(colours[rng.integers(len(colours))], np.float32)
    side = rng.uniform(-0.5, 0.5)
    light = 0.6 + 0.6 * np.sqrt(np.clip(1 - (np.clip(place, -1, 1) - side) ** 2 / 2.3, 0, 1))
    weathered = 1 + 0.03 * noise(rng, place.shape, max(2.5 * unit(place.shape), 1))
    return (light * weathered)[..., None] * colour
