"""A classifier against one answer for all and against contrast."""

import numpy as np
import pytest

from crackdet.evaluation import compare_with_trivial
from crackdet.evaluation.calibration import TEMPERATURE_RANGE, at_bound, fit_temperature


def test_one_that_calls_everything_cracked_is_no_better_than_that():
    labels = np.arange(60) % 5 > 1
    compared = compare_with_trivial(labels, np.full(60, 0.9), threshold=0.5)
    rival = compared["against"]["everything_cracked"]
    assert rival["cost"] == compared["cost"] == pytest.approx(0.4)
    assert rival["accuracy"] == compared["accuracy"] == pytest.approx(0.6)
    assert (rival["saving"], rival["saving_interval"], rival["better"]) == (0, [0, 0], False)
    assert compared["against"]["everything_sound"]["cost"] == pytest.approx(5 * 0.6)
    assert compared["against"]["everything_sound"]["better"]
    assert "contrast" not in compared["against"]


def test_one_that_is_right_is_better_than_all():
    labels = np.arange(60) % 2
    alarms = np.where(np.arange(60) < 20, 1 - labels, labels)
    compared = compare_with_trivial(
        labels, labels, threshold=0.5, miss_cost=2.0, contrast_alarms=alarms
    )
    assert [rival["better"] for rival in compared["against"].values()] == [True] * 3
    contrast = compared["against"]["contrast"]
    assert contrast["cost"] == pytest.approx((10 * 2 + 10) / 60)
    assert contrast["saving"] == contrast["cost"] - compared["cost"]
    low, high = contrast["saving_interval"]
    assert 0 < low < contrast["saving"] < high


def test_what_only_one_wall_shows_is_not_called_better():
    labels, walls = np.repeat([0, 1], 100), np.arange(200) % 10
    scores = np.where(walls == 0, labels, 1).astype(float)  # Right on one wall of ten.
    on_their_own = compare_with_trivial(labels, scores, threshold=0.5)
    by_wall = compare_with_trivial(labels, scores, threshold=0.5, groups=walls)
    assert on_their_own["against"]["everything_cracked"]["better"] is True
    assert by_wall["against"]["everything_cracked"]["saving"] > 0
    assert by_wall["against"]["everything_cracked"]["better"] is False


def test_one_wall_shows_nothing_and_one_class_is_no_contest():
    compared = compare_with_trivial([0, 1], [0.1, 0.9], threshold=0.5, groups=[3, 3])
    assert compared["against"]["everything_cracked"]["better"] is None
    assert compared["against"]["everything_cracked"]["saving_interval"] is None
    assert compare_with_trivial([1, 1], [0.1, 0.9], threshold=0.5) is None


def test_a_temperature_at_its_bound_is_known_as_such():
    useless = fit_temperature([[0.001, 0.999], [0.999, 0.001]] * 10, [0, 1] * 10)
    assert at_bound(useless)
    assert all(at_bound(bound) for bound in TEMPERATURE_RANGE)
    assert not at_bound(1.0)
    assert not at_bound(fit_temperature([[0.01, 0.99]] * 3 + [[0.99, 0.01]], [1, 1, 0, 0]))
