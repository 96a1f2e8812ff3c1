"""What the head takes, of images and of painted views, through the cache as without it."""

import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.evaluation.familiar import (
    cross_fitted_statistics,
    familiar_statistics,
    painted_inputs,
)
from crackdet.evaluation.filing import predict_with_features
from crackdet.features import FeatureCache, Uncached
from crackdet.models.out_of_distribution import OutOfDistribution
from tests.bars import Bars
from tests.crackdet.evaluation.conftest import cracked_patches
from tests.standin import standin_classifier


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "cache", engine="keras", verbose=0)


def test_features_come_through_the_cache_as_without_it_and_painted_ones_too(cache):
    data = CrackData.from_arrays(*[cracked_patches(24, seed) for seed in (1, 2, 3)])
    model = standin_classifier((16, 16), unfreeze_depth=2)
    expected = predict_with_features(model, data.train, Uncached())
    probabilities, features = expected
    kernel, bias = model.get_layer("predictions").get_weights()
    odds = np.log(probabilities[:, 1] / probabilities[:, 0])
    np.testing.assert_allclose(features @ (kernel[:, 1] - kernel[:, 0]), odds, rtol=1e-3, atol=1e-4)
    assert not bias.any()
    for cached, plain in zip(
        predict_with_features(model, data.train, cache), expected, strict=True
    ):
        np.testing.assert_allclose(cached, plain, rtol=2e-3, atol=2e-3)
    features, labels = painted_inputs(model, data.train, cache, Bars(), seed=5)
    view = cache.features(model, 2, data.train, 1, seed=5, painting=Bars())
    np.testing.assert_array_equal(labels, view.labels)
    assert (labels != data.train.labels).any()
    exact = cache.features(model, 0, data.train, 1, seed=5, painting=Bars())
    np.testing.assert_allclose(features, exact[:], rtol=2e-3, atol=2e-3)


def test_each_fold_is_judged_by_the_statistics_of_the_others():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(400, 5)).astype(np.float32), np.arange(400) % 2
    fold_of = np.arange(400) // 100
    x[fold_of == 2] += 9  # a fold unlike all others
    apart = OutOfDistribution.of(cross_fitted_statistics(x, y, fold_of))
    together = OutOfDistribution.of(familiar_statistics([(x, y)], x))
    assert apart.limit > 5 * together.limit
