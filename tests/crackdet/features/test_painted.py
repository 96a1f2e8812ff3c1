"""Painted views: their labels and masks are the painting's own, whatever was asked for before."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.features import FeatureCache, computing
from crackdet.features import cache as module
from crackdet.features.painted import averaged, make_painter, painting_keys
from crackdet.features.views import make_augmenter
from crackdet.layers import RandomDihedral, RandomIllumination, RandomSimilarity
from crackdet.models import split_at
from tests.bars import Bars

MakeModel = Callable[..., keras.Model]


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache", engine="keras", verbose=0)


def test_a_painted_view_has_the_paintings_labels_and_masks(
    make_model: MakeModel, data: CrackData, cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(augmentation=RandomDihedral())
    painting = Bars(masks=True)
    (clean, shown, again), _ = cache.training_features(model, 2, data, 3, 7, painting)
    assert clean.labels is None
    assert clean.masks is None
    images, labels = data.train.images(range(70)).astype(np.float32), data.train.labels
    digests = data.train.digests
    # The same, computed here, image by image.
    paint = make_painter(painting, data.train.image_size)
    painted = paint(images, labels, painting_keys(digests, 1, 7))
    assert painted.masks is not None
    whole = np.concatenate([painted.images, painted.masks], axis=-1)
    augment = make_augmenter(RandomDihedral(), data.train.image_size, masks=True)
    live = augment(whole, digests, 1, 7)
    np.testing.assert_array_equal(shown.labels, painted.labels)
    np.testing.assert_array_equal(shown.masks, averaged(live[..., 3:]))
    exact = split_at(model, 2)[0].predict(live[..., :3], verbose=0)
    np.testing.assert_allclose(shown, exact, rtol=2**-11, atol=1e-5 * exact.max())
    # Cracks stay cracks; of those painted the mask says where, of real ones that nobody knows.
    changed = shown.labels != labels
    assert 10 < changed.sum() < (labels == 0).sum()
    assert (shown.labels[labels == 1] == 1).all()
    assert (shown.masks[labels == 1] == -1).all()
    np.testing.assert_array_equal(
        shown.masks.max(axis=(1, 2))[labels == 0] > 0, changed[labels == 0]
    )
    assert (again.labels != shown.labels).any()
    # From a boundary nearer to the images, in another order, some of them: the same.
    monkeypatch.setattr(module, "image_batches", None)
    part = data.train.subset([9, 3, 60])
    pooled = cache.features(model, 0, part, 1, seed=7, painting=Bars(masks=True))
    np.testing.assert_array_equal(pooled.labels, shown.labels[[9, 3, 60]])
    np.testing.assert_array_equal(pooled.masks, shown.masks[[9, 3, 60]])


def test_another_painting_label_or_none_is_never_served_stale(
    make_model: MakeModel, data: CrackData, cache: FeatureCache
) -> None:
    model = make_model()  # without augmentation: painting alone makes views
    train = data.train
    one = cache.features(model, 0, train, 1, painting=Bars())
    wider = cache.features(model, 0, train, 1, painting=Bars(width=5))
    assert (np.asarray(wider) != np.asarray(one)).any()
    swapped = train.subset(range(70))
    swapped.labels = 1 - train.labels
    other = cache.features(model, 0, swapped, 1, painting=Bars())
    np.testing.assert_array_equal(other.labels[train.labels == 0], 1)
    np.testing.assert_array_equal(
        cache.features(model, 0, train, 1, painting=Bars()).labels, one.labels
    )
    three = train.subset(range(70))
    three.labels = np.arange(70) % 3
    with pytest.raises(ValueError, match="two classes"):
        cache.features(model, 0, three, 1, painting=Bars())


def test_a_pass_that_was_stopped_goes_on_to_the_same(
    make_model: MakeModel, data: CrackData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model()
    whole = FeatureCache(tmp_path / "whole", engine="keras", verbose=0)
    expected = whole.features(model, 1, data.train, 1, painting=Bars(masks=True))
    stopped = FeatureCache(tmp_path / "stopped", engine="keras", verbose=0)
    original = computing.image_batches

    def some(*arguments: object) -> object:
        yield next(original(*arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "image_batches", some)
    with pytest.raises(KeyboardInterrupt):
        stopped.features(model, 1, data.train, 1, painting=Bars(masks=True))
    monkeypatch.undo()
    found = stopped.features(model, 1, data.train, 1, painting=Bars(masks=True))
    for one, other in ((found, expected), (found.labels, expected.labels)):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(found.masks, expected.masks)


@pytest.mark.parametrize(
    ("layer", "known"),
    [
        (RandomSimilarity(turn=30.0), True),
        pytest.param(RandomIllumination(), True, marks=pytest.mark.slow),
        (keras.layers.Rescaling(0.5), False),
    ],
)
def test_masks_go_where_pixels_go(layer: keras.Layer, known: bool) -> None:
    random = np.random.default_rng(0)
    masks = (random.uniform(size=(3, 16, 16, 1)) > 0.7).astype(np.float32)
    images = np.repeat(200 * masks, 3, axis=-1)
    augment = make_augmenter(keras.Sequential([layer]), (16, 16), masks=True)
    keys = ["1", "2", "3"]
    both = augment(np.concatenate([images, masks], axis=-1), keys, 1, 0)
    alone = make_augmenter(keras.Sequential([layer]), (16, 16))(images, keys, 1, 0)
    np.testing.assert_allclose(both[..., :3], alone, atol=1e-3)
    if known:
        bright = alone[..., 0] > np.median(alone[..., 0])
        found = np.corrcoef(both[..., 3].ravel(), bright.ravel())[0, 1]
        assert found > 0.6
    else:
        assert (both[..., 3] == -1).all()
