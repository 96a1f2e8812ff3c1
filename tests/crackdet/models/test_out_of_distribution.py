"""Distances are those of the textbook, and the limit leaves the share that was asked for."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.covariance import EmpiricalCovariance

from crackdet.models import FeatureStatistics
from crackdet.models.out_of_distribution import (
    OutOfDistribution,
    energy,
    mahalanobis,
    nearest_neighbours,
    relative_mahalanobis,
    tied_mahalanobis,
    with_limit,
)


@pytest.fixture
def sample():
    """Features of two classes that vary in different directions, and others."""
    random = np.random.default_rng(0)
    y = np.arange(600) % 2
    x = (
        random.normal(size=(600, 6)) @ random.normal(size=(6, 6)) * (1 + y[:, None])
        + 5 * y[:, None]
    )
    return x, y, random.normal(3, 4, (40, 6))


def squared_distances(x, own, mean):
    """By scikit-learn, of a covariance that is estimated on its own."""
    covariance = EmpiricalCovariance(assume_centered=True).fit(own)
    covariance.location_ = mean
    return covariance.mahalanobis(x)


def test_distances_are_those_of_the_whole_covariance_where_the_rank_allows(sample):
    x, y, others = sample
    for rank in (6, 3):
        statistics = FeatureStatistics.of(x, y, rank=rank)
        means = [x[y == label].mean(axis=0) for label in (0, 1)]
        centred = [x[y == label] - mean for label, mean in enumerate(means)]
        if rank == 6:
            expected = [
                squared_distances(others, c, m) for c, m in zip(centred, means, strict=True)
            ]
            assert mahalanobis(statistics)(others) == pytest.approx(
                np.min(expected, axis=0), rel=0.02
            )
        else:  # of low rank: Woodbury's identity against the inverse itself
            covariances = [
                d.T @ d + np.diag(r)
                for d, r in zip(statistics.directions, statistics.residuals, strict=True)
            ]
            expected = [
                cdist(others, m[None], "mahalanobis", VI=np.linalg.inv(c))[:, 0] ** 2
                for c, m in zip(covariances, means, strict=True)
            ]
            assert mahalanobis(statistics)(others) == pytest.approx(
                np.min(expected, axis=0), rel=0.1
            )
    statistics = FeatureStatistics.of(x, y, rank=6)
    within = np.concatenate(centred)
    tied = np.min([squared_distances(others, within, m) for m in means], axis=0)
    assert tied_mahalanobis(statistics)(others) == pytest.approx(tied, rel=0.02)
    mean = x.mean(axis=0)
    relative = tied - squared_distances(others, x - mean, mean)
    assert relative_mahalanobis(statistics)(others) == pytest.approx(relative, rel=0.02, abs=0.3)


def test_other_scores(sample):
    x, _, others = sample
    kernel, bias = np.eye(6)[:, :2], np.array([0.5, 0.0])
    logits = others[:, :2] + bias
    assert energy(kernel, bias)(others) == pytest.approx(-np.log(np.exp(logits).sum(axis=1)))
    unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (others, x)]
    distances = np.sort(cdist(*unit), axis=1)
    for neighbour in (1, 5):
        assert nearest_neighbours(x, neighbour)(others) == pytest.approx(
            distances[:, neighbour - 1]
        )


def test_the_limit_survives_a_file_and_leaves_the_share_that_was_asked_for(sample, tmp_path):
    x, y, _ = sample
    statistics = FeatureStatistics.of(x[:400], y[:400], rank=3)
    assert OutOfDistribution.of(statistics) is None
    scores = mahalanobis(statistics)(x[400:])
    with_limit(statistics, scores, share=0.05).write(tmp_path / "model.statistics.npz")
    detector = OutOfDistribution.of(FeatureStatistics.read(tmp_path / "model.statistics.npz"))
    assert 9 <= detector.unsure(x[400:]).sum() <= 11  # 10, but for rounding to float16
    assert detector.unsure(np.full((1, 6), 99.0)).all()
    assert detector.unsure(np.full((1, 6), np.nan)).all()
    with pytest.raises(ValueError, match="needs validation images"):
        with_limit(statistics, np.empty(0))


def test_features_without_any_variance_are_no_division_by_zero():
    statistics = FeatureStatistics.of(np.ones((8, 3)), np.arange(8) % 2)
    same, other = mahalanobis(statistics)([[1, 1, 1], [1, 2, 1]])
    assert (same, bool(other > 1e6)) == (0, True)
