"""What stands beside figures that would fool their reader."""

import numpy as np
import pytest

from crackdet.evaluation import compare_with_trivial, metrics_row
from crackdet.files import read_json, write_json
from crackdet.report.cautions import (
    against_trivial,
    few_cracks,
    groups_behind,
    nothing_wrong,
    run_cautions,
    temperature_caution,
)
from crackdet.report.page import render_page
from crackdet.report.run import read_run

LABELS = np.arange(50) % 5 > 1


def row(labels, scores, groups=None):
    return metrics_row(labels, scores, threshold=0.5, groups=groups, bootstrap=0)


def test_calling_everything_cracked_is_said_in_words():
    compared = compare_with_trivial(
        LABELS, np.ones(50), threshold=0.5, contrast_alarms=LABELS, groups=np.arange(50) // 5
    )
    cracked, contrast = against_trivial(compared, fitted_here=True)
    assert cracked == (
        "No better than calling everything cracked: mistakes cost 0.40 an image against 0.40 "
        "(difference 0.00 to 0.00), in false alarms, a missed crack counting as 5; "
        "accuracy 60.00 % against 60.00 %."
    )
    assert contrast.startswith(
        "No better than one threshold on contrast that was fitted on these very images: "
        "mistakes cost 0.40"
    )


def test_a_gain_that_chance_may_have_made_is_not_shown():
    scores = np.ones(50)
    scores[0] = 0  # One false alarm less than everything cracked.
    (cracked,) = against_trivial(compare_with_trivial(LABELS, scores, threshold=0.5))
    assert cracked.startswith(
        "Not shown to be better than calling everything cracked: mistakes cost 0.38"
    )


def test_a_good_classifier_is_called_better():
    compared = compare_with_trivial(LABELS, LABELS, threshold=0.5)
    assert against_trivial(compared) == [
        "Better than calling everything cracked and calling everything sound."
    ]
    assert against_trivial(None) == []


@pytest.mark.parametrize(
    ("labels", "scores", "words"),
    [
        ([0, 0], [0.1, 0.1], ["No image judged is cracked: recall and AUROC are undefined."]),
        ([0, 1], [0.1, 0.9], ["A single image judged is cracked: recall is all or nothing."]),
        (
            [1, 1],
            [0.1, 0.2],
            [
                "No image judged is sound: false-alarm rate and AUROC are undefined.",
                "Nothing was called cracked: precision is undefined.",
            ],
        ),
        ([0, 1, 1], [0.1, 0.9, 0.9], []),
    ],
)
def test_what_is_undefined_is_said(labels, scores, words):
    assert few_cracks(row(labels, scores)) == words


def test_groups_stand_behind_intervals():
    labels, groups = np.repeat([1, 0], [410, 20]), np.arange(430) // 10
    perfect = row(labels, labels, groups)
    assert groups_behind(perfect) == "41 groups with cracked images, 2 groups with sound ones"
    assert nothing_wrong(perfect) == [
        "No crack missed in 41 groups: up to 7 % remain possible.",
        "No false alarm in 2 groups: up to 78 % remain possible.",
    ]
    assert groups_behind(row([1], [0.9])) == "1 group with cracked images"
    assert groups_behind(row([0], [0.1])) == "1 group with sound images"
    assert nothing_wrong(row([1, 0], [0.1, 0.9])) == []


def test_a_bound_is_no_temperature():
    assert temperature_caution(1.2) == []
    (sentence,) = temperature_caution(20.0)
    assert sentence == "The temperature, 20, ended at its bound: scores are no probabilities."


def test_the_page_says_so_where_the_figures_stand(run_dir):
    metrics = read_json(run_dir / "metrics.json")
    test = metrics["after"]["test"]
    page = render_page(read_run(run_dir), {})
    assert "caution" not in page.partition("</style>")[2]
    assert f"{test['positive_groups']} groups" in page
    metrics["temperature"] = 0.05
    metrics["after"]["test"]["positives"] = 1
    metrics["trivial"] = compare_with_trivial(LABELS, np.ones(50), threshold=0.5)
    write_json(run_dir / "metrics.json", metrics)
    page = render_page(read_run(run_dir), {})
    head, _, results = page.partition('<h2 id="results">')
    for sentence in run_cautions(metrics):
        assert sentence in head
    assert len(run_cautions(metrics)) == 3
    assert run_cautions(metrics)[-1] in results
