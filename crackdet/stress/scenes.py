"""Surfaces made of nothing but noise: concrete, boards of a form, a broomed deck, bare stones."""

import numpy as np

from crackdet.stress.drawing import (
    Picture,
    Shape,
    between,
    graded,
    grain,
    lit,
    noise,
    stained,
    unit,
)
from crackdet.stress.on_walls import broomed, exposed, honeycombing, joints, pores


def scene(shape: Shape, severity: int, rng: np.random.Generator) -> Picture:
    """Returns a sound surface, rougher and busier with its severity.

    Args:
        shape: Height and width.
        severity: 1 to 5.
        rng: What draws it.
    """
    wall = _concrete(rng, shape, graded(severity, 0.03, 0.08))
    kind = rng.integers(4)
    if kind == 0:
        wall = joints(wall, severity, rng)
    elif kind == 1:
        wall = lit(wall, broomed(rng, shape, graded(severity, 0.04, 0.12)))
    elif kind == 2:
        wall = exposed(wall, rng, graded(severity, 0.4, 1.0))
    wall = pores(wall, rng, count=graded(severity, 3, 40))
    if rng.random() < 0.25:
        wall = honeycombing(wall, 1, rng)
    return wall


def _concrete(rng: np.random.Generator, shape: Shape, roughness: float) -> Picture:
    """Returns a cast surface: clouds over several octaves, fine grain, stains, slanting light."""
    scale = unit(shape)
    brightness = rng.uniform(95, 200)
    warmth = rng.normal(0, 0.025)
    colour = brightness * np.array([1 + warmth, 1.0, 1 - 1.6 * warmth - 0.02])
    cells = [max(c * scale, 1.0) for c in (1, 2, 4, 8, 16, 32, 64)]
    clouds = grain(rng, shape, cells[2:], rng.uniform(0.2, 0.7))
    fine = grain(rng, shape, cells[:3], rng.uniform(-0.6, 0.3))
    slope = noise(rng, shape, 160 * scale)
    light = 1 + roughness * fine + rng.uniform(0.02, 0.08) * clouds + 0.05 * slope
    wall = lit(np.ones((*shape, 3), np.float32) * colour.astype(np.float32), light)
    dirt = np.clip(grain(rng, shape, cells[3:], 0.5) - between(rng, 0.5, 1.5), 0, 1)
    tint = rng.uniform(0.6, 1.1, 1) * rng.uniform(0.975, 1.02, 3)
    return stained(wall, tint, dirt * rng.uniform(0.2, 0.8))
