"""A classifier on other sites: the figures are its own, the filters' and their difference's."""

import numpy as np
import pytest
import sklearn.metrics

from crackdet.data import CrackData
from crackdet.evaluation import Site, transfer
from crackdet.evaluation.intervals import auroc_difference
from crackdet.evaluation.sites import mean_auroc, write_sites
from crackdet.files import read_csv
from crackdet.models.out_of_distribution import OutOfDistribution
from crackdet.report import write_sites_report
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


def test_files_and_page_tell_the_figures_with_and_without_unsure_patches(
    line_classifier, tmp_path
) -> None:
    images, labels, groups = cracked_patches(60, 5)
    part = (images, labels, groups)
    site = Site("bridge", CrackData.from_arrays(part, part, part).test)
    detector = OutOfDistribution(lambda features: features[:, 0], float("inf"))
    (sure,) = transfer(line_classifier(), [site], threshold=0.5, detector=detector, bootstrap=20)
    assert sure.row["unsure"]["n"] == 0
    # It is unsure of half of the cracks that it finds.
    found = iter((sure.scores >= 0.5) & (labels == 1) & (np.arange(60) % 4 == 1))
    doubtful = OutOfDistribution(lambda features: np.array([next(found) for _ in features]), 0.5)
    results = transfer(line_classifier(), [site], threshold=0.5, detector=doubtful, bootstrap=20)
    row = results[0].row
    answered = row["unsure"]["answered"]
    about = {"model": "mine", "limits": "", "threshold": 0.5, "threshold_from": "given"}
    write_sites(tmp_path, results, about | {"command": "crackdet transfer", "versions": {}})
    (line,) = read_csv(tmp_path / "sites.csv")
    assert float(line["ece"]) == pytest.approx(row["ece"], abs=1e-5)
    assert float(line["brier_low"]) <= row["brier"] <= float(line["brier_high"])
    assert float(line["recall"]) == pytest.approx(row["recall"], abs=1e-5)
    assert float(line["recall_without_unsure"]) == pytest.approx(answered["recall"], abs=1e-5)
    assert row["recall"] < answered["recall"] <= sure.row["recall"]
    page = write_sites_report(tmp_path).read_text("utf-8")
    assert "Recall without them" in page
    assert page.count(f"{100 * answered['recall']:.2f} %") >= 1
    assert f"{row['ece']:.4f}" in page


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
