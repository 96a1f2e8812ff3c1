"""The threshold of least expected cost, and that of least counted cost against every other."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from crackdet.evaluation import choose_threshold
from crackdet.evaluation.threshold import cheapest_threshold


def cost(labels, scores, threshold, miss_cost):
    alarms = scores >= threshold
    return miss_cost * np.sum(~alarms & (labels == 1)) + np.sum(alarms & (labels == 0))


def walls_of(random, count, mean, deviation, images=25):
    """Logits of so many walls; walls and the images in them vary."""
    of_wall = random.standard_t(4, count)[:, None] + random.standard_t(4, (count, images))
    return (mean + deviation * of_wall).ravel()


def separated(random, sound_walls=60, cracked_walls=40, images=25):
    z = [
        walls_of(random, sound_walls, -9, 1.4, images),
        walls_of(random, cracked_walls, 9, 1.4, images),
    ]
    labels = np.repeat([0, 1], [part.size for part in z])
    groups = np.arange(labels.size) // images
    return labels, expit(np.concatenate(z)).astype(np.float32), groups


@st.composite
def validations(draw):
    """Labels, scores and groups of a small validation split with both classes."""
    count = draw(st.integers(2, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = np.append([0, 1], random.integers(0, 2, count - 2))
    spread = draw(st.sampled_from([0.5, 4.0, 30.0]))
    scores = expit(spread * (random.normal(size=count) + labels - 0.5)).astype(np.float32)
    return labels, scores, random.integers(0, draw(st.integers(1, count)), count)


@given(validations(), st.sampled_from([0.01, 1.0, 5.0, 400.0]), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_neither_the_order_of_images_nor_the_names_of_groups_matter(validation, miss_cost, seed):
    labels, scores, groups = validation
    choice = choose_threshold(labels, scores, groups=groups, miss_cost=miss_cost, bootstrap=10)
    random = np.random.default_rng(seed)
    order, names = random.permutation(labels.size), random.permutation(1000)
    again = choose_threshold(
        labels[order],
        scores[order],
        groups=names[groups][order],
        miss_cost=miss_cost,
        bootstrap=10,
    )
    assert again == choice
    low, high = choice.interval
    assert 0 <= low <= high <= 1
    assert 0 <= choice.threshold <= 1
    assert 0 <= choice.shrinkage <= 1
    assert 0 <= choice.expected_cost <= max(1, miss_cost)


@given(validations())
@settings(max_examples=20, deadline=None)
def test_dearer_misses_never_raise_the_threshold(validation):
    labels, scores, groups = validation
    choices = [
        choose_threshold(labels, scores, groups=groups, miss_cost=c, bootstrap=0)
        for c in (1e-9, 0.1, 0.3, 1, 2, 5, 9, 30, 1e4, 1e9)
    ]
    thresholds = [choice.threshold for choice in choices]
    assert thresholds == sorted(thresholds, reverse=True)
    assert thresholds[0] > thresholds[-1]
    assert choices[0].interval is None


@given(validations(), st.sampled_from([0.2, 1.0, 5.0]))
@settings(max_examples=20, deadline=None)
def test_classes_that_change_places_turn_the_threshold_over(validation, miss_cost):
    labels, scores, groups = validation
    z = np.clip(logit(scores.astype(float)), -15, 15)
    one = choose_threshold(labels, expit(z), groups=groups, miss_cost=miss_cost, bootstrap=0)
    other = choose_threshold(
        1 - labels, expit(-z), groups=groups, miss_cost=1 / miss_cost, bootstrap=0
    )
    assert other.threshold == pytest.approx(1 - one.threshold, abs=1e-6)


def test_one_image_of_each_class_leaves_the_cost_ratio():
    choice = choose_threshold([0, 1], [1e-5, 1 - 1e-5], miss_cost=5)
    assert choice.cost_ratio == pytest.approx(1 / 6)
    assert choice.threshold == pytest.approx(choice.cost_ratio, rel=0.02)
    assert choice.shrinkage > 0.95


@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (1, 1.5), (0.5, -1)])
def test_many_images_give_the_best_threshold_of_all(scale, shift):
    # At each score exactly the share of positives that log-odds of scale * z + shift mean.
    z = np.repeat(np.linspace(-6, 6, 241), 400)
    share = expit(scale * z + shift)
    labels = (np.tile(np.arange(400) + 0.5, 241) < 400 * share).astype(int)
    choice = choose_threshold(labels, expit(z), miss_cost=5, bootstrap=0)
    assert logit(choice.threshold) == pytest.approx((-np.log(5) - shift) / scale, abs=0.1)
    assert choice.shrinkage < 0.01


def test_four_sound_images_of_few_walls_do_not_push_the_threshold_up():
    labels, scores, groups = separated(np.random.default_rng(0))
    scores = np.where(labels == 1, np.maximum(scores, 0.9), np.minimum(scores, 0.1))
    alone = choose_threshold(labels, scores, groups=groups)
    # Four sound images of two walls, and the lowest cracked one just above the highest of them.
    scores[[0, 1, 25, 26]] = 0.3, 0.5, 0.6, 0.75
    assert cheapest_threshold(labels, scores, miss_cost=5.0, lowest=0.0) > 0.75
    pushed = choose_threshold(labels, scores, groups=groups)
    assert alone.threshold < 0.25
    assert pushed.threshold < 0.4
    assert pushed.interval[0] < alone.cost_ratio < pushed.threshold < pushed.interval[1]


def test_on_other_walls_the_threshold_costs_less_than_the_counted_one():
    random = np.random.default_rng(1)
    counted, expected = [], []
    for _ in range(12):
        labels, scores, groups = separated(random, 30, 20, 10)
        others, their_scores, _ = separated(random, 1500, 1000, 4)
        thresholds = (
            cheapest_threshold(labels, scores.astype(float), miss_cost=5.0, lowest=0.0),
            choose_threshold(labels, scores, groups=groups, bootstrap=0).threshold,
        )
        for costs, threshold in zip((counted, expected), thresholds, strict=True):
            costs.append(cost(others, their_scores, threshold, 5.0))
    saved = np.array(counted) - np.array(expected)
    assert saved.mean() > 2 * saved.std(ddof=1) / np.sqrt(saved.size)


def test_images_of_one_wall_say_less_than_as_many_walls():
    labels, scores, groups = separated(np.random.default_rng(2))
    scores = expit(logit(np.clip(scores, 1e-6, 1 - 1e-6)) + 3)  # calibration is off by 3
    as_walls = choose_threshold(labels, scores, groups=groups)
    as_images = choose_threshold(labels, scores)
    assert as_walls.shrinkage > as_images.shrinkage
    assert as_walls.cost_ratio < as_walls.threshold < as_images.threshold
    spreads = [np.diff(logit(choice.interval))[0] for choice in (as_walls, as_images)]
    assert spreads[0] > spreads[1]


def test_a_choice_on_little_says_so_and_is_json():
    labels, scores, groups = separated(np.random.default_rng(3), 25, 19, 3)
    choice = choose_threshold(labels, scores, groups=groups, bootstrap=5)
    assert "57 positive images of 19 groups and 75 negative images of 25 groups" in choice.caution
    assert "fewer than 20" in choice.caution
    facts = json.loads(json.dumps(choice.facts()))
    assert facts["threshold_positives"] == {"images": 57, "groups": 19}
    assert facts["threshold_negatives"] == {"images": 75, "groups": 25}
    assert facts["threshold_interval"] == list(choice.interval)
    assert facts["threshold_caution"] == choice.caution
    assert "5 false alarms" in facts["threshold_rule"]
    assert "0.1667" in facts["threshold_rule"]
    enough = choose_threshold(*separated(np.random.default_rng(3), 20, 20, 3)[:2], bootstrap=0)
    assert enough.caution == ""
    assert asdict(enough)["positive_groups"] == 60


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=2, max_size=30),
    st.sampled_from([0.5, 1.0, 2.0, 5.0]),
)
@settings(max_examples=100, deadline=None)
def test_no_threshold_was_counted_to_cost_less(pairs, miss_cost):
    labels, scores = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs]) / 8
    if labels.min() == labels.max():
        return
    threshold = cheapest_threshold(labels, scores, miss_cost=miss_cost, lowest=0.0)
    costs = [cost(labels, scores, t, miss_cost) for t in scores]
    assert cost(labels, scores, threshold, miss_cost) == min(costs)
    assert 0 <= threshold <= 1


@pytest.mark.parametrize(
    ("labels", "scores", "miss_cost", "threshold"),
    [
        # With equal costs, thresholds in (0.2, 0.3] and (0.4, 0.9] make one error each: the wider.
        ([0, 1, 0, 1], [0.2, 0.3, 0.4, 0.9], 1, 0.65),
        # Of equally wide ones the lower.
        ([0, 1, 0, 1], [0.25, 0.5, 0.625, 0.875], 1, 0.375),
        # At 0.5 one miss more would save just five false alarms: (0.25, 0.5] and (0.5, 0.75] join.
        ([0] + [1] + [0] * 5 + [1], [0.25] + [0.5] * 6 + [0.75], 5, 0.5),
        # Two neighbouring floats have no middle.
        ([0, 1], [0.5, np.nextafter(0.5, 1)], 5, np.nextafter(0.5, 1)),
    ],
)
def test_of_thresholds_that_cost_the_same_the_widest_interval_gives_its_middle(
    labels, scores, miss_cost, threshold
):
    found = cheapest_threshold(np.array(labels), np.array(scores), miss_cost=miss_cost, lowest=0.0)
    assert found == pytest.approx(threshold, abs=1e-15)


@pytest.mark.parametrize(
    ("labels", "scores", "options", "message"),
    [
        ([0, 0], [0.1, 0.2], {}, "2 negatives and 0 positives"),
        ([1], [0.1], {}, "0 negatives and 1 positives"),
        ([0, 1], [0.1, 0.9], {"miss_cost": 0}, "above 0; received 0"),
        ([0, 1], [0.1, 0.9], {"miss_cost": float("inf")}, "above 0; received inf"),
        ([0, 1], [0.1, 0.9], {"bootstrap": -1}, "at least 0; received -1"),
        ([0, 1], [0.1, 0.9], {"groups": [1]}, r"groups must have shape \(2,\); received \(1,\)"),
        ([0, 1], [0.1, 9.0], {}, r"in \[0, 1\]; received 0.1 to 9"),
        ([], [], {}, "nothing to evaluate"),
    ],
)
def test_wrong_arguments_are_named(labels, scores, options, message):
    with pytest.raises(ValueError, match=message):
        choose_threshold(labels, scores, **options)
