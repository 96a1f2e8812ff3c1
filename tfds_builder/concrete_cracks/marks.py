"""What lies on concrete: cracks, and the things that are taken for cracks.

Cracks are branching random walks. Stains, joints, form marks, scratches and shadows are the false
alarms of real inspections; without them a threshold on contrast would find the cracks.
"""

import numpy as np
import scipy.ndimage
import scipy.signal

from tfds_builder.concrete_cracks.surfaces import Surface, noise, ramp


def _path(rng: np.random.Generator, start: np.ndarray, heading: float, length: int) -> np.ndarray:
    """Returns the points of a crack's centre line, one pixel apart, as `(length, 2)` of (y, x).

    The heading is a random walk that is pulled back to the first direction: cracks wander, and
    turn sharply where they meet a stone, but keep their course over the long run.
    """
    kinks = rng.normal(0, 0.8, length) * (rng.random(length) < 0.06)
    turns = rng.normal(0, 0.15, length) + kinks
    headings = heading + scipy.signal.lfilter([1.0], [1.0, -0.93], turns)
    points = start + np.cumsum(np.stack([np.sin(headings), np.cos(headings)], axis=1), axis=0)
    return points + 0.7 * noise(rng, (length, 2), (5.0, 1.0)).astype(np.float64)


def _widths(rng: np.random.Generator, length: int, width: float, taper: bool) -> np.ndarray:
    """Returns the crack's width in pixels at each point: swelling and, at its tip, thinning."""
    swell = noise(rng, (1, length), (1.0, 25.0))[0] * 0.35
    swell += noise(rng, (1, length), (1.0, 6.0))[0] * 0.2
    widths = width * np.clip(1 + swell.astype(np.float64), 0.25, 2.2)
    if taper:
        widths *= np.sqrt(np.linspace(1, 0.02, length))
    return widths


def _crack_lines(
    rng: np.random.Generator, shape: tuple[int, int]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns (points, widths) of one crack and its branches."""
    rows, columns = shape
    width = float(np.exp(rng.uniform(np.log(1.3), np.log(11.0))))
    # The crack crosses the photo: it passes near the middle, in any direction.
    heading = rng.uniform(0, 2 * np.pi)
    middle = np.array([rows, columns]) * rng.uniform(0.3, 0.7, 2)
    length = int(1.3 * (rows + columns))
    back = np.array([np.sin(heading), np.cos(heading)]) * length / 2
    trunk = _path(rng, middle - back, heading, length)
    trunk += middle - trunk[length // 2]
    lines = [(trunk, _widths(rng, length, width, taper=False))]
    for _ in range(rng.poisson(2.2)):
        at = int(rng.integers(length // 4, 3 * length // 4))
        side = heading + rng.choice([-1, 1]) * rng.uniform(0.4, 1.2)
        reach = int(rng.uniform(0.15, 0.5) * columns)
        branch = _path(rng, trunk[at], side, reach)
        thickness = max(lines[0][1][at] * rng.uniform(0.3, 0.7), 0.9)
        lines.append((branch, _widths(rng, reach, thickness, taper=True)))
    return lines


def _stamp(coverage: np.ndarray, points: np.ndarray, widths: np.ndarray, grain: np.ndarray) -> None:
    """Draws a line of discs into `coverage` (in place), ragged by the surface's grain."""
    rows, columns = coverage.shape
    reach = int(widths.max() / 2 + 2.5)
    inside = np.all((points > -reach) & (points < np.array([rows, columns]) + reach), axis=1)
    points, widths = points[inside], widths[inside]
    if not len(points):
        return
    offsets = np.arange(-reach, reach + 1)
    y = np.floor(points[:, 0]).astype(np.int64)[:, None, None] + offsets[None, :, None]
    x = np.floor(points[:, 1]).astype(np.int64)[:, None, None] + offsets[None, None, :]
    dy, dx = y - points[:, 0, None, None], x - points[:, 1, None, None]
    y, x = np.broadcast_arrays(y, x)
    visible = (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
    y, x, distance = y[visible], x[visible], np.sqrt(dy * dy + dx * dx)[visible]
    radius = np.broadcast_to((widths / 2)[:, None, None], visible.shape)[visible]
    ragged = distance + np.minimum(0.35, 0.2 * radius) * grain[y, x]
    # A line thinner than a pixel covers its pixels partly.
    values = np.clip(radius + 0.5 - ragged, 0, 1) * np.minimum(1, 2 * radius)
    np.maximum.at(coverage, (y, x), values.astype(np.float32))


def add_crack(rng: np.random.Generator, surface: Surface) -> np.ndarray:
    """Cuts a branching crack into a surface (in place).

    Returns:
        The share of each pixel that lies in the crack, float32 `(H, W)` in 0 to 1.
    """
    shape = surface.grain.shape
    coverage = np.zeros(shape, np.float32)
    lines = _crack_lines(rng, shape)
    for points, widths in lines:
        _stamp(coverage, points, widths, surface.grain)
    width = float(np.median(lines[0][1]))
    # Hairline cracks are pale: dust fills them and the lens blurs them. Wide ones are black.
    darkness = np.float32(min(0.15 + 0.17 * width * rng.uniform(0.6, 1.6), 0.88))
    debris = np.float32(0.35) * ramp(noise(rng, shape, 7.0), 0.0, 2.0)
    surface.reflectance *= (1 - darkness * coverage * (1 - debris))[..., None]
    surface.height -= np.float32(min(0.8 * width, 4.0)) * coverage
    if width > 2.5:
        # One lip has spalled here and there and shows the pale inside of the concrete.
        shift = rng.integers(1, max(2, int(0.5 * width)) + 1) * rng.choice([-1, 1], 2)
        rim = np.clip(scipy.ndimage.shift(coverage, shift, order=0) - coverage, 0, 1)
        rim *= ramp(noise(rng, shape, 12.0), -0.4, 1.0)
        surface.reflectance *= (1 + np.float32(rng.uniform(0.05, 0.4)) * rim)[..., None]
    return coverage


def add_stains(rng: np.random.Generator, surface: Surface) -> None:
    """Paints damp, rust or lime patches and runs of dirt over a surface (in place)."""
    shape = surface.grain.shape
    kind = rng.integers(4)
    colour = np.array(
        [[0.62, 0.64, 0.66], [0.86, 0.68, 0.5], [1.22, 1.22, 1.2], [0.6, 0.62, 0.55]], np.float32
    )[kind]
    if rng.random() < 0.5:  # Runs: narrow across, long in the direction of flow.
        cell = (rng.uniform(70, 160), rng.uniform(7, 22))
        field = noise(rng, shape, cell if rng.random() < 0.7 else cell[::-1])
    else:
        field = noise(rng, shape, rng.uniform(30, 90))
    field = field + np.float32(0.3) * noise(rng, shape, 9.0) + np.float32(0.1) * surface.grain
    edge = rng.uniform(-0.2, 0.9)
    patch = ramp(field, edge, edge + rng.uniform(0.5, 2.0)) * np.float32(rng.uniform(0.25, 0.8))
    surface.reflectance *= 1 + patch[..., None] * (colour - 1)


def _line_distance(
    rng: np.random.Generator, shape: tuple[int, int], upright: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the distance across and the position along a random straight line, in pixels."""
    angle = rng.normal(0, 0.06) + (0 if upright else rng.uniform(0, np.pi))
    angle += np.pi / 2 * rng.integers(2)
    normal = np.array([np.sin(angle), np.cos(angle)], np.float32)
    y = np.arange(shape[0], dtype=np.float32)[:, None] - np.float32(
        shape[0] * rng.uniform(0.2, 0.8)
    )
    x = np.arange(shape[1], dtype=np.float32)[None] - np.float32(shape[1] * rng.uniform(0.2, 0.8))
    return normal[0] * y + normal[1] * x, normal[1] * y - normal[0] * x


def add_joint(rng: np.random.Generator, surface: Surface) -> None:
    """Cuts a straight joint of even width between two slabs (in place)."""
    across, _ = _line_distance(rng, surface.grain.shape, upright=True)
    half = rng.uniform(1.2, 7.0)
    groove = 1 - ramp(np.abs(across) + np.float32(0.3) * surface.grain, half, half + 1.5)
    surface.height -= np.float32(rng.uniform(1, 4)) * groove
    surface.reflectance *= (1 - np.float32(rng.uniform(0.2, 0.75)) * groove)[..., None]
    # The two slabs were cast on different days.
    surface.reflectance *= (1 + np.float32(rng.normal(0, 0.05)) * (across > 0))[..., None]


def add_form_marks(rng: np.random.Generator, surface: Surface) -> None:
    """Prints the boards of the formwork: parallel bands with fine ridges between (in place)."""
    across, _ = _line_distance(rng, surface.grain.shape, upright=True)
    pitch = rng.uniform(45, 120)
    board = np.floor(across / np.float32(pitch)).astype(np.int64)
    tones = rng.normal(0, 0.04, board.max() - board.min() + 1).astype(np.float32)
    surface.reflectance *= (1 + tones[board - board.min()])[..., None]
    to_edge = np.abs(across - np.float32(pitch) * np.rint(across / np.float32(pitch)))
    ridge = 1 - ramp(to_edge + np.float32(0.3) * surface.grain, 0.6, 2.4)
    surface.height += np.float32(rng.uniform(0.5, 3)) * ridge
    surface.reflectance *= (1 - np.float32(rng.uniform(0, 0.25)) * ridge)[..., None]


def add_scratches(rng: np.random.Generator, surface: Surface) -> None:
    """Draws a few pale straight scratches (in place)."""
    for _ in range(rng.integers(1, 4)):
        across, along = _line_distance(rng, surface.grain.shape, upright=False)
        half = rng.uniform(0.3, 1.0)
        line = 1 - ramp(np.abs(across) + np.float32(0.2) * surface.grain, half, half + 1.0)
        line = line * (np.abs(along) < rng.uniform(30, 160))
        surface.reflectance *= (1 + np.float32(rng.uniform(0.06, 0.3)) * line)[..., None]


def cast_shadow(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Returns the share of light, float32 `(H, W)` in 0 to 1, beside an edge or under a pole."""
    across, _ = _line_distance(rng, shape, upright=False)
    across = across + np.float32(rng.uniform(0, 8)) * noise(rng, shape, rng.uniform(40, 90))
    softness = float(np.exp(rng.uniform(np.log(1.5), np.log(30))))
    shade = ramp(across, 0, softness)
    if rng.random() < 0.4:
        width = rng.uniform(10, 60)
        shade = shade * (1 - ramp(across, width, width + softness))
    return 1 - np.float32(rng.uniform(0.15, 0.55)) * shade
