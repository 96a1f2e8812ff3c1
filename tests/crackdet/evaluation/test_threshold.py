"""The threshold against every possible threshold, one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crackdet.evaluation import choose_threshold


def cost(labels, scores, threshold, miss_cost):
    alarms = scores >= threshold
    return miss_cost * np.sum(~alarms & (labels == 1)) + np.sum(alarms & (labels == 0))


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=2, max_size=30),
    st.sampled_from([0.5, 1.0, 2.0, 5.0]),
)
@settings(max_examples=300, deadline=None)
def test_no_threshold_costs_less(pairs, miss_cost):
    labels, scores = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs]) / 8
    if labels.min() == labels.max():
        return
    threshold = choose_threshold(labels, scores, miss_cost=miss_cost)
    costs = [cost(labels, scores, t, miss_cost) for t in scores]
    assert cost(labels, scores, threshold, miss_cost) == min(costs)
    assert 0 <= threshold <= 1


def test_the_widest_of_equal_intervals_wins_and_gives_its_middle():
    # With equal costs, thresholds in (0.2, 0.3] and (0.4, 0.9] make one error each.
    labels, scores = [0, 1, 0, 1], [0.2, 0.3, 0.4, 0.9]
    assert choose_threshold(labels, scores, miss_cost=1) == pytest.approx(0.65)


def test_the_lower_of_equally_wide_intervals_wins():
    labels, scores = [0, 1, 0, 1], [0.25, 0.5, 0.625, 0.875]
    assert choose_threshold(labels, scores, miss_cost=1) == 0.375


def test_neighbouring_intervals_of_equal_cost_are_one():
    # At 0.5 one miss more would save exactly five false alarms: (0.25, 0.5] and (0.5, 0.75] join.
    labels = [0] + [1] + [0] * 5 + [1]
    scores = [0.25] + [0.5] * 6 + [0.75]
    assert choose_threshold(labels, scores, miss_cost=5) == 0.5


def test_dearer_misses_lower_the_threshold():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 2000)
    scores = 1 / (1 + np.exp(-random.normal(2 * labels - 1, 1)))
    thresholds = [choose_threshold(labels, scores, miss_cost=c) for c in (0.2, 1, 5, 25)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert thresholds[0] > thresholds[-1] + 0.2


def test_neighbouring_floats_are_told_apart():
    high = np.nextafter(np.float64(0.5), 1)
    assert choose_threshold([0, 1], [0.5, high]) == high


@pytest.mark.parametrize(
    ("labels", "scores", "miss_cost", "message"),
    [
        ([0, 0], [0.1, 0.2], 5, "2 negatives and 0 positives"),
        ([1], [0.1], 5, "0 negatives and 1 positives"),
        ([0, 1], [0.1, 0.9], 0, "above 0; received 0"),
        ([0, 1], [0.1, 0.9], float("inf"), "above 0; received inf"),
        ([0, 1], [0.1, 9.0], 5, r"in \[0, 1\]; received 0.1 to 9"),
        ([], [], 5, "nothing to evaluate"),
    ],
)
def test_wrong_arguments_are_named(labels, scores, miss_cost, message):
    with pytest.raises(ValueError, match=message):
        choose_threshold(labels, scores, miss_cost=miss_cost)
