"""Calibration against grid searches and scikit-learn's calibration curve."""

import numpy as np
import pytest
import sklearn.calibration
from scipy.special import softmax

from crackdet.evaluation import (
    apply_temperature,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
)


def overconfident(temperature, n=4000, seed=0):
    """Labels drawn from softmax(z), probabilities of softmax(z * temperature)."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (n, 2))
    labels = (random.random(n) < softmax(logits, axis=1)[:, 1]).astype(int)
    return softmax(logits * temperature, axis=1), labels


def nll(probabilities, labels, temperature):
    p = apply_temperature(probabilities, temperature)
    return -np.mean(np.log(p[np.arange(len(labels)), labels]))


@pytest.mark.parametrize("truth", [0.4, 1.0, 3.0])
def test_temperature_recovers_the_one_that_made_the_data(truth):
    probabilities, labels = overconfident(truth)
    found = fit_temperature(probabilities, labels)
    assert found == pytest.approx(truth, rel=0.06)
    grid = np.exp(np.linspace(np.log(0.05), np.log(20), 2001))
    best = grid[np.argmin([nll(probabilities, labels, t) for t in grid])]
    assert found == pytest.approx(best, rel=0.004)


def test_temperature_lowers_the_calibration_error():
    probabilities, labels = overconfident(4.0)
    after = apply_temperature(probabilities, fit_temperature(probabilities, labels))
    before_error = expected_calibration_error(labels, probabilities[:, 1])
    assert expected_calibration_error(labels, after[:, 1]) < before_error / 4


def test_temperature_works_on_saturated_float32_outputs():
    logits = np.array([[0, 60], [0, 200], [90, 0], [0, 30]], np.float32)
    probabilities = softmax(logits, axis=1)
    assert probabilities[1, 0] == 0.0
    labels = [1, 1, 0, 0]
    assert fit_temperature(probabilities, labels) == pytest.approx(20.0, rel=0.01)
    assert np.isfinite(apply_temperature(probabilities, 0.05)).all()


def test_a_split_without_errors_leaves_the_temperature_at_one():
    assert fit_temperature([[0.9, 0.1], [0.2, 0.8]], [0, 1]) == 1.0


def test_temperature_takes_more_than_two_classes():
    random = np.random.default_rng(3)
    logits = random.normal(0, 2, (3000, 4))
    labels = [random.choice(4, p=p) for p in softmax(logits, axis=1)]
    found = fit_temperature(softmax(2.5 * logits, axis=1), labels)
    assert found == pytest.approx(2.5, rel=0.07)


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        ([0.2, 0.8], [0, 1], r"shape \(n, classes\)"),
        ([[0.2, 0.8]], [0, 1], r"received \(1, 2\) and \(2,\)"),
        (np.zeros((0, 2)), [], r"received \(0, 2\) and \(0,\)"),
    ],
)
def test_wrong_shapes_are_named(probabilities, labels, message):
    with pytest.raises(ValueError, match=message):
        fit_temperature(probabilities, labels)


def test_reliability_equals_scikit_learn():
    probabilities, labels = overconfident(2.0, n=500)
    table = reliability_bins(labels, probabilities[:, 1])
    frequency, score = sklearn.calibration.calibration_curve(labels, probabilities[:, 1], n_bins=15)
    filled = table["count"] > 0
    assert table["frequency"][filled] == pytest.approx(frequency)
    assert table["score"][filled] == pytest.approx(score)
    assert table["count"].sum() == 500


def test_bins_hold_both_ends_and_empty_ones_are_nan():
    table = reliability_bins([0, 1], [0.0, 1.0], bins=3)
    assert table["count"].tolist() == [1, 0, 1]
    assert np.isnan(table["score"][1])
    assert table["lower"].tolist() == pytest.approx([0, 1 / 3, 2 / 3])
    assert table["upper"].tolist() == pytest.approx([1 / 3, 2 / 3, 1])


def test_calibration_error_equals_a_loop_over_bins():
    random = np.random.default_rng(1)
    scores, labels = random.random(300), random.integers(0, 2, 300)
    error = 0.0
    for b in range(15):
        inside = (scores >= b / 15) & (scores < (b + 1) / 15)
        if inside.any():
            error += abs(scores[inside].mean() - labels[inside].mean()) * inside.mean()
    assert expected_calibration_error(labels, scores) == pytest.approx(error)


def test_calibration_of_nothing_is_refused():
    with pytest.raises(ValueError, match="nothing to evaluate"):
        expected_calibration_error([], [])
    with pytest.raises(ValueError, match="at least 1"):
        reliability_bins([0], [0.5], bins=0)
    with pytest.raises(ValueError, match=r"\(1,\) and \(2,\)"):
        reliability_bins([0], [0.5, 0.5])
