"""Freezing by units and cutting in two, at every depth."""

import keras
import numpy as np
import pytest

from crackdet.layers import augmentation
from crackdet.models import MAX_DEPTH, replace_head, set_unfreeze_depth, split_at, unfreeze_depth
from crackdet.models.units import unit_of, without_augmentation
from tests.standin import standin_classifier

DEPTHS = range(MAX_DEPTH + 1)
SLOW = pytest.mark.slow


def outputs(model: keras.Model, inputs, training: bool = False) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(inputs, training=training))


def weights_by_layer(model: keras.Model) -> dict[str, list[np.ndarray]]:
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


@pytest.fixture(scope="module")
def model(make_classifier) -> keras.Model:
    return make_classifier(dropout=0.0)


@pytest.fixture(scope="module")
def expected(model: keras.Model, images) -> np.ndarray:
    """The model's probabilities at inference, which no depth changes."""
    probabilities = outputs(model, images)
    assert np.ptp(probabilities[:, 1]) > 0.01, "images that all look alike would show nothing"
    return probabilities


def test_units_are_counted_from_the_top(model: keras.Model) -> None:
    units = [unit_of(layer.name) for layer in model.layers]
    depths = [None if unit is None else unit.depth for unit in units]
    backbone = [depth for depth in depths if depth is not None]
    assert sorted(set(backbone)) == list(range(1, MAX_DEPTH + 1))
    assert backbone == sorted(backbone, reverse=True), "units are not in the graph's order"
    names = [layer.name for layer, depth in zip(model.layers, depths, strict=True) if depth is None]
    assert names == ["image", "preprocessing", "pooling", "dropout", "predictions"]


@pytest.mark.parametrize("depth", [0, 9, 18])
def test_batch_normalization_never_moves(model, images, expected, depth: int) -> None:
    set_unfreeze_depth(model, depth)
    np.testing.assert_allclose(outputs(model, images, training=True), expected, atol=1e-6)
    normalizations = [
        layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert len(normalizations) == 52
    assert not any(layer.trainable for layer in normalizations)


@pytest.mark.parametrize("depth", DEPTHS)
def test_trainable_weights_per_depth(model: keras.Model, depth: int) -> None:
    """Head: kernel and bias. Conv_1: 1 kernel. A block: expand, depthwise, project. Stem: 1 + 2."""
    assert unfreeze_depth(set_unfreeze_depth(model, depth)) == depth
    expected = 2 + min(depth, 1) + 3 * max(depth - 1, 0)
    assert len(model.trainable_weights) == expected


@pytest.mark.parametrize(
    "depth",
    [depth if depth in (0, 2, 9, 18) else pytest.param(depth, marks=SLOW) for depth in DEPTHS],
)
def test_suffix_of_prefix_is_the_model(model, images, expected, depth: int) -> None:
    set_unfreeze_depth(model, depth)
    prefix, suffix = split_at(model, depth)
    np.testing.assert_allclose(outputs(suffix, outputs(prefix, images)), expected, atol=1e-5)
    assert not prefix.trainable_weights
    assert {id(w) for w in suffix.trainable_weights} == {id(w) for w in model.trainable_weights}


@pytest.mark.parametrize("depth", [0, 2, pytest.param(18, marks=pytest.mark.slow)])
def test_training_the_suffix_trains_the_units_of_the_model_itself(
    make_classifier, images, depth: int
) -> None:
    model = make_classifier(unfreeze_depth=depth, dropout=0.2)
    prefix, suffix = split_at(model, depth)
    before = weights_by_layer(model)
    # Eagerly: compiling a graph of everything takes longer than these two steps.
    suffix.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", run_eagerly=True)
    suffix.fit(outputs(prefix, images), np.arange(8) % 2, epochs=2, verbose=0)
    for name, old in before.items():
        new = model.get_layer(name).get_weights()
        unit = unit_of(name)
        frozen = isinstance(model.get_layer(name), keras.layers.BatchNormalization) or (
            unit is not None and unit.depth > depth
        )
        same = all(np.array_equal(a, b) for a, b in zip(old, new, strict=True))
        assert same == frozen, name
    np.testing.assert_allclose(
        outputs(suffix, outputs(prefix, images)), outputs(model, images), atol=1e-5
    )


def test_augmentation_stands_in_neither_part_and_changes_no_prediction(
    make_classifier, images
) -> None:
    plain = make_classifier(dropout=0.0)
    model = make_classifier(dropout=0.0, augmentation=augmentation(seed=0))
    for depth in (0, 5, 18):
        prefix, suffix = split_at(model, depth)
        names = {layer.name for part in (prefix, suffix) for layer in part.layers}
        assert "augmentation" not in names
        for training in (False, True):
            np.testing.assert_allclose(
                outputs(suffix, outputs(prefix, images, training), training),
                outputs(plain, images),
                atol=1e-5,
            )


def test_a_model_saved_without_its_augmentation_can_be_fine_tuned(tmp_path) -> None:
    model = standin_classifier(unfreeze_depth=2, strength=1.0)
    without_augmentation(model).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype("uint8")
    np.testing.assert_array_equal(outputs(loaded, images), outputs(model, images))
    names = [layer.name for layer in model.layers if layer.name != "augmentation"]
    assert [layer.name for layer in loaded.layers] == names
    assert replace_head(loaded, 3).output_shape == (None, 3)
    prefix, suffix = split_at(set_unfreeze_depth(loaded, 5), 5)
    np.testing.assert_allclose(
        outputs(suffix, outputs(prefix, images)), outputs(model, images), atol=1e-6
    )
    assert without_augmentation(loaded) is loaded


def test_keras_own_random_layers_are_inert_outside_training(make_classifier, images) -> None:
    model = make_classifier(dropout=0.0, augmentation=keras.layers.RandomFlip(seed=0))
    plain = make_classifier(dropout=0.0)
    for predicted in (keras.ops.convert_to_numpy(model(images)), outputs(model, images)):
        np.testing.assert_allclose(predicted, outputs(plain, images), atol=1e-6)
    trained = outputs(model, images.astype("float32"), training=True)
    assert np.abs(trained - outputs(plain, images)).max() > 1e-6


def test_the_cut_survives_saving_and_repeats(make_classifier, images, tmp_path) -> None:
    model = make_classifier(unfreeze_depth=4, augmentation=augmentation(seed=0))
    for _ in range(2):
        split_at(model, 4)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert unfreeze_depth(loaded) == 4
    prefix, suffix = split_at(loaded, 4)
    np.testing.assert_allclose(
        outputs(suffix, outputs(prefix, images)), outputs(model, images), atol=1e-5
    )


def test_parts_can_be_saved(model: keras.Model, images, tmp_path) -> None:
    for part in split_at(model, 3):
        part.save(tmp_path / f"{part.name}.keras")
    prefix, suffix = (
        keras.models.load_model(tmp_path / f"{name}.keras") for name in ("prefix", "suffix")
    )
    np.testing.assert_allclose(
        outputs(suffix, outputs(prefix, images)), outputs(model, images), atol=1e-5
    )


def test_a_model_frozen_as_a_whole_has_depth_zero(make_classifier) -> None:
    model = make_classifier(unfreeze_depth=3)
    model.trainable = False
    assert unfreeze_depth(model) == 0
    set_unfreeze_depth(model, 1)
    assert len(model.trainable_weights) == 3


@pytest.mark.parametrize("depth", [-1, 19, 2.0, True, "2", None])
@pytest.mark.parametrize("function", [set_unfreeze_depth, split_at])
def test_wrong_depths_are_refused(model: keras.Model, function, depth) -> None:
    with pytest.raises(ValueError, match=r"`depth` must be an integer from 0 .* to 18.*Received"):
        function(model, depth)


def test_numpy_integers_are_depths(model: keras.Model) -> None:
    assert unfreeze_depth(set_unfreeze_depth(model, np.int64(2))) == 2


@pytest.mark.parametrize("function", [unfreeze_depth, lambda m: split_at(m, 1)])
def test_other_models_are_refused(function) -> None:
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="other")
    with pytest.raises(ValueError, match=r"mobilenet_v2_classifier.*Received: model 'other'"):
        function(other)
