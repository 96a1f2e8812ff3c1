"""The classifier's structure, arguments and starting weights."""

import os
import shutil
import warnings

import keras
import numpy as np
import pytest

from crackdet.errors import CrackdetError
from crackdet.layers import augmentation
from crackdet.models import (
    load_model,
    mobilenet_v2_classifier,
    scale_logits,
    set_unfreeze_depth,
    split_at,
    unfreeze_depth,
)
from crackdet.models.units import backbone

WEIGHTS_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"


def predict(model: keras.Model, inputs: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(inputs, training=False))


def test_one_flat_graph_in_the_documented_order(make_classifier) -> None:
    model = make_classifier(augmentation=augmentation(seed=0))
    names = [layer.name for layer in model.layers]
    keras_own = keras.applications.MobileNetV2(
        input_shape=(64, 64, 3), include_top=False, weights=None, alpha=0.35
    )
    assert names == [
        "image",
        "augmentation",
        "preprocessing",
        *(layer.name for layer in keras_own.layers[1:]),
        "pooling",
        "dropout",
        "predictions",
    ]
    assert model.input_shape == (None, 64, 64, 3)
    assert model.output_shape == (None, 2)


def test_computes_what_keras_mobilenet_v2_computes(make_classifier, images) -> None:
    model = make_classifier()
    own = keras.applications.MobileNetV2(
        input_shape=(64, 64, 3), include_top=False, weights=None, alpha=0.35, pooling="avg"
    )
    own.set_weights(backbone(model).get_weights())
    features = predict(own, images.astype("float32") / 127.5 - 1)
    kernel, bias = model.get_layer("predictions").get_weights()
    logits = features @ kernel + bias
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(predict(model, images), expected, atol=1e-5)


def test_integers_and_floats_are_read_alike(make_classifier, images) -> None:
    model = make_classifier()
    np.testing.assert_array_equal(predict(model, images), predict(model, images.astype("float32")))
    np.testing.assert_allclose(model.predict(images, verbose=0), predict(model, images), atol=1e-5)


@pytest.mark.parametrize(
    "image_size",
    [(50, 71), *(pytest.param(size, marks=pytest.mark.slow) for size in (32, [96, np.int64(40)]))],
)
def test_any_size_works_without_a_warning(image_size) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = mobilenet_v2_classifier(image_size, 3, alpha=0.35, weights=None)
    height, width = model.input_shape[1:3]
    assert predict(model, np.zeros((1, height, width, 3), "uint8")).shape == (1, 3)


def test_seed_fixes_the_head_and_dropout() -> None:
    def head_and_dropout(seed: int | None) -> np.ndarray:
        model = mobilenet_v2_classifier(32, alpha=0.35, weights=None, seed=seed)
        _, suffix = split_at(model, 0)
        return keras.ops.convert_to_numpy(suffix(np.ones((4, 1280), "float32"), training=True))

    np.testing.assert_array_equal(head_and_dropout(0), head_and_dropout(0))
    assert not np.array_equal(head_and_dropout(0), head_and_dropout(1))
    assert not np.array_equal(head_and_dropout(None), head_and_dropout(None))


def test_dropout_drops_its_share() -> None:
    model = mobilenet_v2_classifier(32, alpha=0.35, weights=None, dropout=0.4, seed=0)
    dropout = model.get_layer("dropout")
    dropped = keras.ops.convert_to_numpy(dropout(np.ones((50, 1280), "float32"), training=True))
    assert (dropped == 0).mean() == pytest.approx(0.4, abs=0.01)


@pytest.mark.slow
def test_mixed_precision_keeps_probabilities_in_float32(make_classifier, images) -> None:
    images = images[::4]  # float16 convolutions are slow on a CPU
    expected = predict(make_classifier(), images)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = make_classifier(augmentation=augmentation(seed=0))
    finally:
        keras.config.set_dtype_policy("float32")
    predicted = predict(model, images)
    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, expected, atol=0.02)
    assert all(weight.dtype == "float32" for weight in model.weights)
    prefix, suffix = split_at(model, 2)
    np.testing.assert_allclose(predict(suffix, predict(prefix, images)), predicted, atol=2e-3)


def test_trains_with_augmentation_and_learns(make_classifier, images) -> None:
    model = make_classifier(dropout=0.0, augmentation=augmentation(0.5, seed=0))
    labels = np.arange(8) % 2
    # Red and blue: what no augmentation takes away.
    colours = np.array([[200, 60, 60], [60, 60, 200]]).reshape(2, 1, 1, 3)
    inputs = (0.7 * colours[labels] + 0.3 * images).astype("uint8")
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    before = model.evaluate(inputs, labels, verbose=0)
    model.fit(inputs, labels, epochs=30, verbose=0)
    assert model.evaluate(inputs, labels, verbose=0) < before / 1.5


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"image_size": 31}, "at least 32"),
        ({"image_size": (64,)}, "(height, width)"),
        ({"image_size": (64, 64, 3)}, "(height, width)"),
        ({"image_size": (64.0, 64.0)}, "integer"),
        ({"image_size": "64"}, "(height, width)"),
        ({"image_size": None}, "(height, width)"),
        ({"num_classes": 1}, "at least 2"),
        ({"num_classes": 2.0}, "integer"),
        ({"unfreeze_depth": 19}, "0 (head only) to 18"),
        ({"dropout": 1.0}, "[0, 1)"),
        ({"dropout": float("nan")}, "[0, 1)"),
        ({"dropout": "much"}, "[0, 1)"),
        ({"alpha": 0.3}, "0.35 to 1.4"),
        ({"alpha": "wide"}, "0.35 to 1.4"),
        ({"alpha": 0.6, "weights": "imagenet"}, "0.35 or 0.5"),
        ({"weights": 3}, "imagenet"),
        ({"augmentation": "flip"}, "Keras layer"),
    ],
)
def test_wrong_arguments_say_what_was_expected_and_received(wrong, expected) -> None:
    with pytest.raises(ValueError, match="Received: ") as error:
        mobilenet_v2_classifier(**{"image_size": 64, "alpha": 0.35, "weights": None, **wrong})
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_channels_first_is_refused() -> None:
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match=r"channels_last.*Received: channels_first"):
            mobilenet_v2_classifier(64, weights=None)
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.fixture(scope="module")
def saved(make_classifier, tmp_path_factory):
    """A classifier and the folder that holds it as `model.keras` and `model.weights.h5`."""
    model = make_classifier(dropout=0.0, unfreeze_depth=1, augmentation=augmentation())
    folder = tmp_path_factory.mktemp("saved")
    model.save(folder / "model.keras")
    model.save_weights(folder / "model.weights.h5")
    return model, folder


def build(**kwargs) -> keras.Model:
    return mobilenet_v2_classifier(**{"image_size": 64, "alpha": 0.35, **kwargs})


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5"])
def test_weights_from_a_file(saved, images, name: str) -> None:
    """Dropout, augmentation and depth may differ; the weights still fit."""
    source, folder = saved
    model = build(weights=str(folder / name), dropout=0.5, unfreeze_depth=3)
    np.testing.assert_array_equal(predict(model, images), predict(source, images))
    assert unfreeze_depth(model) == 3


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5"])
def test_weights_fit_another_image_size_and_a_path_object(saved, name: str) -> None:
    source, folder = saved
    model = build(image_size=40, weights=folder / name, augmentation=augmentation())
    for mine, theirs in zip(model.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5"])
@pytest.mark.parametrize("other", [{"alpha": 0.5}, {"num_classes": 3}])
def test_weights_of_another_shape_are_refused(saved, name: str, other) -> None:
    path = saved[1] / name
    with pytest.raises(CrackdetError, match="of this alpha and num_classes") as error:
        build(weights=path, **other)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("name", ["missing.keras", "missing.weights.h5"])
def test_missing_weights_are_named(tmp_path, name: str) -> None:
    with pytest.raises(CrackdetError, match=f"{name} was not found"):
        build(weights=tmp_path / name)


@pytest.mark.parametrize("name", ["bad.keras", "bad.weights.h5"])
def test_damaged_weights_are_named(tmp_path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not weights")
    with pytest.raises(CrackdetError, match=name):
        build(weights=tmp_path / name)


def test_missing_imagenet_weights_name_the_file_and_the_folder(tmp_path, monkeypatch) -> None:
    def refuse(*args, **kwargs):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.utils, "get_file", refuse)
    with pytest.raises(CrackdetError, match=r"\$KERAS_HOME/models") as error:
        build(weights="imagenet")
    assert WEIGHTS_FILE in str(error.value)


def test_a_wrong_file_in_place_of_imagenet_weights_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / WEIGHTS_FILE).write_bytes(b"an error page")
    with pytest.raises(CrackdetError, match=WEIGHTS_FILE):
        build(weights="imagenet")


@pytest.mark.slow
def test_imagenet_weights(shared, tmp_path, monkeypatch) -> None:
    """With real statistics too, the model is Keras' own, and the cut is exact."""
    source = shared(f"models/{WEIGHTS_FILE}")
    (tmp_path / "models").mkdir()
    shutil.copy(source, tmp_path / "models")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = mobilenet_v2_classifier((100, 120), alpha=0.35, dropout=0.0)
    own = keras.applications.MobileNetV2(
        input_shape=(100, 120, 3), include_top=False, weights=os.fspath(source), alpha=0.35
    )
    for mine, keras_own in zip(backbone(model).get_weights(), own.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, keras_own)
    images = np.random.default_rng(0).integers(0, 256, (4, 100, 120, 3)).astype("uint8")
    expected = predict(model, images)
    for depth in (0, 6):  # each is cut in `test_units.py`
        set_unfreeze_depth(model, depth)
        prefix, suffix = split_at(model, depth)
        np.testing.assert_allclose(predict(suffix, predict(prefix, images)), expected, atol=1e-5)
        training = keras.ops.convert_to_numpy(model(images, training=True))
        np.testing.assert_allclose(training, expected, atol=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_scale_logits_divides_them(make_classifier, images, temperature: float) -> None:
    model = make_classifier(num_classes=3)
    before = predict(model, images).astype("float64")
    assert scale_logits(model, temperature) is model
    powers = before ** (1 / temperature)
    expected = powers / powers.sum(1, keepdims=True)
    np.testing.assert_allclose(predict(model, images), expected, atol=1e-5)


def test_wrong_temperatures_are_refused(make_classifier) -> None:
    model = make_classifier()
    for temperature in (0, -1.0, float("nan"), float("inf"), "2"):
        with pytest.raises(ValueError, match=r"`temperature`.*Received: temperature="):
            scale_logits(model, temperature)


def test_load_model_reads_files_and_runs(saved, images) -> None:
    model, folder = saved
    for where in (str(folder), folder / "model.keras"):
        np.testing.assert_array_equal(predict(load_model(where), images), predict(model, images))


def test_load_model_names_what_it_cannot_load(tmp_path) -> None:
    (tmp_path / "broken.keras").write_bytes(b"PK")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    for name, problem in (
        ("absent.keras", "was not found"),
        ("broken.keras", "is not a Keras model"),
        ("notes.txt", "is not a Keras model"),
        ("empty", r"model\.keras was not found"),
        ("absent", r"no \.keras file, no run folder and no preset"),
    ):
        with pytest.raises(CrackdetError, match=problem) as error:
            load_model(str(tmp_path / name))
        assert name in str(error.value)
        assert "\n" not in str(error.value)
