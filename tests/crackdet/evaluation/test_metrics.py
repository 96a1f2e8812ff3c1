"""Metrics against scikit-learn; what their intervals promise stands in test_intervals.py."""

import json
import time

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from crackdet.evaluation import METRICS, expected_calibration_error, metrics_row
from crackdet.evaluation.intervals import share_interval


def random_case(seed, n=400, groups=60, ties=False):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, n)
    scores = np.clip(0.5 + 0.22 * (2 * labels - 1) + random.normal(0, 0.2, n), 0.001, 0.999)
    if ties:
        scores = np.round(scores, 1).clip(0.05, 0.95)
    return labels, scores, random.integers(0, groups, n)


def recall_at(labels, scores, rate):
    """The largest recall over every threshold, one by one."""
    best = 0.0
    for threshold in [*np.unique(scores), np.inf]:
        alarms = scores >= threshold
        if alarms[labels == 0].sum() <= rate * np.sum(labels == 0):
            best = max(best, float(alarms[labels == 1].mean()))
    return best


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_row_equals_scikit_learn(seed, ties):
    labels, scores, groups = random_case(seed, ties=ties)
    row = metrics_row(labels, scores, threshold=0.45, groups=groups, bootstrap=0)
    alarms = scores >= 0.45
    expected = {
        "accuracy": sklearn.metrics.accuracy_score(labels, alarms),
        "precision": sklearn.metrics.precision_score(labels, alarms),
        "recall": sklearn.metrics.recall_score(labels, alarms),
        "f1": sklearn.metrics.f1_score(labels, alarms),
        "false_alarm_rate": 1 - sklearn.metrics.recall_score(labels, alarms, pos_label=0),
        "auroc": sklearn.metrics.roc_auc_score(labels, scores),
        "average_precision": sklearn.metrics.average_precision_score(labels, scores),
        "brier": sklearn.metrics.brier_score_loss(labels, scores),
        "log_loss": sklearn.metrics.log_loss(labels, scores),
        "ece": expected_calibration_error(labels, scores),
        "recall_at_far_5pct": recall_at(labels, scores, 0.05),
        "recall_at_far_1pct": recall_at(labels, scores, 0.01),
        "recall_at_far_0_1pct": recall_at(labels, scores, 0.001),
    }
    assert set(expected) == set(METRICS)
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, abs=1e-12), name
    assert row["confusion"] == sklearn.metrics.confusion_matrix(labels, alarms).tolist()
    assert (row["n"], row["positives"]) == (labels.size, labels.sum())
    assert row["groups"] == np.unique(groups).size
    assert row["positive_groups"] == np.unique(groups[labels == 1]).size


def test_resampling_equals_a_plain_loop_over_resampled_images():
    labels, scores, groups = random_case(5, n=150, groups=20, ties=True)
    row = metrics_row(labels, scores, threshold=0.5, groups=groups, bootstrap=40, seed=9)
    names, numbers = np.unique(groups, return_inverse=True)
    draws = np.random.default_rng(9).multinomial(
        names.size, np.full(names.size, 1 / names.size), size=40
    )
    resampled = []
    for draw in draws:  # Every image as often as its group was drawn, then metrics as usual.
        images = np.repeat(np.arange(labels.size), draw[numbers])
        resampled.append(metrics_row(labels[images], scores[images], threshold=0.5, bootstrap=0))
    for name in ("average_precision", "ece"):
        variance = np.var([r[name] for r in resampled]) * 20 / 19
        expected = share_interval(row[name], variance, 20)
        assert row["intervals"][name] == pytest.approx(expected, abs=1e-12), name


def test_groups_that_err_together_widen_the_interval():
    random = np.random.default_rng(0)
    labels = np.repeat(random.integers(0, 2, 50), 20)
    right = np.repeat(random.random(50) < 0.8, 20)
    scores = np.where(right, labels, 1 - labels) * 0.8 + 0.1
    groups = np.repeat(np.arange(50), 20)

    def width(**options):
        low, high = metrics_row(labels, scores, threshold=0.5, **options)["intervals"]["accuracy"]
        return high - low

    # Twenty copies of each answer: the standard error grows by the square root of 20.
    assert width(groups=groups) / width() == pytest.approx(np.sqrt(20), rel=0.2)


def test_same_seed_repeats_to_the_bit_and_another_does_not():
    labels, scores, groups = random_case(1)
    rows = [
        metrics_row(labels, scores, threshold=0.5, groups=groups, bootstrap=50, seed=seed)
        for seed in (0, 0, 1)
    ]
    assert rows[0] == rows[1]
    assert rows[0]["intervals"] != rows[2]["intervals"]


@given(
    labels=st.lists(st.integers(0, 1), min_size=1, max_size=12),
    seed=st.integers(0, 10),
    levels=st.integers(1, 4),
    threshold=st.sampled_from([0.0, 0.5, 2.0]),
)
@settings(max_examples=50, deadline=None)
def test_any_row_is_json_and_in_range(labels, seed, levels, threshold):
    random = np.random.default_rng(seed)
    scores = random.integers(0, levels, len(labels)) / max(levels - 1, 1)
    groups = random.integers(0, 3, len(labels))
    row = metrics_row(labels, scores, threshold=threshold, groups=groups, bootstrap=20)
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    for name in METRICS:
        if name != "log_loss":
            assert row[name] is None or 0 <= row[name] <= 1
        if row["intervals"][name] is not None:
            low, high = row["intervals"][name]
            assert low < high
            assert low <= row[name] <= high
            assert row[name] is not None


def test_an_absent_class_gives_null_and_not_a_number():
    row = metrics_row([0, 0, 0], [0.1, 0.2, 0.3], threshold=0.5)
    assert row["recall"] is row["auroc"] is row["average_precision"] is row["precision"] is None
    assert row["intervals"]["auroc"] is None
    assert row["accuracy"] == 1.0
    assert (row["positive_groups"], row["negative_groups"]) == (0, 3)
    row = metrics_row([1, 1], [0.1, 0.9], threshold=0.5)
    assert row["false_alarm_rate"] is row["recall_at_far_1pct"] is None
    assert row["recall"] == 0.5


def test_a_single_image_has_figures_and_no_interval():
    row = metrics_row([1], [0.9], threshold=0.5)
    assert row["recall"] == row["accuracy"] == 1.0
    assert set(row["intervals"].values()) == {None}


def test_one_score_for_all_ranks_nothing():
    row = metrics_row([0, 1, 0, 1], [0.3] * 4, threshold=0.5)
    assert row["auroc"] == 0.5
    assert row["average_precision"] == 0.5
    assert row["recall_at_far_1pct"] == 0.0


def test_one_group_has_no_interval():
    row = metrics_row([0, 1], [0.1, 0.9], threshold=0.5, groups=[4, 4])
    assert set(row["intervals"].values()) == {None}


def test_far_limit_is_exact_where_floats_are_not():
    # 0.01 * 2900 is 28.999999999999996: the 29th false alarm is allowed all the same.
    negatives = np.linspace(0, 0.5, 2900)
    positive = np.sort(negatives)[-29]
    row = metrics_row(
        np.append(np.zeros(2900, int), 1),
        np.append(negatives, positive),
        threshold=0.5,
        bootstrap=0,
    )
    assert row["recall_at_far_1pct"] == 1.0


def test_scores_that_are_no_probabilities_have_no_calibration():
    row = metrics_row([0, 1], [8.0, 31.0], threshold=12.0, are_probabilities=False)
    assert row["brier"] is row["ece"] is row["log_loss"] is None
    assert row["accuracy"] == row["auroc"] == 1.0
    with pytest.raises(ValueError, match=r"probabilities in \[0, 1\]; received 8 to 31"):
        metrics_row([0, 1], [8.0, 31.0], threshold=12.0)


@pytest.mark.parametrize(
    ("labels", "scores", "options", "message"),
    [
        ([], [], {}, "nothing to evaluate"),
        ([0, 1], [0.5], {}, r"\(2,\) and \(1,\)"),
        ([0, 2], [0.5, 0.5], {}, r"must be 0 or 1; received \[0, 2\]"),
        ([0, 1], [0.5, np.nan], {}, "1 are not"),
        ([0, 1], [0.5, 0.5], {"groups": [1]}, r"groups must have shape \(2,\)"),
        ([0, 1], [0.5, 0.5], {"bootstrap": -1}, "at least 0"),
    ],
)
def test_wrong_arguments_are_named(labels, scores, options, message):
    with pytest.raises(ValueError, match=message):
        metrics_row(labels, scores, threshold=0.5, **options)


def test_a_thousand_resamples_of_four_thousand_images_take_seconds():
    labels, scores, groups = random_case(2, n=4000, groups=400)
    start = time.process_time()
    metrics_row(labels, scores, threshold=0.5, groups=groups)
    assert time.process_time() - start < 5


def test_unsure_images_are_mistakes_and_the_figures_without_them_stand_beside():
    random = np.random.default_rng(3)
    y, groups = np.arange(200) % 2, np.arange(200) // 4
    s = np.clip(0.5 + 0.3 * (2 * y - 1) + random.normal(0, 0.25, 200), 0, 1)
    unsure = random.random(200) < 0.1
    plain, row = (
        metrics_row(y, s, threshold=0.5, groups=groups, bootstrap=50, unsure=each)
        for each in (None, unsure)
    )
    wrong = ((s >= 0.5) != (y == 1)) | unsure
    assert row["accuracy"] == pytest.approx(1 - wrong.mean())
    assert row["recall"] == pytest.approx(1 - wrong[y == 1].mean())
    assert row["false_alarm_rate"] == pytest.approx(wrong[y == 0].mean())
    assert row["intervals"]["recall"][0] < row["recall"] < row["intervals"]["recall"][1]
    for name in ("auroc", "average_precision", "brier", "ece", "recall_at_far_1pct"):
        assert row[name] == plain[name]
    part = metrics_row(y[~unsure], s[~unsure], threshold=0.5, groups=groups[~unsure], bootstrap=50)
    facts = row["unsure"]
    assert facts["n"] == facts["positives"] + facts["negatives"] == unsure.sum()
    for name in ("n", "positives", "accuracy", "recall", "precision", "false_alarm_rate"):
        assert facts["answered"][name] == part[name], name
    assert facts["answered"]["confusion"] == part["confusion"]
    assert facts["answered"]["intervals"]["recall"] == part["intervals"]["recall"]
    assert "unsure" not in plain
    nothing = metrics_row(y, s, threshold=0.5, bootstrap=0, unsure=np.ones(200, bool))
    assert (nothing["recall"], nothing["unsure"]["answered"]["recall"]) == (0, None)
