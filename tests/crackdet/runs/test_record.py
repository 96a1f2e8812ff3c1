"""config.json: what a run was made of."""

import json
import random
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest

import crackdet
from crackdet.data import CrackData
from crackdet.runs import run_record, write_config
from crackdet.runs.record import git_revision
from crackdet.seeds import reseed, set_seed


def test_the_record_is_complete_and_plain(
    data: CrackData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = {
        "seed": np.int64(0),
        "out": tmp_path,
        "size": (96, 96),
        "space": {"a": np.float32(1)},
    }
    path = write_config(tmp_path / "run", options, data)
    record = json.loads(path.read_text())
    assert record["options"] == {
        "seed": 0,
        "out": str(tmp_path),
        "size": [96, 96],
        "space": {"a": 1.0},
    }
    assert record["data"]["fingerprint"] == data.fingerprint
    assert record["data"]["counts"]["train"] == {"negative": 35, "positive": 35}
    versions = record["versions"]
    assert versions["keras"] == keras.__version__
    assert versions["crackdet"] == crackdet.__version__
    assert versions["backend"] == keras.backend.backend()
    assert versions[versions["backend"]]
    assert record["git_revision"] is None
    assert [entry.name for entry in (tmp_path / "run").iterdir()] == ["config.json"]


def test_the_revision_of_a_checkout(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        names = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        command = ["git", "-C", str(tmp_path), *names, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    assert git_revision(tmp_path) is None, "no commit yet"
    git("commit", "-q", "--allow-empty", "-m", "Begin")
    assert git_revision(tmp_path) == git("rev-parse", "HEAD")


def test_no_data_is_recorded_as_none() -> None:
    assert run_record({})["data"] is None


def test_seeds() -> None:
    def draw() -> tuple[float, float]:
        return float(keras.random.uniform(())), random.random()

    set_seed(0)
    first = draw()
    assert draw() != first
    set_seed(0)
    assert draw() == first
    for bad in (-1, 2**32, 1.5, "0"):
        with pytest.raises(ValueError, match="Expected a seed"):
            set_seed(bad)  # type: ignore[arg-type]


def test_reseeding_restarts_each_random_layer_on_its_own() -> None:
    # With seeds of their own: on PyTorch, dropout without one follows `set_seed` instead.
    layers = [keras.layers.Dropout(0.5, seed=1), keras.layers.Dropout(0.5, seed=1)]
    inside = keras.Sequential([keras.Input((64,)), layers[0]])
    model = keras.Sequential([keras.Input((64,)), inside, layers[1]])
    ones = np.ones((1, 64), np.float32)
    reseed(model, 0)
    first = [_dropped(layer, ones) for layer in layers]
    assert not np.array_equal(*first)
    reseed(model, 0)
    for layer, expected in zip(layers, first, strict=True):
        np.testing.assert_array_equal(_dropped(layer, ones), expected)
    reseed(model, 0, 1)
    assert not np.array_equal(_dropped(layers[0], ones), first[0])


def _dropped(layer: keras.Layer, values: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(layer(values, training=True))
