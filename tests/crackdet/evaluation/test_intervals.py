"""Intervals hold as often as they say, on groups whose images err together."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from crackdet.evaluation import metrics_row
from crackdet.evaluation.intervals import (
    area_under_roc,
    auroc_interval,
    group_bound,
    positive_interval,
    proportion_interval,
    share_interval,
)

# A few large walls, many small ones: 1,960 images of 41 walls.
WALLS = np.maximum(1, 30 * np.exp(scipy.stats.norm.ppf((np.arange(41) + 0.5) / 41))).astype(int)


def hits_of_walls(share, correlation, sizes, random):
    """Beta-binomial: the correlation of two images of a wall."""
    if correlation == 0:
        return random.binomial(sizes, share)
    scale = (1 - correlation) / correlation
    return random.binomial(sizes, random.beta(share * scale, (1 - share) * scale, sizes.size))


@pytest.mark.parametrize("groups", [10, 41])
@pytest.mark.parametrize("share", [0.9, 0.995])
@pytest.mark.parametrize("correlation", [0.0, 0.1, 0.5])
def test_a_proportion_lies_in_its_interval_as_often_as_it_says(groups, share, correlation):
    random = np.random.default_rng(5)
    held = []
    for _ in range(150):
        sizes = random.permutation(WALLS)[:groups]
        low, high = proportion_interval(hits_of_walls(share, correlation, sizes, random), sizes)
        held.append(low <= share <= high)
    # A rate of 95 % stays above this in 99.9 % of all tries; resampling holds 78 % at worst.
    assert np.mean(held) > scipy.stats.binom.ppf(0.001, 150, 0.95) / 150


def test_images_on_their_own_have_the_interval_of_independent_ones():
    low, high = proportion_interval([1] * 1900 + [0] * 100, [1] * 2000)
    expected = scipy.stats.beta.ppf([0.025, 0.975], 1900.5, 100.5)
    assert [low, high] == pytest.approx(expected, abs=1e-4)


def test_walls_that_err_as_one_count_once_each():
    sizes = np.full(40, 50)
    low, high = proportion_interval(np.where(np.arange(40) < 36, 50, 0), sizes)
    one = scipy.stats.beta.ppf([0.025, 0.975], 36.5, 4.5)
    assert high - low == pytest.approx(one[1] - one[0], rel=0.15)


@pytest.mark.parametrize("groups", [2, 10, 41, 400])
def test_no_error_leaves_possible_what_so_many_groups_leave(groups):
    sizes = np.arange(1, groups + 1)
    assert proportion_interval(sizes, sizes) == [1 - group_bound(groups), 1.0]
    assert proportion_interval(0 * sizes, sizes) == [0.0, group_bound(groups)]
    assert (1 - group_bound(groups)) ** groups == pytest.approx(0.05)


def test_perfect_precision_is_no_interval_of_one_point():
    labels = np.arange(200) % 2
    row = metrics_row(labels, labels * 0.8 + 0.1, threshold=0.5, groups=np.arange(200) // 20)
    for name in ("precision", "recall", "accuracy", "auroc", "recall_at_far_1pct", "f1"):
        assert row[name] == 1.0
        assert row["intervals"][name] == [1 - group_bound(10), 1.0], name
    assert row["intervals"]["false_alarm_rate"] == [0.0, group_bound(10)]


@given(groups=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_an_interval_holds_its_proportion_and_turns_with_it(groups):
    hits, misses = np.array(groups, float).T
    counts = hits + misses
    found = proportion_interval(hits, counts)
    if np.sum(counts > 0) < 2:
        assert found is None
        return
    low, high = found
    assert 0 <= low <= hits.sum() / counts.sum() <= high <= 1
    assert low < high
    assert proportion_interval(misses, counts) == pytest.approx([1 - high, 1 - low], abs=1e-9)


def test_the_area_lies_in_its_interval_as_often_as_it_says():
    random = np.random.default_rng(2)
    group_of = np.repeat(np.arange(41), WALLS)
    group_of, labels = np.tile(group_of, 2), np.repeat([0, 1], group_of.size)
    group_of = group_of + 41 * labels
    distance = np.sqrt(2) * scipy.stats.norm.ppf(0.98)
    held = []
    for _ in range(120):
        wall, own = random.normal(size=82)[group_of], random.normal(size=labels.size)
        scores = np.sqrt(0.3) * wall + np.sqrt(0.7) * own + distance * labels
        low, high = auroc_interval(labels, scores, group_of)
        assert low < area_under_roc(labels, scores) < high
        held.append(low <= 0.98 <= high)
    assert np.mean(held) > scipy.stats.binom.ppf(0.001, 120, 0.95) / 120


def test_the_area_needs_two_groups_of_each_class_and_scores_that_differ():
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9])
    assert auroc_interval(labels, scores, np.array([0, 0, 1, 2])) is None
    assert auroc_interval(labels, np.full(4, 0.5), np.arange(4)) is None
    assert auroc_interval(labels, scores, np.arange(4)) is not None
    assert area_under_roc(labels[:2], scores[:2]) is None


def test_what_does_not_vary_has_no_interval():
    assert share_interval(0.4, 0.0, 9) is None
    assert positive_interval(0.4, 0.0, 9) is None
    assert share_interval(0.0, 0.0, 9) == [0.0, group_bound(9)]
    low, high = positive_interval(0.1, 1.0, 3)
    assert 0 < low < 0.1 < high
