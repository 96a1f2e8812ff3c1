"""A classifier is unsure of what is like nothing in its training."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import crackdet
from crackdet.cli import main
from crackdet.errors import CrackdetError
from crackdet.evaluation.familiar import familiar_statistics
from crackdet.files import read_csv
from crackdet.inference import load_classifier
from crackdet.models import FeatureStatistics
from crackdet.models.units import with_head_inputs


@pytest.fixture(scope="module")
def greys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of mean colours, trained on greys: what is coloured is like nothing it knows."""
    folder = tmp_path_factory.mktemp("greys")
    images = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(images))
    head = keras.layers.Dense(2, activation="softmax", name="predictions")
    model = keras.Model(images, head(pooled))
    head.set_weights([np.array([[2, -2]] * 3, np.float32), np.array([-3.0, 3.0], np.float32)])
    model.save(folder / "model.keras")
    shades = np.random.default_rng(0).uniform(0, 255, 300).astype(np.uint8)
    batch = np.broadcast_to(shades[:, None, None, None], (300, 8, 8, 3))
    features = np.asarray(with_head_inputs(model).predict(batch, verbose=0)[1])
    features = features + np.random.default_rng(1).normal(0, 0.01, features.shape)
    training = [(features[:200], np.asarray(shades[:200] < 128, int))]
    statistics = familiar_statistics(training, features[200:])
    statistics.write(folder / "model.statistics.npz")
    return folder


def plain(*colour: int) -> np.ndarray:
    return np.broadcast_to(np.array(colour, np.uint8), (16, 16, 3))


def test_what_is_like_nothing_in_training_is_unsure(greys: Path, tmp_path: Path) -> None:
    images = [plain(200, 200, 200), plain(250, 20, 20), plain(20, 20, 20)]
    rows = crackdet.predict(images, greys)
    assert [row.answer for row in rows] == ["sound", "unsure", "cracked"]
    never = crackdet.predict(images, greys, unsure=False)
    assert [row.answer for row in never] == ["sound", "cracked", "cracked"]
    assert [row.label for row in rows] == [row.label for row in never]
    assert [row.probability for row in rows] == pytest.approx([row.probability for row in never])
    table = read_csv(rows.to_csv(tmp_path / "rows.csv"))
    assert [line["unsure"] for line in table] == ["false", "true", "false"]
    assert "1 sound" in repr(rows)
    assert "1 unsure" in repr(rows)


def test_one_pass_gives_both(greys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []
    run = keras.Model.predict_on_batch
    monkeypatch.setattr(
        keras.Model, "predict_on_batch", lambda *each: (passes.append(1), run(*each))[1]
    )
    crackdet.predict(np.stack([plain(9, 9, 9)] * 5), greys, batch_size=3)
    assert len(passes) == 2


def test_statistics_of_another_model_are_refused(greys: Path, tmp_path: Path) -> None:
    shutil.copy(greys / "model.keras", tmp_path)
    random = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    other = familiar_statistics([(random[:20], np.arange(20) % 2)], random[20:])
    other.write(tmp_path / "model.statistics.npz")
    with pytest.raises(CrackdetError, match="another model, whose head takes 5 features"):
        load_classifier(tmp_path)
    FeatureStatistics.of(random, np.arange(40) % 2).write(tmp_path / "model.statistics.npz")
    assert load_classifier(tmp_path).detector is None  # without a limit nothing is unsure


def test_the_command_says_unsure(
    greys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(plain(250, 20, 20)).save(tmp_path / "red.png")
    command = ["predict", str(tmp_path), "--model", str(greys)]
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("unsure  0.")
    assert main([*command, "--json", "--unsure", "no"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["images"]
    assert (row["unsure"], row["cracked"]) == (False, True)
