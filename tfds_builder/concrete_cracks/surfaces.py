"""Sound concrete, made from noise: a height map, a reflectance map and the light on them.

Whole pictures are computed with additions, products, square roots and comparisons only, which
IEEE arithmetic rounds in one way: a seed gives the same bytes on every machine, whatever vector
instructions NumPy picks there. (exp, sin, cos and long sums may differ in their last bit.)
"""

import dataclasses
import functools

import numpy as np

# Colours of concrete, chosen by eye: cold to warm grey, beige, olive, dark and pale (sRGB levels of
# the evenly lit surface).
_PALETTE = np.array(
    [
        [168, 168, 168],
        [150, 154, 158],
        [186, 179, 170],
        [196, 184, 162],
        [158, 156, 138],
        [104, 103, 99],
        [206, 206, 202],
    ],
    np.float32,
)


@dataclasses.dataclass
class Surface:
    """One piece of wall before light falls on it.

    Attributes:
        height: Height above the mean plane in pixels, float32 of shape `(H, W)`.
        reflectance: Colour in sRGB levels (0 to 255), float32 of shape `(H, W, 3)`.
        grain: Noise of two pixels' scale, float32 of shape `(H, W)`, mean 0 and deviation near 1;
            ragged edges are cut with it.
    """

    height: np.ndarray
    reflectance: np.ndarray
    grain: np.ndarray


@functools.lru_cache(maxsize=256)
def _spline_taps(length: int, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns indices and weights of the 4 knots of a cubic B-spline at each of `length` points."""
    at = np.arange(length, dtype=np.float64) / cell
    knot = np.floor(at).astype(np.int64)
    t = at - knot
    weights = np.stack(
        [
            (1 - t) ** 3,
            3 * t**3 - 6 * t**2 + 4,
            -3 * t**3 + 3 * t**2 + 3 * t + 1,
            t**3,
        ]
    )
    return knot + np.arange(4)[:, None], (weights / 6).astype(np.float32)


def noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: float | tuple[float, float]
) -> np.ndarray:
    """Returns smooth Gaussian noise, mean 0 and deviation near 1.

    Args:
        rng: Source of the random knots.
        shape: Height and width.
        cell: Distance of the knots in pixels, or one for each axis: the scale of the structures.
    """
    cell_y, cell_x = cell if isinstance(cell, tuple) else (cell, cell)
    (rows, row_weights), (columns, column_weights) = (
        _spline_taps(shape[0], cell_y),
        _spline_taps(shape[1], cell_x),
    )
    knots = rng.standard_normal((rows.max() + 1, columns.max() + 1), dtype=np.float32)
    wide = np.zeros((knots.shape[0], shape[1]), np.float32)
    for taps, weights in zip(columns, column_weights, strict=True):
        wide += knots[:, taps] * weights
    out = np.zeros(shape, np.float32)
    for taps, weights in zip(rows, row_weights, strict=True):
        out += wide[taps] * weights[:, None]
    # The spline averages its knots: the mean over t of the sum of squared weights is 0.479 an axis.
    out *= np.float32(1 / 0.479)
    return out


def ramp(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Returns 0 below `low`, 1 above `high` and a smooth step between."""
    t = np.clip((values - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return t * t * (3 - 2 * t)


def blur(image: np.ndarray) -> np.ndarray:
    """Returns the image after the binomial filter 1-2-1 on both axes (edges repeated)."""
    quarter, half = np.float32(0.25), np.float32(0.5)
    for axis in (0, 1):
        image = image.swapaxes(0, axis)
        out = image * half
        out[1:] += image[:-1] * quarter
        out[:-1] += image[1:] * quarter
        out[0] += image[0] * quarter
        out[-1] += image[-1] * quarter
        image = out.swapaxes(0, axis)
    return image


def concrete(rng: np.random.Generator, shape: tuple[int, int]) -> Surface:
    """Returns a bare concrete surface: base colour, mottling, sand, aggregate and pores."""
    grain = noise(rng, shape, 2.0)
    fine = noise(rng, shape, 4.0)
    coarse = noise(rng, shape, 9.0)
    roughness = np.float32(rng.uniform(0.4, 1.3))
    height = roughness * (np.float32(0.6) * grain + np.float32(0.7) * fine)
    height += np.float32(rng.uniform(0.2, 1.6)) * coarse
    if rng.random() < 0.35:  # Trowel and brush leave strokes in one direction.
        cell = (rng.uniform(3, 6), rng.uniform(30, 70))
        strokes = noise(rng, shape, cell if rng.random() < 0.5 else cell[::-1])
        height += np.float32(rng.uniform(0.4, 1.3)) * strokes

    mottle = noise(rng, shape, rng.uniform(14, 30)) * np.float32(0.6)
    mottle += noise(rng, shape, rng.uniform(50, 90))
    tone = np.float32(rng.uniform(1.5, 5.0)) * mottle
    tone += np.float32(rng.uniform(1.0, 5.0)) * (grain + fine * np.float32(0.7))
    # Single dark and pale grains of sand.
    tone -= np.float32(rng.uniform(5, 40)) * ramp(fine, 1.9, 3.0)
    tone += np.float32(rng.uniform(0, 35)) * ramp(-fine, 2.1, 3.2)
    if rng.random() < 0.4:  # Stones that show through the cement skin, paler or darker than it.
        stones = ramp(coarse + np.float32(0.3) * fine, 1.2, 2.0)
        tone += np.float32(rng.choice([-1, 1]) * rng.uniform(6, 22)) * stones

    low, high = rng.choice(len(_PALETTE), 2, replace=False)
    mix = rng.uniform(0, 0.5)
    base = _PALETTE[low] * np.float32(1 - mix) + _PALETTE[high] * np.float32(mix)
    hue = noise(rng, shape, 60.0)
    tint = np.float32(rng.uniform(0, 1.6)) * np.array([1, 0.2, -1.2], np.float32)
    reflectance = base + tone[..., None] + hue[..., None] * tint
    _add_pores(
        rng, height, reflectance, grain, count=int(rng.integers(10, 140) * height.size / 3e5)
    )
    return Surface(height.astype(np.float32), reflectance.astype(np.float32), grain)


def _add_pores(
    rng: np.random.Generator,
    height: np.ndarray,
    reflectance: np.ndarray,
    grain: np.ndarray,
    count: int,
) -> None:
    """Digs air holes, irregular and a little darker inside, into the two maps (in place)."""
    rows, columns = height.shape
    for _ in range(count):
        # Radii follow a power law: mostly pinholes, a few of a fingertip's size.
        radius = min(0.9 / (1 - rng.random()) ** 0.55, 7.0)
        y, x = rng.uniform(0, rows), rng.uniform(0, columns)
        stretch, reach = rng.uniform(0.7, 1.4), int(radius * 2) + 2
        top, left = max(int(y) - reach, 0), max(int(x) - reach, 0)
        window = np.s_[top : int(y) + reach + 1, left : int(x) + reach + 1]
        dy = (np.arange(top, top + height[window].shape[0], dtype=np.float32) - y)[:, None]
        dx = (np.arange(left, left + height[window].shape[1], dtype=np.float32) - x)[None]
        distance = np.sqrt((dy * stretch) ** 2 + (dx / stretch) ** 2) + 0.3 * grain[window]
        hole = 1 - ramp(distance, radius * 0.6, radius * 1.1 + 0.5)
        height[window] -= np.float32(0.9 * radius) * hole
        reflectance[window] *= 1 - np.float32(rng.uniform(0.1, 0.45)) * hole[..., None]


def light(
    rng: np.random.Generator, surface: Surface, shadows: np.ndarray | None = None
) -> np.ndarray:
    """Returns the photograph of a surface: relief, uneven light, lens blur, sensor noise.

    Args:
        rng: Source of the light's direction, the exposure and the noise.
        surface: What is photographed.
        shadows: Share of the light that reaches each pixel, float32 `(H, W)` in 0 to 1.

    Returns:
        uint8 array of shape `(H, W, 3)`.
    """
    rows, columns = surface.height.shape
    # Light that grazes from one of eight sides brightens slopes that face it.
    step_y, step_x = [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)][
        rng.integers(8)
    ]
    slope = np.roll(surface.height, (step_y, step_x), (0, 1)) - surface.height
    relief = 1 - np.clip(np.float32(rng.uniform(0.03, 0.12)) * slope, -0.4, 0.4)

    y = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None]
    tilt_y, tilt_x = rng.uniform(-0.12, 0.12, 2).astype(np.float32)
    vignette = np.float32(rng.uniform(0, 0.1))
    shading = np.float32(rng.uniform(0.8, 1.12)) * (
        1 + tilt_y * y + tilt_x * x - vignette * (y * y + x * x)
    )
    if shadows is not None:
        shading = shading * shadows
    photo = surface.reflectance * (relief * shading)[..., None]
    for _ in range(rng.integers(1, 3)):
        photo = blur(photo)
    speckle = rng.standard_normal((rows, columns, 1), dtype=np.float32)
    photo += speckle * rng.uniform(0.8, 2.5, 3).astype(np.float32)  # More in one channel.
    photo *= rng.uniform(0.98, 1.02, 3).astype(np.float32)  # White balance.
    np.clip(photo, 0, 255, out=photo)
    return np.rint(photo, out=photo).astype(np.uint8)
