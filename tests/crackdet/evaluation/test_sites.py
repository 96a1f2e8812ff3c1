"""A classifier on other sites: the figures are its own, the filters' and their difference's."""

import numpy as np
import pytest
import sklearn.metrics

from crackdet.data import CrackData
from crackdet.evaluation import Site, transfer
from crackdet.evaluation.intervals import auroc_difference
from crackdet.evaluation.sites import mean_auroc
from tests.crackdet.evaluation.conftest import cracked_patches


def test_each_site_has_its_row(line_classifier) -> None:
    images, labels, groups = cracked_patches(60, 5)
    sound = np.flatnonzero(labels == 0)
    parts = ((images, labels, groups), (images[sound], labels[sound], groups[sound]))
    whole = [CrackData.from_arrays(part, part, part).test for part in parts]
    sites = [Site("bridge", whole[0], "CC0"), Site("sound", whole[1])]
    both, one = transfer(line_classifier(), sites, threshold=0.5, bootstrap=20)
    row, untrained = both.row, both.row["untrained"]
    assert (row["site"], row["licence"], row["n"], row["groups"]) == ("bridge", "CC0", 60, 15)
    assert row["share_cracked"] == 0.5
    for name, area in untrained["auroc"].items():
        assert area == pytest.approx(sklearn.metrics.roc_auc_score(labels, both.filters[name]))
    best = untrained["best"]
    assert untrained["auroc"][best] == max(untrained["auroc"].values())
    assert untrained["gain"] == pytest.approx(row["auroc"] - untrained["auroc"][best])
    low, high = untrained["gain_interval"]
    assert low < untrained["gain"] < high
    assert untrained["better"] is (low > 0)
    # A site of one class is measured as far as it goes, and does not count in the mean.
    assert one.row["auroc"] is one.row["untrained"]["best"] is None
    assert one.row["false_alarm_rate"] is not None
    assert mean_auroc([both.row, one.row]) == (row["auroc"], untrained["auroc"][best])
    assert mean_auroc([one.row]) is None


def test_the_interval_of_a_difference_holds_and_takes_groups_for_what_they_are() -> None:
    """Two scores that share their noise are told apart more surely than two that do not."""
    random = np.random.default_rng(0)
    labels = np.arange(400) % 2
    noise = random.normal(size=(3, 400))
    own, near = labels + noise[0], labels + noise[0] + 0.3 * noise[1]
    other = 0.9 * labels + noise[2]
    alone = np.arange(400)

    def width(scores: np.ndarray, groups: np.ndarray) -> float:
        found = auroc_difference(labels, own, scores, groups)
        assert found is not None
        assert found[1] is not None
        expected = sklearn.metrics.roc_auc_score(labels, own)
        assert found[0] == pytest.approx(expected - sklearn.metrics.roc_auc_score(labels, scores))
        return found[1][1] - found[1][0]

    assert width(near, alone) < 0.5 * width(other, alone)
    assert width(other, np.repeat(np.arange(8), 50)) != width(other, alone)
    assert auroc_difference(labels[::2], own[::2], near[::2], alone[::2]) is None
    assert auroc_difference(labels, own, near, np.zeros(400, int)) == (
        pytest.approx(0.0, abs=0.05),
        None,
    )
    assert auroc_difference(labels, own, own, alone) == (0.0, None)
