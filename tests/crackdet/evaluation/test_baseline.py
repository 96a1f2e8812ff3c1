"""The contrast baseline against every threshold, one by one."""

import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.evaluation import baseline_scores, fit_baseline


def split_of(images, labels):
    part = (images, np.asarray(labels))
    return CrackData.from_arrays(part, part, part).train


def noise_images(deviations, size=12):
    random = np.random.default_rng(0)
    grey = [random.normal(128, d, (size, size, 1)) for d in deviations]
    return np.clip(grey, 0, 255).astype(np.uint8).repeat(3, axis=3)


def test_scores_are_the_deviation_of_grey_values(data):
    expected = [data.train.image(i).astype(float).mean(axis=2).std() for i in range(80)]
    assert baseline_scores(data.train) == pytest.approx(expected, abs=1e-4)


def test_more_images_than_one_batch(monkeypatch, data):
    whole = baseline_scores(data.train)
    monkeypatch.setattr("crackdet.evaluation.filters._BATCH", 7)
    assert np.array_equal(baseline_scores(data.train), whole)


def test_no_threshold_makes_fewer_errors(data):
    fitted = fit_baseline(data.train)
    scores, labels = baseline_scores(data.train), data.train.labels
    assert fitted["direction"] == "above"
    errors = np.sum((scores >= fitted["threshold"]) != labels)
    assert errors == min(np.sum((scores >= t) != labels) for t in scores)


def test_direction_follows_the_data():
    images = noise_images([30] * 6 + [4] * 6)
    fitted = fit_baseline(split_of(images, [0] * 6 + [1] * 6))
    assert fitted["direction"] == "below"
    assert 6 < fitted["threshold"] < 28


def test_one_class_cannot_be_fitted():
    with pytest.raises(ValueError, match="4 negatives and 0 positives"):
        fit_baseline(split_of(noise_images([5] * 4), [0] * 4))
