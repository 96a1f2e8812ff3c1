"""Adapting to a few patches: measured out of folds, kept where it is better, written whole."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from crackdet.data import CrackData, ImageSplit
from crackdet.errors import CrackdetError
from crackdet.evaluation import adaptation
from crackdet.evaluation.adaptation import adapt, adapt_head, write_adapted
from crackdet.evaluation.familiar import surface
from crackdet.features import FeatureCache, head_inputs
from crackdet.models import FeatureStatistics, KnownImages, feature_statistics, known_images
from crackdet.models.out_of_distribution import OutOfDistribution, mahalanobis
from crackdet.models.record import read_record
from crackdet.models.units import HEAD_NAME
from crackdet.training.decision import Head, Places
from tests.standin import standin_classifier
from tests.tiny import part

CHANNELS = 30
OLD = Head(np.eye(CHANNELS)[0] * 2, -2.0)


def features(count: int, seed: int, *, told: float) -> tuple[Places, np.ndarray, np.ndarray]:
    """Noise, one channel of which the old head looks at and another that tells the classes."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    x = random.normal(1, 1, (count, CHANNELS)).astype(np.float32)
    x[:, 1] += told * labels
    return Places(x[:, None]), labels, np.arange(count) // 4


def test_what_helps_is_kept_and_what_does_not_is_not() -> None:
    found = adapt_head(OLD, *features(80, 0, told=4.0), bootstrap=20)
    assert found.better
    assert found.gain["auroc"] > 0.1
    assert found.gain["log_loss_interval"][0] > 0
    assert found.after["auroc"] - found.before["auroc"] == pytest.approx(found.gain["auroc"])
    x, y, _ = features(400, 1, told=4.0)
    assert np.mean((found.head.log_odds(x) > 0) == y) > 0.9
    # The reason for folds in folds: noise fitted on its own patches looks like a gain.
    nothing = [
        adapt_head(Head(OLD.kernel * 0, 0.0), *features(40, seed, told=0.0), bootstrap=0)
        for seed in range(3)
    ]
    assert not any(each.better for each in nothing)


def test_no_photo_stands_on_both_sides_unless_it_must() -> None:
    x, y, groups = features(60, 0, told=4.0)
    found = adapt_head(OLD, x, y, groups, bootstrap=0)
    assert found.notes[0].startswith("The model comes without statistics")
    assert len(found.notes) == 1
    for group in np.unique(groups):
        assert np.unique(found.fold_of[groups == group]).size == 1
    one_photo = np.where(y == 0, 1000, groups)
    parted = adapt_head(OLD, x, y, one_photo, bootstrap=0)
    assert np.unique(parted.fold_of[y == 0]).size == 5
    for group in np.unique(groups):
        assert np.unique(parted.fold_of[(groups == group) & (y == 1)]).size == 1
    assert any("Most sound patches are of one photo" in note for note in parted.notes)
    few = np.flatnonzero((y == 1) | (np.arange(60) < 8))
    with pytest.raises(CrackdetError, match="received 30 cracked and 4 sound"):
        adapt_head(OLD, *(each[few] for each in (x, y, groups)))


def test_the_written_model_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptation, "VIEWS", 0)  # painting is long to compile
    images, labels = part(40, 5)
    data = CrackData.from_arrays(*[(images, labels)] * 3, class_names=("sound", "crack"))
    model, cache = standin_classifier(32), FeatureCache(tmp_path / "cache", verbose=0)
    x = head_inputs(model, data.test, cache)
    whole = keras.Model(model.input, model.get_layer(HEAD_NAME).input).predict(images, verbose=0)
    np.testing.assert_allclose(x, whole, atol=2e-3)
    below, _ = surface(model, data.test, cache, 3)
    surfaces = FeatureStatistics.of(below, labels, rank=4)
    limit = {"unsure_limit": np.median(mahalanobis(surfaces)(below))}
    statistics = FeatureStatistics.of(x, labels, rank=4).with_surface(surfaces, 3)
    statistics = dataclasses.replace(statistics, extra={**statistics.extra, **limit})
    passed: list[int] = []
    read = ImageSplit.images
    monkeypatch.setattr(
        ImageSplit, "images", lambda self, chosen: passed.append(len(chosen)) or read(self, chosen)
    )
    other = FeatureCache(tmp_path / "other", verbose=0)
    found = adapt(model, data.test, other, statistics=statistics, bootstrap=20)
    assert sum(passed) == 40, "one pass serves what is adapted and what is unsure"
    assert found.better
    assert found.forgotten is not None
    old = KnownImages.of({"train": ["00" * 8]})
    write_adapted(tmp_path / "new", model, found, data, data.test, known=old)
    adapted = keras.models.load_model(tmp_path / "new" / "model.keras")
    scores = adapted.predict(images, verbose=0)[:, 1]
    np.testing.assert_allclose(
        scores, found.head.probabilities(Places(whole[:, None]))[:, 1], atol=2e-3
    )
    record = read_record(tmp_path / "new" / "model.keras")
    assert record is not None
    assert record.threshold == found.choice.threshold
    known = known_images(tmp_path / "new")
    assert known is not None
    assert known.roles([data.test.digests[0], "00" * 8, "11" * 8]) == ["train", "start", ""]
    assert found.unsure == 0.5
    detector = OutOfDistribution.of(feature_statistics(tmp_path / "new"))
    assert detector is not None
    assert not detector.unsure(below).any(), "the new site's own patches"
    told = json.loads((tmp_path / "new" / "adaptation.json").read_text("utf-8"))
    assert told["better"] is True
    assert told["after"]["n"] == 40
