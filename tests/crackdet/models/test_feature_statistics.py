"""What a model's training images looked like to its head: measured, kept, drawn again."""

from pathlib import Path

import numpy as np
import pytest

from crackdet.errors import CrackdetError
from crackdet.models import FeatureStatistics, feature_statistics


def features(count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Two classes of other means, spread along three directions and a little in all."""
    random = np.random.default_rng(0)
    labels = np.arange(count) % 2
    directions = random.normal(size=(3, 12))
    spread = random.normal(size=(count, 3)) @ directions + 0.1 * random.normal(size=(count, 12))
    return spread + 8 + labels[:, None], labels


def test_low_rank_keeps_each_channels_variance_and_the_widest_directions() -> None:
    x, y = features()
    found = FeatureStatistics.of(x, y, rank=3)
    for label in (0, 1):
        wide, rest = found.directions[label], found.residuals[label]
        exact = np.cov(x[y == label].T, bias=True)
        np.testing.assert_allclose(wide.T @ wide + np.diag(rest), exact, atol=0.02)
        np.testing.assert_allclose(
            np.square(wide).sum(axis=0) + rest, np.diag(exact), rtol=1e-5, atol=1e-6
        )
    few = FeatureStatistics.of(x[:4], y[:4], rank=5)
    assert few.directions.shape == (2, 5, 12)
    assert np.isfinite(few.directions).all()


def test_draws_are_as_the_images_were_and_survive_the_file(tmp_path: Path) -> None:
    x, y = features()
    whole = FeatureStatistics.of(x, y, rank=3)
    whole = FeatureStatistics(**{**vars(whole), "extra": {"limit": np.array([2.5])}})
    whole.write(tmp_path / "model.statistics.npz")
    kept = feature_statistics(tmp_path)
    assert kept is not None
    assert kept.extra["limit"] == 2.5
    assert kept.counts.tolist() == [200, 200]
    drawn = kept.draw(1, 4000, seed=3)
    np.testing.assert_array_equal(drawn, kept.draw(1, 4000, seed=3))
    np.testing.assert_allclose(drawn.mean(axis=0), x[y == 1].mean(axis=0), atol=0.2)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(x[y == 1].T), atol=0.6)
    assert feature_statistics(tmp_path / "other.keras") is None


def test_what_cannot_be_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Each class needs an image"):
        FeatureStatistics.of(np.ones((2, 3)), [1, 1])
    (tmp_path / "model.statistics.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(CrackdetError, match=r"model\.statistics\.npz holds no statistics"):
        feature_statistics(tmp_path)
