"""Probability of detection: against scikit-learn and SciPy, its coverage, and what is not known."""

import json

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit, logit
from scipy.stats import chi2
from sklearn.linear_model import LogisticRegression

from crackdet.evaluation import detection_by_width, probability_of_detection

A90 = float(np.exp((logit(0.9) + 1.0) / 2.5))  # of the curve that cases are drawn from


def case(count: int, seed: int, groups: int | None = None, spread: float = 0.0) -> tuple:
    rng = np.random.default_rng(seed)
    widths = rng.permutation(np.geomspace(0.3, 10, count))
    group_of = np.arange(count) % (groups or count)
    wall = spread * rng.standard_normal(groups or count)[group_of]
    return widths, rng.random(count) < expit(2.5 * np.log(widths) - 1 + wall), group_of


def test_curve_and_bound_are_those_of_an_independent_computation() -> None:
    widths, hits, _ = case(120, 3)
    result = probability_of_detection(widths, hits)
    x = np.log(widths)
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(x[:, None], hits)
    assert result["slope"] == pytest.approx(fitted.coef_[0, 0], rel=1e-4)
    assert result["intercept"] == pytest.approx(fitted.intercept_[0], rel=1e-4)
    curve = {name: np.array(values) for name, values in result["curve"].items()}
    expected = fitted.predict_proba(np.log(curve["width"])[:, None])[:, 1]
    np.testing.assert_allclose(curve["pod"], expected, rtol=1e-4)

    def profile(width: float) -> float:
        """Deviance of the best curve that finds 90 % at a width."""

        def loss(slope: float) -> float:
            eta = logit(0.9) + slope * (x - np.log(width))
            return 2 * float(np.sum(np.logaddexp(0, eta) - hits * eta))

        return float(minimize_scalar(loss, (0.5, 4)).fun)

    best = result["a90"]
    limit = profile(best) + chi2.ppf(0.90, 1)  # one side of it is 95 %
    bound = brentq(lambda width: profile(width) - limit, best, 8 * best)
    assert result["a90_95"] == pytest.approx(bound, rel=1e-3)
    # The bound is where the lower band crosses 90 %.
    assert np.interp(np.log(bound), np.log(curve["width"]), curve["low"]) == pytest.approx(
        0.9, abs=5e-3
    )
    assert np.all((curve["low"] <= curve["pod"]) & (curve["pod"] <= curve["high"]))
    assert result["above_a90"]["n"] == np.sum(widths >= best)
    assert sum(each["found"] for each in result["observed"]) == result["found"] == hits.sum()
    assert json.loads(json.dumps(result, allow_nan=False)) == result


@pytest.mark.parametrize(("groups", "spread"), [(None, 0.0), (30, 1.0)])
def test_the_bound_holds_in_95_of_100_cases(groups: int | None, spread: float) -> None:
    held = []
    for seed in range(150):
        widths, hits, group_of = case(90, seed, groups, spread)
        options = {"groups": group_of} if groups else {}
        bound = probability_of_detection(widths, hits, **options)["a90_95"]
        # The wall shifts the curve: over all walls it is flatter, its 90 % further up.
        held.append(bound is None or bound >= (A90 if not groups else 4.13))
    assert 0.9 <= np.mean(held) <= 0.99


@pytest.mark.parametrize(
    ("widths", "hits", "words"),
    [
        ([1, 2, 3], [1, 1, 1], "All 3 cracks were found, the narrowest of 1 px"),
        ([1, 2, 3], [0, 0, 0], "None of 3 cracks was found"),
        ([1, 2, 3, 4], [0, 0, 1, 1], "All cracks from 3 px on were found and none up to 2 px"),
        ([1, 2, 3, 4], [1, 1, 0, 0], "Wider cracks are not found more often"),
        ([1, 2, 3, 4], [1, 0, 1, 0], "Wider cracks are not found more often"),
        ([1, 2, 3, 4] * 20, [0, 0, 1, 0] * 20, "No width up to 4 px is found in 90 %"),
        ([1, 2, 3, 4, 9], [0, 1, 0, 1, 1], "With 95 % confidence no width up to 9 px"),
    ],
)
def test_what_cannot_be_told_is_none_and_said_in_words(
    widths: list[float], hits: list[int], words: str
) -> None:
    result = probability_of_detection(widths, hits)
    assert words in result["note"]
    assert result["a90_95"] is None
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_what_is_narrower_than_all_that_was_painted_is_not_named() -> None:
    result = probability_of_detection([1, 2, 3, 4] * 40, [0, 0, *[1] * 158])
    assert result["a90"] is None
    assert "The narrowest of 1 px too" in result["note"]


def test_by_contrast_with_the_false_alarms_of_the_same_walls() -> None:
    widths, hits, groups = case(120, 1, 10)
    contrasts = np.repeat([0.15, 0.3], 60)
    labels = np.r_[np.ones(120, int), np.zeros(20, int)]
    scores = np.r_[np.where(hits, 0.9, 0.1), np.linspace(0, 0.6, 20)]
    unsure = np.zeros(140, bool)
    unsure[[0, 120]] = True
    facts = detection_by_width(
        labels,
        scores,
        np.r_[widths, np.zeros(20)],
        np.r_[contrasts, np.zeros(20)],
        threshold=0.5,
        groups=np.r_[groups, groups[:20]],
        unsure=unsure,
    )
    assert list(facts["contrasts"]) == ["0.15", "0.3"]
    missed = hits.copy()
    missed[0] = False  # of which it is unsure
    part = probability_of_detection(widths[:60], missed[:60], groups=groups[:60])
    assert facts["contrasts"]["0.15"] == part
    assert facts["overall"]["found"] == missed.sum()
    alarms = 1 + np.sum(np.linspace(0, 0.6, 20) >= 0.5)
    assert facts["false_alarms"]["alarms"] == alarms
    assert facts["false_alarms"]["rate"] == alarms / 20
    with pytest.raises(ValueError, match="a positive width"):
        probability_of_detection([0.0, 1.0], [0, 1])
