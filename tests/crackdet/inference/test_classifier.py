"""A classifier brings its threshold and class names, wherever its model stands."""

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from crackdet.inference import Classifier, judge, load_classifier
from crackdet.models import preset_card
from crackdet.models.record import ModelRecord, write_record


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with a model that calls dark images cracked, and its record."""
    folder = tmp_path_factory.mktemp("run")
    images = keras.Input((8, 8, 3))
    darkness = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(-1 / 255, 1)(images))
    head = keras.layers.Dense(2, activation="softmax")
    model = keras.Model(images, head(darkness))
    head.set_weights([np.array([[-1, 1]] * 3, np.float32), np.array([1.0, -1.0], np.float32)])
    model.save(folder / "model.keras")
    write_record(folder / "model.keras", ModelRecord(("sound", "cracked"), 0.7))
    return folder


def test_the_record_is_found_from_a_run_from_its_model_and_from_a_copy(
    run: Path, tmp_path: Path
) -> None:
    for name in ("model.keras", "model.json"):
        shutil.copy(run / name, tmp_path / name.replace("model", "moved"))
    for model in (run, run / "model.keras", tmp_path / "moved.keras"):
        classifier = load_classifier(str(model))
        assert (classifier.threshold, classifier.class_names) == (0.7, ("sound", "cracked"))
        assert classifier.threshold_from.endswith(".json")
    assert load_classifier(str(run), 0.4).threshold_from == "--threshold"
    (tmp_path / "moved.json").unlink()
    alone = load_classifier(str(tmp_path / "moved.keras"))
    assert alone.threshold == 0.5
    assert "comes without one" in alone.threshold_from


def test_a_preset_has_the_threshold_of_its_card() -> None:
    classifier = load_classifier("concrete")
    assert classifier.threshold == preset_card("concrete")["threshold"]
    assert classifier.image_size == (224, 224)


def test_each_file_gets_an_answer_in_its_place(run: Path, tmp_path: Path) -> None:
    shades = {"black": 0, "white": 255, "grey": 150}
    for name, shade in shades.items():
        Image.new("RGB", (16, 16), (shade,) * 3).save(tmp_path / f"{name}.png")
    Image.new("RGB", (40, 40)).save(tmp_path / "wall.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    names = ["white.png", "broken.png", "black.png", "wall.png", "missing.png", "grey.png"]
    classifier: Classifier = load_classifier(str(run))
    rows = list(judge([tmp_path / name for name in names], classifier))
    assert [Path(row["file"]).name for row in rows] == names
    labels = ["sound", None, "cracked", "cracked", None, "sound"]  # grey scores 0.62
    assert [row.get("label") for row in rows] == labels
    assert [row.get("photo") for row in rows] == [False, None, False, True, None, False]
    assert rows[2]["probability"] == pytest.approx(1 / (1 + np.exp(-4)), abs=1e-6)
    assert "broken.png" in rows[1]["error"]
