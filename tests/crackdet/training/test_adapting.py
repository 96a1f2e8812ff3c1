"""A head adapted to a few features: near the old one where they say little, and never forgetful."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from crackdet.models import FeatureStatistics
from crackdet.training.adapting import Head, prepare

CHANNELS = 60


def old_site(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positive features in which the first five channels tell the classes apart."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    x = np.abs(random.normal(1, 0.3, (count, CHANNELS)))
    x[:, :5] += 0.8 * labels[:, None]
    return x, labels


def new_site(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Here all is brighter, and five other channels tell them apart far better."""
    x, labels = old_site(count, seed)
    x[:, :5] = x[:, :5] - 0.6 * labels[:, None] + 0.5
    x[:, 5:10] += 0.5 * labels[:, None]
    return x, labels


@pytest.fixture(scope="module")
def old() -> Head:
    weights = np.where(np.arange(CHANNELS) < 5, 1.6, 0.0)
    kernel = np.stack([-weights, weights], axis=1)
    return Head(kernel, np.array([1.6, -1.6]) * 5 * 1.4)


@pytest.fixture(scope="module")
def statistics() -> FeatureStatistics:
    return FeatureStatistics.of(*old_site(2000, 9), rank=8)


def auroc(head: Head, site: tuple[np.ndarray, np.ndarray]) -> float:
    return float(roc_auc_score(site[1], head.log_odds(site[0])))


def test_a_strong_change_learns_the_site_and_the_replay_keeps_the_old_one(
    old: Head, statistics: FeatureStatistics
) -> None:
    x, y = new_site(60, 1)
    rest, before = new_site(1000, 2), old_site(1000, 3)

    def adapted(strength: float, replay: FeatureStatistics | None) -> Head:
        return prepare(old, x, y, replay, strength=strength).fit(np.arange(60))

    still, strong, forgetful = adapted(0, statistics), adapted(16, statistics), adapted(16, None)
    assert auroc(still, rest) == pytest.approx(auroc(old, rest), abs=1e-9), "0 changes no ranking"
    assert auroc(strong, rest) > auroc(still, rest) + 0.04
    assert auroc(strong, before) > 0.99
    assert auroc(strong, before) > auroc(forgetful, before) + 0.005


def test_the_fit_is_the_least_of_its_loss_and_the_head_is_what_was_fitted(
    old: Head, statistics: FeatureStatistics
) -> None:
    """The fault that would pass unseen: coordinates that lead back to another head."""
    x, y = new_site(40, 1)
    adaptation = prepare(old, x, y, statistics, strength=4.0)
    rows = np.arange(0, 40, 2)
    head = adaptation.fit(rows)

    def loss(scale: float, shift: float, change: np.ndarray) -> float:
        chosen = np.concatenate([rows, np.arange(40, adaptation.labels.size)])
        weights = np.r_[np.ones(20), np.full(chosen.size - 20, 20 / (chosen.size - 20))]
        odds = scale * adaptation.old_odds + shift + adaptation.coordinates @ change
        odds, labels = odds[chosen], adaptation.labels[chosen]
        data = weights @ (np.logaddexp(0, odds) - labels * odds)
        priors = (scale - 1) ** 2 + (shift / 3) ** 2 + change @ change
        return float(data + priors / 2)

    # Read back what was fitted from the head's own log-odds.
    size = adaptation.coordinates.shape[1]
    everything = np.column_stack(
        [adaptation.old_odds, np.ones(adaptation.labels.size), adaptation.coordinates]
    )
    direction = np.linalg.pinv(adaptation.axes.T)
    drawn = [statistics.draw(label, 128, 0) for label in (0, 1)]
    odds = head.log_odds(np.concatenate([x, *drawn]))
    change = head.kernel[:, 1] - head.kernel[:, 0]
    old_weights = old.kernel[:, 1] - old.kernel[:, 0]

    def parts(scale: float) -> tuple[float, np.ndarray]:
        rest = direction @ (change - scale * old_weights)
        fitted = everything @ np.r_[scale, 0, rest]
        return float(np.mean(odds - fitted)), rest

    scales = np.linspace(0.2, 3, 561)
    losses = [loss(scale, *parts(scale)) for scale in scales]
    scale = scales[int(np.argmin(losses))]
    shift, rest = parts(scale)
    np.testing.assert_allclose(everything @ np.r_[scale, shift, rest], odds, atol=1e-6)
    best = min(losses)
    random = np.random.default_rng(0)
    for _ in range(50):
        moved = rest + 0.0125 * random.normal(size=size)
        assert loss(scale, shift + 0.05 * random.normal(), moved) > best - 1e-4


def test_draws_of_other_channels_and_three_classes_are_refused(old: Head) -> None:
    with pytest.raises(ValueError, match="features must have shape"):
        prepare(old, np.ones((4, 3)), np.arange(4) % 2)
