"""A decision adapted to a few patches: near the old one where they say little, never forgetful."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from crackdet.data import CrackData
from crackdet.features import FeatureCache
from crackdet.models import FeatureStatistics
from crackdet.training.adapting import prepare, replay
from crackdet.training.decision import Head, Places, places_of
from tests.standin import standin_classifier
from tests.tiny import part

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
    return Head(np.where(np.arange(CHANNELS) < 5, 3.2, 0.0), -3.2 * 5 * 1.4)


@pytest.fixture(scope="module")
def statistics() -> FeatureStatistics:
    return FeatureStatistics.of(*old_site(2000, 9), rank=8)


def auroc(head: Head, site: tuple[np.ndarray, np.ndarray]) -> float:
    return float(roc_auc_score(site[1], head.log_odds(Places(site[0][:, None]))))


def test_a_strong_change_learns_the_site_and_the_replay_keeps_the_old_one(
    old: Head, statistics: FeatureStatistics
) -> None:
    x, y = new_site(60, 1)
    rest, before = new_site(1000, 2), old_site(1000, 3)

    def adapted(strength: float, replayed: FeatureStatistics | None) -> Head:
        return prepare(old, Places(x[:, None]), y, replayed, strength=strength).fit(np.arange(60))

    still, strong, forgetful = adapted(0, statistics), adapted(16, statistics), adapted(16, None)
    assert auroc(still, rest) == pytest.approx(auroc(old, rest), abs=1e-9), "0 changes no ranking"
    assert auroc(strong, rest) > auroc(still, rest) + 0.04
    assert auroc(strong, before) > 0.99
    assert auroc(strong, before) > auroc(forgetful, before) + 0.005


def test_the_fit_is_the_least_of_its_loss(old: Head, statistics: FeatureStatistics) -> None:
    """The fault that would pass unseen: coordinates that lead back to another head."""
    x, y = new_site(40, 1)
    adaptation = prepare(old, Places(x[:, None]), y, statistics, strength=4.0)
    rows = np.arange(0, 40, 2)
    head = adaptation.fit(rows)
    drawn = [statistics.draw(label, 128, 0) for label in (0, 1)]
    shown, labels = np.concatenate([x[rows], *drawn]), np.r_[y[rows], np.repeat([0, 1], 128)]
    weights = np.r_[np.ones(20), np.full(256, 20 / 256)]
    old_odds = old.log_odds(Places(shown[:, None]))

    def loss(scale: float, shift: float, change: np.ndarray) -> float:
        odds = scale * old_odds + shift + (shown - adaptation.centre) @ change
        data = weights @ (np.logaddexp(0, odds) - labels * odds)
        prior = (scale - 1) ** 2 + (shift / 3) ** 2 + np.square(change * adaptation.unit).sum()
        return float(data + prior / 2)

    # Scale, shift and change are read back from the head: of the scales that explain it, the best.
    def parts(scale: float) -> tuple[float, float, np.ndarray]:
        change = head.kernel - scale * old.kernel
        return scale, head.bias - scale * old.bias + change @ adaptation.centre, change

    best = min((parts(scale) for scale in np.linspace(0.2, 3, 561)), key=lambda each: loss(*each))
    random = np.random.default_rng(0)
    for _ in range(50):
        change = best[2] + 0.02 * random.normal(size=CHANNELS) / adaptation.unit
        moved = best[0], best[1] + 0.05 * random.normal(), change
        assert loss(*moved) > loss(*best) - 1e-4


def test_a_map_learns_what_is_no_crack_where_pooled_features_tell_nothing() -> None:
    """Two kinds of dark line, both of which the old map takes for a crack at one of 30 places."""
    random = np.random.default_rng(0)

    def site(count: int) -> tuple[Places, np.ndarray]:
        labels = np.arange(count) % 2
        features = np.abs(random.normal(0, 0.3, (count, 30, 8)))
        images, place = np.arange(count), random.integers(30, size=count)
        features[images, place, 0] += 3
        features[images, place, 1 + labels] += random.normal(1.5, 0.5, count)
        return Places(features.astype(np.float32), np.ones((count, 4), np.float32)), labels

    old = Head(np.array([0.1, 0.0, -0.1, 0.0, 0.8]), -1.0, np.eye(8)[0] * 2, -1.0, count=2)
    (few, labels), (rest, truth) = site(40), site(400)
    trained = np.column_stack(
        [np.ones((200, 4)), random.normal(0, 1, 200) + np.arange(200) % 2 * 4]
    )
    statistics = FeatureStatistics.of(trained, np.arange(200) % 2, rank=2)
    adaptation = prepare(old, few, labels, statistics, views=[(few, labels)] * 2)
    new = adaptation.fit(np.arange(40))
    before, after = (roc_auc_score(truth, head.log_odds(rest)) for head in (old, new))
    assert before < 0.6
    assert after > 0.9
    drawn = replay(old, few, statistics, 50, seed=1)
    evidence = old.seen(drawn) @ old.crack_map + old.map_bias
    np.testing.assert_allclose(
        evidence, np.r_[statistics.draw(0, 50, 1), statistics.draw(1, 50, 1)][:, -1], atol=1e-5
    )
    assert roc_auc_score(np.repeat([0, 1], 50), new.log_odds(drawn)) > 0.95
    # A patch's views weigh as much as the patch, and stay away with it.
    weights = adaptation.rows.weights
    assert weights[:120].sum() == pytest.approx(weights[120:].sum()) == pytest.approx(80)
    fits = [
        prepare(old, few, labels, views=[(few, of_views)]).fit(np.arange(30)).crack_map
        for of_views in (labels, np.where(np.arange(40) < 30, labels, 1 - labels))
    ]
    np.testing.assert_allclose(*fits, err_msg="views of patches that are left out have a say")


@pytest.mark.parametrize("pooling", ["average", "local"])
def test_what_decides_is_what_the_model_decides(pooling: str, tmp_path: Path) -> None:
    """The fault that would pass unseen: arrays that say something else than the network does."""
    images, labels = part(12, 5)
    data = CrackData.from_arrays(*[(images, labels)] * 3, class_names=("sound", "crack"))
    model = standin_classifier(32, pooling=pooling)
    head = Head.of(model)
    places, _ = places_of(model, data.test, FeatureCache(tmp_path, verbose=0))
    change = np.random.default_rng(0).normal(0, 0.1, head.at_places.size)
    for each in (head, head.moved(0.7, 0.3, change)):
        each.put_into(model)
        scores = model.predict(images, verbose=0)
        np.testing.assert_allclose(each.probabilities(places), scores, atol=2e-3)


def test_draws_of_other_channels_and_three_classes_are_refused(old: Head) -> None:
    with pytest.raises(ValueError, match="Expected places of 60 channels"):
        prepare(old, Places(np.ones((4, 1, 3))), np.arange(4) % 2)
