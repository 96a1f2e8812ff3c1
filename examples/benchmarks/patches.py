"""Images for what measures speed, thousands in a second: concrete of a sort, cracked or not."""

import numpy as np
from PIL import Image

BASES = 32  # of each class; the others are turned, shifted and grained anew
DARKEST, BRIGHTEST, GRAIN = 60, 200, 40


def make_patches(count: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns uint8 images `(count, size, size, 3)` and their labels, half of them 1 (a crack).

    Args:
        count: How many.
        size: Their side in pixels.
        seed: Another one gives others, from other bases.
    """
    rng = np.random.default_rng(seed)
    bases = [_base(size, number % 2, rng) for number in range(min(count, 2 * BASES))]
    grain = rng.integers(0, GRAIN + 1, (2 * size, 2 * size, 3), np.uint8)
    images = np.empty((count, size, size, 3), np.uint8)
    turns, shifts = rng.integers(8, size=count), rng.integers(size, size=(count, 2))
    for image, number in zip(images, range(count), strict=True):
        base = np.rot90(bases[number % len(bases)], turns[number] // 2)
        top, left = shifts[number]
        shifted = np.roll(base[:, :: 1 - 2 * (turns[number] % 2)], top, axis=0)
        np.add(shifted, grain[top : top + size, left : left + size], out=image)
    return images, np.arange(count) % 2


def _base(size: int, cracked: int, rng: np.random.Generator) -> np.ndarray:
    coarse = Image.fromarray(rng.uniform(0, 1, (6, 6)).astype(np.float32))
    clouds = np.asarray(coarse.resize((size, size), Image.Resampling.BILINEAR))
    pixels = 130 + 60 * clouds + rng.uniform(-20, 10)
    if cracked:
        columns = np.arange(size)
        middle = size / 2 + np.cumsum(rng.normal(0, size / 150, size))
        width, depth = rng.uniform(0.7, 2.0) * size / 224 + 0.5, rng.uniform(20, 70)
        away = np.abs(np.arange(size)[:, None] - middle[columns])
        pixels = pixels - depth * np.exp(-((away / width) ** 2))
    tint = rng.uniform(0.92, 1.0, 3)
    return np.clip(pixels[..., None] * tint, DARKEST, BRIGHTEST).astype(np.uint8)
