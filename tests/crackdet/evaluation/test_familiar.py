"""What the head takes, of images and of painted views, through the cache as without it."""

import dataclasses

import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.evaluation.familiar import (
    cross_fitted_statistics,
    familiar_statistics,
    features_to_judge,
    painted_inputs,
    surface,
    surface_depth,
    with_familiar_surface,
)
from crackdet.evaluation.filing import predict_with_features
from crackdet.features import FeatureCache, Uncached
from crackdet.models import FeatureStatistics, split_at
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
    apart = OutOfDistribution.of(cross_fitted_statistics([(x, y)], fold_of))
    together = OutOfDistribution.of(familiar_statistics([(x, y)], x))
    assert apart.limit > 5 * together.limit


def test_painted_views_widen_what_is_familiar_to_folds_but_set_no_limit():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2000, 5)).astype(np.float32), np.arange(2000) % 2
    painted = 4 * random.normal(size=(2000, 5)).astype(np.float32)
    views = [(x, y), (painted, y[::-1])]
    detector = OutOfDistribution.of(cross_fitted_statistics(views, np.arange(2000) // 400))
    assert 10 <= detector.unsure(x).sum() <= 20
    alone = OutOfDistribution.of(familiar_statistics([(x, y)], x))
    assert detector.score(painted).mean() < alone.score(painted).mean() / 4


def test_after_deep_painted_training_what_it_did_not_move_decides(cache, tmp_path):
    data = CrackData.from_arrays(*[cracked_patches(24, seed) for seed in (1, 2, 3)])
    model = standin_classifier((16, 16), unfreeze_depth=2)
    cached, labels = surface(model, data.test, cache, 2)
    # Kept as float16, of whose rounding the logarithm of a small spread shows most.
    np.testing.assert_allclose(cached, surface(model, data.test, Uncached(), 2)[0], atol=2e-2)
    np.testing.assert_array_equal(labels, data.test.labels)
    places = split_at(model, 2)[0].predict(data.test.in_order(), verbose=0)
    spread = np.log(places.std(axis=(1, 2)) + 0.01)
    np.testing.assert_allclose(cached, np.c_[places.mean(axis=(1, 2)), spread], atol=2e-2)
    # The head takes the same of every image, as if training had left nothing else.
    same = np.zeros((24, 4), np.float32)
    statistics = familiar_statistics([(same, data.train.labels)], same)
    plain = surface(model, data.train, cache, 2)
    painted = surface(model, data.train, cache, 2, view=1, seed=5, painting=Bars())
    view = cache.features(model, 2, data.train, 1, seed=5, painting=Bars())
    assert view.labels is not None
    np.testing.assert_array_equal(painted[1], view.labels)
    looks = [surface(model, split, cache, 2)[0] for split in (data.validation, data.test)]
    assert surface_depth(model) == 2
    stressed, families = (looks[1], data.test.labels), ["blur", "rust", "joints"] * 8
    statistics = with_familiar_surface(
        statistics, 2, [plain, painted], looks[0], stressed, families, seed=5
    )
    statistics.write(tmp_path / "model.statistics.npz")
    detector = OutOfDistribution.of(FeatureStatistics.read(tmp_path / "model.statistics.npz"))
    assert detector.depth == 2
    for split in (data.validation, data.test):
        judged = features_to_judge(model, split, cache, same, detector.depth)
        assert detector.unsure(judged).sum() <= 1
    noise = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3)).astype("uint8")
    strange = CrackData.from_arrays(*[(noise, np.arange(6) % 2)] * 3).test
    probabilities, judged = detector.answers_of(model).predict(strange.in_order(), verbose=0)
    np.testing.assert_allclose(probabilities, model.predict(strange.in_order(), verbose=0))
    detector = dataclasses.replace(detector, limit=float(np.median(detector.score(judged))))
    unsure = detector.unsure(features_to_judge(model, strange, Uncached(), same[:6], 2))
    np.testing.assert_array_equal(unsure, detector.unsure(judged))
    assert unsure.sum() == 3
    still = standin_classifier((16, 16), unfreeze_depth=0)
    assert surface_depth(still) is None


def test_families_under_stress_are_familiar_but_each_is_judged_as_if_it_were_not():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(1600, 6)).astype(np.float32), np.arange(1600) % 2
    stress, labels = x[1200:], y[1200:]
    stress[:100, 0] += 30  # the first family is like nothing else
    families = np.repeat(["blur", "rust", "joints", "scenes"], 100)
    statistics = familiar_statistics([(x[:1000], y[:1000])], x[1000:1200])
    apart, together = (
        OutOfDistribution.of(
            with_familiar_surface(
                statistics, 3, [(x[:1000], y[:1000])], x[1000:1200], (stress, labels), names
            )
        )
        for names in (families, random.permutation(families))
    )
    assert not apart.unsure(stress).any()
    assert apart.limit > 5 * together.limit
