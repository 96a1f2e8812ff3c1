"""Presets: saved small, listed, loaded, refused."""

import json
import shutil

import keras
import numpy as np
import pytest

from crackdet.errors import CrackdetError
from crackdet.layers import augmentation
from crackdet.models import (
    KnownImages,
    known_images,
    load_model,
    mobilenet_v2_classifier,
    preset,
    preset_card,
    preset_names,
    save_preset,
)

CARD = {"threshold": 0.42, "data": "procedural", "licence": "Apache-2.0"}


def predict(model: keras.Model, inputs: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(inputs, training=False))


@pytest.fixture
def presets_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(preset, "PRESETS_FOLDER", tmp_path / "presets")
    return tmp_path / "presets"


def test_a_preset_comes_back(make_classifier, images, presets_folder) -> None:
    model = make_classifier(dropout=0.1, augmentation=augmentation())
    (presets_folder / "tiny").mkdir(parents=True)  # an empty folder is no obstacle
    folder = save_preset(model, presets_folder / "tiny", CARD, alpha=0.35)
    assert sorted(p.name for p in folder.iterdir()) == [
        "card.json",
        "config.json",
        "model.weights.h5",
    ]
    assert preset_names() == ["tiny"]
    assert preset_card("tiny") == CARD
    loaded = load_model("tiny")
    assert loaded.get_layer("dropout").rate == 0.1
    assert all(weight.dtype == "float32" for weight in loaded.weights)
    assert "augmentation" not in [layer.name for layer in loaded.layers]
    np.testing.assert_allclose(predict(loaded, images), predict(model, images), atol=2e-3)
    again = mobilenet_v2_classifier(64, alpha=0.35, weights="tiny", augmentation=augmentation())
    np.testing.assert_array_equal(predict(again, images), predict(loaded, images))


@pytest.mark.slow
def test_saving_again_replaces_and_leaves_nothing_behind(make_classifier, presets_folder) -> None:
    model = make_classifier()
    save_preset(model, presets_folder / "tiny", {"threshold": 0.1}, alpha=0.35)
    model.get_layer("predictions").bias.assign([1.0, 2.0])
    save_preset(model, presets_folder / "tiny", {"threshold": 0.2}, alpha=0.35)
    assert preset_card("tiny") == {"threshold": 0.2}
    bias = load_model("tiny").get_layer("predictions").get_weights()[1]
    np.testing.assert_array_equal(bias, [1, 2])
    assert [path.name for path in presets_folder.iterdir()] == ["tiny"]


@pytest.mark.slow
def test_a_failed_save_keeps_the_preset_that_stood_there(make_classifier, presets_folder) -> None:
    model = make_classifier()
    save_preset(model, presets_folder / "tiny", CARD, alpha=0.35)
    kernel = model.get_layer("Conv_1").kernel
    kernel.assign(np.full(kernel.shape, 1e6, "float32"))
    with pytest.raises(CrackdetError, match="not finite in float16"):
        save_preset(model, presets_folder / "tiny", {}, alpha=0.35)
    with pytest.raises(TypeError):
        save_preset(make_classifier(), presets_folder / "tiny", {"x": object()}, alpha=0.35)
    assert preset_card("tiny") == CARD
    assert [path.name for path in presets_folder.iterdir()] == ["tiny"]


@pytest.mark.parametrize(
    "held", [["thesis.txt"], ["config.json"], ["config.json", "model.weights.h5", "card.json", "x"]]
)
def test_what_is_no_preset_is_left_alone(tmp_path, held) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    for name in held:
        (folder / name).write_text("years of work")
    with pytest.raises(CrackdetError, match=r"tiny is no preset, it holds .*name another folder"):
        save_preset(keras.Model(), folder, CARD)  # seen before the model is looked at
    assert sorted(path.name for path in folder.iterdir()) == sorted(held)
    assert (folder / held[0]).read_text() == "years of work"


def test_neither_a_file_nor_a_link_is_replaced_by_a_preset(tmp_path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    for name in ("file", "link"):
        with pytest.raises(CrackdetError, match=f"{name} is no folder"):
            save_preset(keras.Model(), tmp_path / name, CARD)


def test_another_alpha_is_refused(make_classifier, presets_folder) -> None:
    with pytest.raises(ValueError, match=r"`alpha`.*Received: alpha=0.5"):
        save_preset(make_classifier(), presets_folder / "tiny", CARD, alpha=0.5)


@pytest.mark.slow
def test_arguments_must_match_the_preset(make_classifier, presets_folder) -> None:
    save_preset(make_classifier(), presets_folder / "tiny", CARD, alpha=0.35)
    for wrong in ({"alpha": 1.0}, {"num_classes": 3}):
        with pytest.raises(ValueError, match=r"weights='tiny' exist for .* Received: "):
            mobilenet_v2_classifier(64, **{"alpha": 0.35, "weights": "tiny", **wrong})


def test_unknown_presets_are_answered_with_the_known(make_classifier, presets_folder) -> None:
    with pytest.raises(CrackdetError, match=r"\(none\)"):
        preset_card("concrete")
    save_preset(make_classifier(), presets_folder / "tiny", CARD, alpha=0.35)
    for refused in (
        lambda: preset_card("concrete"),
        lambda: load_model("concrete"),
        lambda: mobilenet_v2_classifier(64, weights="concrete"),
    ):
        with pytest.raises(CrackdetError, match=r"'concrete'.*tiny"):
            refused()


def test_a_folder_without_config_is_no_preset(presets_folder) -> None:
    (presets_folder / "half").mkdir(parents=True)
    assert preset_names() == []


@pytest.mark.slow
def test_shipped_presets_are_complete() -> None:
    for name in preset_names():
        folder = preset.preset_folder(name)
        assert sum(path.stat().st_size for path in folder.iterdir()) <= 6_000_000
        assert 0 < preset_card(name)["threshold"] < 1
        assert load_model(name).output_shape == (
            None,
            json.loads((folder / "config.json").read_text())["num_classes"],
        )


@pytest.mark.slow
def test_full_width_stays_small_and_close(shared, presets_folder, tmp_path, monkeypatch) -> None:
    """With the statistics of ImageNet training: at most 5 MB, probabilities within 2e-3."""
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    source = shared(f"models/{name}")
    (tmp_path / "models").mkdir()
    shutil.copy(source, tmp_path / "models")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    model = mobilenet_v2_classifier((128, 128), seed=0)
    folder = save_preset(model, presets_folder / "wide", CARD)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 5_000_000
    rng = np.random.default_rng(0)
    contrast = np.linspace(5, 120, 16).reshape(16, 1, 1, 1)
    images = np.clip(rng.normal(128, contrast, (16, 128, 128, 3)), 0, 255).astype("uint8")
    difference = np.abs(predict(load_model("wide"), images) - predict(model, images))
    assert 0 < difference.max() < 2e-3


def test_what_a_preset_knows_comes_with_it(make_classifier, presets_folder) -> None:
    model, known = make_classifier(), KnownImages.of({"train": ["0123456789abcdef"]})
    save_preset(model, presets_folder / "tiny", CARD, alpha=0.35, images=known)
    loaded = known_images("tiny")
    assert loaded is not None
    assert loaded.roles(["0123456789abcdef"]) == ["train"]
    save_preset(model, presets_folder / "tiny", CARD, alpha=0.35)  # replaces it
    assert known_images("tiny") is None
