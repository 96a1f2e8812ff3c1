"""Figures in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackdet.report.site_words import verdict
from crackdet.report.words import headline, interval, of_hundred, plural, written
from crackdet.runs.record import spelled


def row(recall=0.97, rate=0.012, bounds=([0.95, 0.985], [0.004, 0.02]), groups=(150, 300)):
    return {
        "recall": recall,
        "false_alarm_rate": rate,
        "positive_groups": groups[0],
        "negative_groups": groups[1],
        "intervals": {"recall": bounds[0], "false_alarm_rate": bounds[1]},
    }


def test_headline_counts_misses_and_false_alarms_of_a_hundred():
    assert headline(row()) == (
        "Of 100 cracked patches it misses 3 (95 % interval 1.5 to 5, from 150 groups of images). "
        "On 100 sound patches it raises 1.2 false alarms "
        "(95 % interval 0.4 to 2, from 300 groups of images)."
    )


def test_no_error_seen_is_not_called_certain():
    text = headline(row(recall=1.0, rate=0.0, bounds=([1, 1], [0, 0])))
    assert "misses 0 (none in 150 groups of images: up to 2 remain possible)." in text
    assert (
        "raises 0 false alarms (none in 300 groups of images: up to 0.99 remain possible)." in text
    )


def test_headline_without_intervals_or_classes():
    assert headline(row(bounds=(None, None))) == (
        "Of 100 cracked patches it misses 3. On 100 sound patches it raises 1.2 false alarms."
    )
    text = headline(row(recall=None, rate=None, bounds=(None, None)))
    assert text == "No patch judged is cracked. No patch judged is sound."


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0"),
        (0.00049, "0.049"),
        (0.0031, "0.31"),
        (0.01, "1"),
        (0.034, "3.4"),
        (0.1, "10"),
        (0.0996, "10"),
        (0.00999, "1"),
        (1, "100"),
    ],
)
def test_of_hundred_keeps_two_digits(share, text):
    assert of_hundred(share) == text


@given(st.floats(0, 1))
def test_of_hundred_is_near_the_share(share):
    assert float(of_hundred(share)) == pytest.approx(100 * share, rel=0.06)


def test_values_that_are_undefined_are_a_dash():
    assert written("recall", None) == written("auroc", None) == "\N{EN DASH}"
    assert written("recall", 0.98765) == "98.77 %"
    assert written("auroc", 0.98765) == "0.9877"
    assert interval("recall", {"intervals": {"recall": None}}) == ""
    assert interval("recall", {"intervals": {"recall": [0.5, 1]}}) == "50.00 to 100.00"


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        (None, "too little to tell whether the best untrained filter (contrast, 0.9000) is worse."),
        ([-0.2, -0.1], "worse than the best untrained filter (contrast, 0.9000): -0.150 [-0.200"),
        ([-0.2, 0.1], "not shown to be better than the best untrained filter"),
    ],
)
def test_a_verdict_on_a_site_is_a_sentence(bounds, words):
    """Of three patches it was "not to be compared than the best untrained filter"."""
    untrained = {"best": "contrast", "auroc": {"contrast": 0.9}, "gain": -0.15}
    untrained |= {"gain_interval": bounds, "better": None if bounds is None else False}
    assert words in verdict({"auroc": 0.75, "untrained": untrained})


def test_counts_agree_with_their_noun():
    assert plural(1, "mistake") == "1 mistake"
    assert plural(2000, "image") == "2,000 images"


def test_values_are_written_as_the_command_line_takes_them():
    """A run was to be repeated with --mixed-precision false, which is no value of it."""
    assert [spelled(value) for value in (True, False, None, 3, "a", [1, 2])] == [
        *("yes", "no", "none", "3", "a", "1,2"),
    ]
