"""Untrained filters: each sees what it is for, and how much a line's width and grain matter."""

import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.evaluation import FILTERS, baseline_scores, filter_scores
from crackdet.evaluation.filters import contrast, dark_line, dark_residual

SIDE = 128


def surface(seed: int, *, grain: float = 6.0, line: float = 0.0, width: int = 1) -> np.ndarray:
    """Grainy grey, lit from one side, with a slanting line so many levels darker."""
    random = np.random.default_rng(seed)
    grey = 140 + random.normal(0, grain, (SIDE, SIDE)) + np.linspace(-25, 25, SIDE)
    for column in range(SIDE):
        row = SIDE // 4 + column // 3
        grey[row : row + width, column] -= line
    return np.clip(grey, 0, 255).astype(np.float32)


@pytest.mark.parametrize("width", [1, 3, 8])
def test_a_faint_line_is_found_at_every_width(width: int) -> None:
    sound = [dark_line(surface(seed)) for seed in range(8)]
    cracked = [dark_line(surface(seed, line=22, width=width)) for seed in range(8)]
    assert min(cracked) > max(sound)
    pale = [dark_line(surface(seed, line=-22, width=width)) for seed in range(8)]
    assert np.mean(pale) < np.mean(cracked) - 3 * np.std(sound)


def test_shading_is_contrast_and_no_dark_residual() -> None:
    lit, even = surface(0), surface(0) - np.linspace(-25, 25, SIDE, dtype=np.float32)
    assert contrast(lit) > 1.5 * contrast(even)
    assert dark_residual(lit) == pytest.approx(dark_residual(even), abs=2)
    assert dark_residual(surface(0, line=60)) > dark_residual(surface(0)) + 20


def test_a_split_is_scored_in_its_own_order_and_contrast_is_the_baselines() -> None:
    images = np.stack([surface(seed, line=60 * (seed % 2)) for seed in range(6)])
    rgb = images.astype(np.uint8)[..., None].repeat(3, axis=3)
    labels = np.arange(6) % 2
    data = CrackData.from_arrays(*[(rgb, labels)] * 3, batch_size=4)
    done: list[int] = []
    scores = filter_scores(data.train, advance=done.append)
    assert list(scores) == list(FILTERS)
    assert sum(done) == 6
    np.testing.assert_array_equal(scores["contrast"], baseline_scores(data.train))
    for name in ("dark_residual", "dark_line"):
        assert scores[name][labels == 1].min() > scores[name][labels == 0].max()
