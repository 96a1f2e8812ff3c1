"""The stress score against scikit-learn, and what it makes of missing classes."""

import json

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from crackdet.evaluation import stress_score


def case(count: int = 240) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    scores = np.round(np.clip(0.5 + 0.2 * (2 * labels - 1) + rng.normal(0, 0.3, count), 0, 1), 2)
    families = np.array(["rust", "twigs", "blur"])[np.arange(count) // 2 % 3]
    return labels, scores, families, 1 + np.arange(count) // 6 % 5


def test_families_count_alike_and_equal_scikit_learn() -> None:
    labels, scores, families, severities = case()
    keep = (families != "blur") | (np.arange(240) < 60)  # a small family weighs as much
    labels, scores, families, severities = (
        each[keep] for each in (labels, scores, families, severities)
    )
    result = stress_score(labels, scores, families.tolist(), severities, threshold=0.4)
    areas, losses, right = [], [], []
    for name, row in result["families"].items():
        y, s = labels[families == name], scores[families == name]
        areas.append(sklearn.metrics.roc_auc_score(y, s))
        losses.append(sklearn.metrics.log_loss(y, np.clip(s, 1.2e-7, 1 - 1.2e-7)))
        right.append(sklearn.metrics.accuracy_score(y, s >= 0.4))
        assert row["auroc"] == pytest.approx(areas[-1])
        assert row["auroc_interval"][0] < row["auroc"] < row["auroc_interval"][1]
        for severity, cell in row["severities"].items():
            here = (families == name) & (severities == int(severity))
            expected = sklearn.metrics.roc_auc_score(labels[here], scores[here])
            assert cell["auroc"] == pytest.approx(expected)
            assert cell["n"] == here.sum()
    assert result["auroc"] == pytest.approx(np.mean(areas))
    errors = [1 - area + 1 / (2 * n) for area, n in zip(areas, (80, 80, 20), strict=True)]
    assert result["score"] == pytest.approx(1 - scipy.stats.gmean(errors))
    assert result["loss"] == pytest.approx(np.mean(losses), rel=1e-4)
    assert result["accuracy"] == pytest.approx(np.mean(right))
    of_fifth = [row["severities"]["5"]["auroc"] for row in result["families"].values()]
    assert result["severities"]["5"]["auroc"] == pytest.approx(np.mean(of_fifth))
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_a_family_of_one_class_has_no_area_and_is_left_out_of_the_mean() -> None:
    result = stress_score(
        [0, 1, 0, 1, 1], [0.1, 0.9, 0.9, 0.1, 1.0], ["a", "a", "b", "b", "c"], [1, 1, 1, 1, 2]
    )
    assert result["families"]["c"]["auroc"] is None
    assert result["auroc"] == 0.5
    assert result["severities"]["2"]["auroc"] is None
    with pytest.raises(ValueError, match="probabilities"):
        stress_score([0, 1], [0, 1.5], ["a", "a"], [1, 1])
    with pytest.raises(ValueError, match="a family and a severity for each of the 2 images"):
        stress_score([0, 1], [0, 1], ["a"], [1, 1])
