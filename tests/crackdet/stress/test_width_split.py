"""Cracks of known width: that they are so wide and so dark, and go from edge to edge."""

import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.stress import CONTRASTS, width_split
from crackdet.stress.cracks import crack_of_width
from crackdet.stress.drawing import coverage_of_width


@pytest.mark.parametrize("width", [0.3, 1.0, 2.5, 10.0])
def test_a_line_covers_its_width(width: float) -> None:
    for angle in (0.0, 0.3, 0.785):
        way = np.array([np.cos(angle), np.sin(angle)])
        line = np.array([112, 112.3]) + way * np.array([[-300], [300]])
        covered = coverage_of_width((224, 224), line, width).sum() * np.cos(angle) / 224
        assert covered == pytest.approx(width, rel=0.06, abs=0.04)


def test_a_crack_has_its_contrast_and_touches_two_edges() -> None:
    wall = np.full((224, 224, 3), 150, np.float32)
    for seed in range(5):
        cracked = crack_of_width(wall, 4.0, 0.3, np.random.default_rng(seed))[..., 0]
        assert cracked.min() == pytest.approx(150 * 0.7, rel=0.01)
        edges = [cracked[0], cracked[-1], cracked[:, 0], cracked[:, -1]]
        assert sum(edge.min() < 120 for edge in edges) >= 2
    thin = crack_of_width(wall, 0.3, 0.3, np.random.default_rng(0))
    assert 150 * (1 - 0.3 * 0.4) < thin.min() < 148  # a third of the pixels, and the lens


def test_each_surface_is_sound_once_and_has_a_crack_of_each_contrast() -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(150, 4, (12, 48, 48, 3)).clip(0, 255).astype(np.uint8)
    labels, groups = np.arange(12) // 8, np.arange(12) // 2
    validation = CrackData.from_arrays(*[(images, labels, groups)] * 3).validation
    split = width_split(validation, images=40, threads=2)
    assert np.bincount(split.labels).tolist() == [8, 30]  # no more sound patches than there are
    assert not split.widths[:8].any()
    assert set(split.groups[:8]) == {0, 1, 2, 3}
    for contrast in CONTRASTS:
        widths = np.sort(split.widths[split.contrasts == contrast])
        np.testing.assert_allclose(widths, np.geomspace(0.3, 10, 10))
    assert width_split(validation, images=40, threads=1).digests == split.digests
    part = split.subset([9, 3])
    assert part.widths.tolist() == [split.widths[9], 0]
    assert part.contrasts[0] == CONTRASTS[0]
    with pytest.raises(ValueError, match="No sound picture is in the validation split"):
        width_split(validation.subset(range(8, 12)))
    with pytest.raises(ValueError, match="8 images or more"):
        width_split(validation, images=4)
