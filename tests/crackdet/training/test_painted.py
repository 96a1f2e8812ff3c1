"""Painting in training: labels change with images, and the stress loss says which epoch counts."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from crackdet.data import CrackData, ImageSplit
from crackdet.features import FeatureCache
from crackdet.features.painted import make_painter, painting_keys
from crackdet.files import read_csv
from crackdet.runs.files import HISTORY
from crackdet.runs.history import should_stop
from crackdet.training import fit, fit_heads
from crackdet.training.sources import PaintedBatches
from tests.bars import Bars

MakeModel = Callable[..., keras.Model]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FeatureCache:
    return FeatureCache(tmp_path_factory.mktemp("cache"), engine="keras", verbose=0)


def one_image(data: CrackData, label: int) -> ImageSplit:
    """One picture, called cracked or sound: what is good for one loss is bad for the other."""
    split = data.validation.subset([0])
    split.labels = np.array([label])
    return split


def loss_on(split: ImageSplit, model: keras.Model, cache: FeatureCache) -> float:
    probabilities = cache.predict(model, split)
    return float(-np.log(probabilities[np.arange(split.num_images), split.labels]).mean())


def test_the_loss_under_stress_decides(
    make_model: MakeModel, data: CrackData, cache: FeatureCache, tmp_path: Path
) -> None:
    painted = {"epochs": 3, "views": 2, "cache": cache, "painting": Bars()}
    losses, kept = [], []
    for label in (0, 1):
        model, stress = make_model(), one_image(data, label)
        history = fit(
            model, data, stress=stress, learning_rate=2e-2, patience=None, run_dir=tmp_path,
            verbose=0, **painted,
        ).history  # fmt: skip
        losses.append(history["val_stress_loss"])
        kept.append(int(np.argmin(losses[-1])))
        assert loss_on(stress, model, cache) == pytest.approx(min(losses[-1]), rel=1e-4)
    assert kept[0] != kept[1], "the same training, another epoch"
    rows = read_csv(tmp_path / HISTORY)
    assert [float(row["val_stress_loss"]) for row in rows] == losses[1]
    # Heads side by side: the same, and patience follows the same loss.
    (found,) = fit_heads(
        [make_model()], data, learning_rates=[2e-2], seeds=[0], stress=stress, patience=1, **painted
    )
    epochs = len(found.history["loss"])
    assert epochs == 3 or should_stop(losses[1][:epochs], 1)
    assert not any(should_stop(losses[1][:end], 1) for end in range(1, epochs))
    assert list(found.history) == list(history)
    for name in ("loss", "accuracy", "val_loss", "val_stress_loss", "val_stress_accuracy"):
        expected = history[name][:epochs]
        np.testing.assert_allclose(found.history[name], expected, rtol=1e-4, err_msg=name)


@pytest.mark.slow
def test_images_are_painted_live(
    make_model: MakeModel, data: CrackData, cache: FeatureCache
) -> None:
    model, stress = make_model(), one_image(data, 1)
    options = {"epochs": 1, "class_weight": "balanced", "verbose": 0}
    history = fit(model, data, painting=Bars(), stress=stress, **options).history
    assert loss_on(stress, model, cache) == pytest.approx(history["val_stress_loss"][0], rel=1e-3)
    assert fit(make_model(), data, **options).history["loss"] != history["loss"]


def test_images_are_painted_anew_in_each_epoch(data: CrackData) -> None:
    split = data.train.subset(range(70))
    batches = PaintedBatches(split, Bars(), seed=3)
    labels = []
    for epoch in (0, 1):
        batches.epoch = split.epoch = epoch
        images, shown = batches[1]
        indices = split.batch_indices(1)
        paint = make_painter(Bars(), split.image_size)
        keys = painting_keys([split.digests[i] for i in indices], epoch, 3)
        alone = paint(split.images(indices), split.labels[indices], keys)
        np.testing.assert_array_equal(images, alone.images)
        np.testing.assert_array_equal(shown, alone.labels)
        labels.append(batches.some_labels())
    assert len(labels[0]) == 70
    assert (labels[0] != labels[1]).any()
    assert all(each.mean() > split.labels.mean() for each in labels)


def test_what_cannot_be_painted_is_refused(
    make_model: MakeModel, data: CrackData, cache: FeatureCache
) -> None:
    with pytest.raises(ValueError, match="views of 2 or more"):
        fit(make_model(), data, views=1, cache=cache, painting=Bars())
