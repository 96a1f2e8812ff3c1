"""Boundaries of several tensors, and views that have labels of their own."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.features import CachedFeatures, FeatureBatches, FeatureCache
from crackdet.features.store import FeatureStore
from crackdet.models import split_at
from crackdet.models.units import CRACK_MAP_NAME, HEAD_NAME, POOLING_NAME, boundary
from crackdet.training import fit

MakeModel = Callable[..., keras.Model]


@pytest.fixture
def local(make_model: MakeModel) -> keras.Model:
    """A classifier that decides from a local maximum beside the pooled features."""
    model = make_model(2)
    maximum = keras.layers.GlobalMaxPooling2D(name="maximum")(
        model.get_layer("block_13_expand_relu").output
    )
    both = keras.layers.Concatenate(name="both")([model.get_layer(POOLING_NAME).output, maximum])
    small = keras.initializers.RandomNormal(stddev=0.02, seed=3)
    head = keras.layers.Dense(2, activation="softmax", kernel_initializer=small, name=HEAD_NAME)
    return keras.Model(model.input, head(both))


@pytest.mark.parametrize(
    ("depth", "ends"),
    [
        (0, ["both"]),
        (2, ["block_15_expand_relu", "maximum"]),
        (5, ["block_12_expand_relu"]),
        (18, ["preprocessing"]),
    ],
)
def test_every_tensor_that_crosses_is_cut(
    local: keras.Model, data: CrackData, depth: int, ends: list[str]
) -> None:
    found = [tensor._keras_history.operation.name for tensor in boundary(local, depth)]
    assert sorted(found) == sorted(ends)
    prefix, suffix = split_at(local, depth)
    images = data.test.images(range(18)).astype(np.float32)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(suffix(prefix(images))),
        keras.ops.convert_to_numpy(local(images)),
        atol=1e-6,
    )


def test_all_tensors_are_kept_and_trained_on(
    local: keras.Model, data: CrackData, tmp_path: Path
) -> None:
    cache = FeatureCache(tmp_path, engine="keras", verbose=0)
    features = cache.features(local, 2, data.test)
    rows = np.array([5, 0, 17])
    prefix, _ = split_at(local, 2)
    exact = prefix(data.test.images(rows).astype(np.float32))
    for found, each in zip(features.tensors(rows), exact, strict=True):
        expected = keras.ops.convert_to_numpy(each)
        np.testing.assert_allclose(found, expected, rtol=2**-11, atol=1e-5 * expected.max())
    with pytest.raises(ValueError, match="take them with `tensors`"):
        features[:2]
    # From a boundary of two tensors to one above them.
    pooled = cache.features(local, 0, data.test)
    exact_pooled = keras.ops.convert_to_numpy(split_at(local, 0)[0](data.test.images(range(18))))
    np.testing.assert_allclose(pooled, exact_pooled, rtol=2**-8, atol=1e-2)
    probabilities = cache.predict(local, data.test)
    np.testing.assert_allclose(probabilities, local.predict(data.test, verbose=0), atol=5e-3)
    history = fit(local, data, epochs=2, head_epochs=0, views=1, cache=cache, verbose=0).history
    loss = -np.log(cache.predict(local, data.validation)[range(20), data.validation.labels]).mean()
    assert loss == pytest.approx(min(history["val_loss"]), rel=1e-3)


def test_a_crack_map_is_trained_on_kept_features(
    make_model: MakeModel, data: CrackData, tmp_path: Path
) -> None:
    """By the head's phase too, whose features hold the map's input beside the pooled ones."""
    model, cache = make_model(2, pooling="local"), FeatureCache(tmp_path, engine="keras", verbose=0)
    before = model.get_layer(CRACK_MAP_NAME).get_weights()[0]
    options = {"epochs": 2, "head_epochs": 1, "views": 1, "cache": cache, "verbose": 0}
    history = fit(model, data, learning_rate=1e-2, **options).history
    assert history["phase"] == ["head", "fine_tune"]
    assert np.abs(model.get_layer(CRACK_MAP_NAME).get_weights()[0] - before).max() > 1e-3
    np.testing.assert_allclose(
        cache.predict(model, data.test), model.predict(data.test.in_order(), verbose=0), atol=5e-3
    )
    probabilities = cache.predict(model, data.validation)
    loss = -np.log(probabilities[range(20), data.validation.labels]).mean()
    assert loss == pytest.approx(min(history["val_loss"]), rel=1e-3)


def test_a_view_shows_its_own_labels(tmp_path: Path) -> None:
    meta = {"universe": "ab" * 12, "rows": 6, "row_shapes": [[2], [1, 3]], "labels": True}
    table = FeatureStore(tmp_path).open(meta)
    values = np.arange(30, dtype=np.float32).reshape(6, 5)
    with pytest.raises(ValueError, match="labels"):
        table.write(np.arange(6), values)
    table.write(np.arange(6), values, np.array([1, 1, 0, 0, 1, 1]))
    rows = np.array([4, 2, 1])
    painted = CachedFeatures(FeatureStore(tmp_path).find(meta), rows)
    plain = FeatureStore(tmp_path).open({**meta, "labels": False})
    plain.write(np.arange(6), values)
    shown: dict[int, set[tuple]] = {0: set(), 1: set()}
    batches = FeatureBatches(
        [CachedFeatures(plain, rows), painted], np.zeros(3, int), batch_size=2, shuffle=True
    )
    for epoch in range(2):
        batches.epoch = epoch
        for batch in range(len(batches)):
            (first, second), labels = batches[batch]
            assert second.shape[1:] == (1, 3)
            images, views = batches.chosen(batch)
            np.testing.assert_array_equal(first[:, 0], values[rows[images], 0])
            for image, view, label in zip(images, views, labels, strict=True):
                shown[view].add((int(image), int(label)))
    assert shown[0] == {(0, 0), (1, 0), (2, 0)}, "the data's labels"
    assert shown[1] == {(0, 1), (1, 0), (2, 1)}, "the view's own"
