"""Thresholds that are chosen later, from the scores that stand beside a model."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from crackdet.errors import CrackdetError
from crackdet.evaluation import operating_point, precision_at
from crackdet.models.validation_scores import ValidationScores

probabilities = st.lists(
    st.floats(0, 1, width=32) | st.sampled_from([0.0, 1.0, 0.5]), min_size=1, max_size=30
)


@given(probabilities, probabilities, st.floats(0.01, 1))
# As a float32 the threshold just above this sound score was the score.
@example([float(np.float32(0.99999))], [0.0], 0.5)
@settings(max_examples=80, deadline=None)
def test_the_scores_themselves_keep_what_is_promised(negative, positive, share):
    y = np.repeat([0, 1], [len(negative), len(positive)])
    s = np.array([*negative, *positive], np.float32)
    stored = ValidationScores.of(y, s, "validation").stored()
    scores = ValidationScores.read(json.loads(json.dumps(stored)))

    point = operating_point(scores, recall=share)
    found, alarms = np.mean(s[y == 1] >= point.threshold), np.mean(s[y == 0] >= point.threshold)
    assert found >= share - 1e-9
    assert found >= point.recall - 1e-9
    assert alarms <= point.false_alarm_rate + 1e-9
    # No other score as threshold finds as many with fewer alarms, to the rounding of what is kept.
    for other in s[np.isin(s, (0, 1), invert=True)]:
        if np.mean(s[y == 1] >= other) >= share:
            rounded = expit(logit(float(other)) - 0.01)
            assert alarms <= np.mean(s[y == 0] >= rounded) + 1e-9

    if np.mean(s[y == 0] > 1 - 1e-6) <= share:  # else there is no such threshold
        point = operating_point(scores, false_alarm_rate=share)
        assert np.mean(s[y == 0] >= point.threshold) <= share + 1e-9
        assert 0 <= point.threshold <= 1


def test_a_threshold_lies_between_a_sound_and_a_cracked_score():
    scores = ValidationScores.of(
        [0] * 100 + [1] * 100,
        np.concatenate([np.full(99, 0.01), [0.9], [0.3], np.full(99, 0.97)]),
        "stress validation",
    )
    point = operating_point(scores, recall=0.99)
    middle = (logit(0.9) + logit(0.97)) / 2
    assert point.threshold == pytest.approx(expit(middle), abs=1e-3)
    assert (point.recall, point.false_alarm_rate) == (0.99, 0.0)
    assert "--recall 0.99: of the stress validation scores" in point.source
    point = operating_point(scores, false_alarm_rate=0.01)
    assert point.threshold == pytest.approx(expit((logit(0.01) + logit(0.3)) / 2), abs=1e-3)
    assert (point.recall, point.false_alarm_rate) == (1.0, 0.01)


def test_thousands_of_scores_take_a_few_kilobytes():
    random = np.random.default_rng(0)
    y = np.arange(8000) % 2
    stored = ValidationScores.of(y, expit(random.normal(8 * y - 4, 3)), "validation").stored()
    assert len(json.dumps(stored)) < 16_000


def test_wishes_out_of_range_and_broken_files_are_refused():
    scores = ValidationScores.of([0, 1, 1], [1.0, 0.4, 0.5], "validation")
    for wish in ({"recall": 0}, {"recall": 1.1}, {"false_alarm_rate": -0.1}, {}):
        with pytest.raises(ValueError, match="Received: "):
            operating_point(scores, **wish)
    with pytest.raises(CrackdetError, match="1 or more of the 1 sound images of validation"):
        operating_point(scores, false_alarm_rate=0)
    with pytest.raises(CrackdetError, match="copy the model's record again"):
        ValidationScores.read({**scores.stored(), "positive": "?"})


@given(st.floats(0.001, 1), st.floats(0.001, 1), st.integers(1, 99))
@settings(max_examples=30, deadline=None)
def test_precision_is_that_of_patches_drawn_at_the_prevalence(recall, false_alarms, cracked):
    alarms = np.array([cracked * recall, (100 - cracked) * false_alarms])
    expected = alarms[0] / alarms.sum()
    assert precision_at(cracked / 100, recall, false_alarms) == pytest.approx(expected)
