"""The three poolings: cut, trained, saved and found again, and the map of the local one."""

from pathlib import Path

import keras
import numpy as np
import pytest

from crackdet.evaluation.architecture import architecture
from crackdet.models import (
    crack_map_model,
    load_model,
    mobilenet_v2_classifier,
    preset,
    replace_head,
    save_preset,
    set_unfreeze_depth,
    split_at,
)
from crackdet.models.heads import POOLINGS, pooling_of
from crackdet.models.units import boundary, inference_graph


def predict(model: keras.Model, inputs: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(inputs, training=False))


@pytest.fixture(scope="module")
def poolings(make_classifier) -> dict[str, keras.Model]:
    """A classifier of each; the local one's map tells places apart as after some training."""
    models = {each: make_classifier(num_classes=3, pooling=each) for each in POOLINGS}
    kernel, bias = (layer := models["local"].get_layer("crack_map")).get_weights()
    layer.set_weights([20 * kernel, bias - 1])
    return models


@pytest.mark.parametrize(
    ("pooling", "depth", "ends"),
    [
        ("gem", 0, ["out_relu"]),
        ("gem", 2, ["block_15_add"]),
        ("local", 0, ["block_13_expand_relu", "pooling"]),
        ("local", 2, ["block_13_expand_relu", "block_15_add"]),
        ("local", 4, ["block_13_expand_relu", "block_13_project_BN"]),
        ("local", 6, ["block_11_add"]),
        ("local", 18, ["preprocessing"]),
    ],
)
def test_the_cut_is_exact_and_the_head_is_trained(
    poolings, images, pooling: str, depth: int, ends: list[str]
) -> None:
    model = set_unfreeze_depth(poolings[pooling], depth)
    below = [tensor._keras_history.operation.name for tensor in boundary(model, depth)]
    assert below == ends
    prefix, suffix = split_at(model, depth)
    features = prefix(images)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(suffix(features)), predict(model, images), atol=1e-5
    )
    own = {"gem": "pooling", "local": "crack_map"}[pooling]
    trained = {weight.path.split("/")[0] for weight in suffix.trainable_weights}
    assert {own, "predictions"} <= trained
    assert not prefix.trainable_weights


@pytest.mark.parametrize(
    ("pooling", "name"), [("gem", "model.weights.h5"), ("local", "model.keras")]
)
def test_a_file_says_its_pooling(poolings, images, tmp_path: Path, pooling: str, name: str) -> None:
    model, file = poolings[pooling], tmp_path / name
    model.save(file) if name == "model.keras" else model.save_weights(file)
    shared = {"num_classes": 3, "alpha": 0.35, "weights": file}
    again = mobilenet_v2_classifier(64, **shared)
    assert pooling_of(again) == pooling
    np.testing.assert_array_equal(predict(again, images), predict(model, images))
    with pytest.raises(ValueError, match=f"exist for pooling '{pooling}'.*pooling='average'"):
        mobilenet_v2_classifier(64, pooling="average", **shared)


def test_a_preset_says_its_pooling(poolings, images, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(preset, "PRESETS_FOLDER", tmp_path)
    save_preset(poolings["local"], tmp_path / "tiny", {"threshold": 0.5}, alpha=0.35)
    loaded = load_model("tiny")
    assert pooling_of(loaded) == "local"
    difference = predict(loaded, images) - predict(poolings["local"], images)
    assert np.abs(difference).max() < 5e-3
    with pytest.raises(ValueError, match="exist for pooling 'local'"):
        mobilenet_v2_classifier(64, 3, alpha=0.35, weights="tiny", pooling="gem")


def test_the_decision_is_taken_from_the_largest_of_the_map(poolings, images) -> None:
    model = poolings["local"]
    shown = crack_map_model(model)
    probabilities = predict(shown, images)
    assert probabilities.shape == (8, 4, 4)
    assert 0.05 < probabilities.std() < 0.5
    logits = np.log(probabilities / (1 - probabilities)).reshape(8, 16)
    evidence = logits.max(1, keepdims=True)  # 4 % of 16 positions
    pooled = predict(keras.Model(model.input, model.get_layer("pooling").output), images)
    kernel, bias = model.get_layer("predictions").get_weights()
    np.testing.assert_array_equal(kernel[-1], [-0.5, 0.5, 0.5])
    scores = np.exp(np.concatenate([pooled, evidence], 1) @ kernel + bias)
    expected = scores / scores.sum(1, keepdims=True)
    np.testing.assert_allclose(predict(model, images), expected, atol=1e-4)
    np.testing.assert_allclose(predict(inference_graph(model), images), expected, atol=1e-4)
    with pytest.raises(ValueError, match="pooling='local'"):
        crack_map_model(poolings["average"])


def test_the_architecture_tells_what_branches_off(poolings) -> None:
    stages = architecture(poolings["local"])["stages"]
    assert {stage["name"]: stage["inputs"] for stage in stages if "inputs" in stage} == {
        "crack_map": ["block_13"],
        "dropout": ["pooling"],
        "evidence": ["crack_map"],
        "features": ["dropout", "evidence"],
    }
    assert not any("inputs" in stage for stage in architecture(poolings["average"])["stages"])


def test_heads_of_any_pooling_are_put_on_any_backbone(poolings) -> None:
    for pooling, model in poolings.items():
        assert pooling_of(model) == pooling
        assert pooling_of(replace_head(model)) == pooling
        for other in POOLINGS:
            assert pooling_of(replace_head(model, pooling=other)) == other
    flattened = keras.layers.Flatten(name="pooling")(poolings["local"].get_layer("out_relu").output)
    own = keras.layers.Dense(2, name="predictions")(flattened)
    assert pooling_of(keras.Model(poolings["local"].input, own)) is None


def test_a_wrong_pooling_is_refused(poolings) -> None:
    for make in (
        lambda: mobilenet_v2_classifier(64, weights=None, pooling="max"),
        lambda: replace_head(poolings["average"], pooling="max"),
    ):
        with pytest.raises(ValueError, match=r"`pooling` must be .*Received: pooling='max'"):
            make()
