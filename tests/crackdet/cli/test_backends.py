"""The whole job on JAX and on PyTorch, each in a process where TensorFlow cannot be found."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crackdet import load_model
from crackdet.images import read_images
from crackdet.models import mobilenet_v2_classifier
from tests.crackdet.cli.conftest import TINY_SEARCH

pytestmark = pytest.mark.slow

# Hides TensorFlow, runs commands of crackdet, then the model of another backend and its own.
PROGRAM = """
import json, sys
from importlib.machinery import PathFinder

class WithoutTensorFlow(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] == "tensorflow"
        return None if hidden else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutTensorFlow

from crackdet.cli import main
from tfds_builder.concrete_cracks import concrete_cracks_dataset_builder

concrete_cracks_dataset_builder.DEMO_IMAGES = 160

for words in json.loads(sys.argv[1]):
    assert main([*words, "--debug"]) == 0, words

import numpy as np
import crackdet

images = np.load("images.npy")
for model in ("theirs.keras", "run"):
    np.save(f"{model}.npy", crackdet.load_model(model).predict(images, verbose=0))
assert "tensorflow" not in sys.modules
"""

# The trained weights of the preset: with random ones, every prediction would be 0.5.
TINY_RUN = [
    *("--image-size", "64", "--weights", "concrete", "--batch-size", "32", "--verbose", "0"),
    *("--search-images", "32", "--epochs", "1", "--views", "2", "--bootstrap", "20", *TINY_SEARCH),
    *("--halving-factor", "none"),
]


@pytest.mark.parametrize(("backend", "source"), [("jax", "folder"), ("torch", "demo")])
def test_the_whole_job_needs_no_tensorflow(
    backend: str, source: str, folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip(backend)
    paths = sorted(folder.rglob("*.jpg"))[::10]
    np.save(tmp_path / "images.npy", read_images(paths, 64, map(str, paths)))
    theirs = mobilenet_v2_classifier(64, weights="concrete")
    theirs.save(tmp_path / "theirs.keras")
    data = ["demo", "--data-dir", "built"] if source == "demo" else [str(folder), "--folds", "2"]
    commands = [
        ["run", "--data", *data, "--out", "run", *TINY_RUN],
        ["predict", str(paths[0]), "--model", "run"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands)],
        cwd=tmp_path,
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "XLA_FLAGS": "--xla_backend_optimization_level=0",  # JAX compiles in a third less time
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    label, probability, file = done.stdout.splitlines()[-1].split(maxsplit=2)
    assert (label, file) in {(name, str(paths[0])) for name in ("sound", "cracked")}
    assert 0 <= float(probability) <= 1
    config = json.loads((tmp_path / "run" / "config.json").read_text("utf-8"))
    assert config["versions"]["backend"] == backend
    assert (tmp_path / "run" / "report.html").exists()
    with open(tmp_path / "run" / "search" / "trials.csv", newline="", encoding="utf-8") as table:
        assert [row["status"] for row in csv.DictReader(table)] == ["completed", "completed"]

    # Files go from one backend to another, and their predictions with them.
    images = np.load(tmp_path / "images.npy")
    for name, model in (("theirs.keras", theirs), ("run", load_model(tmp_path / "run"))):
        expected = model.predict(images, verbose=0)
        assert np.ptp(expected[:, 1]) > 0.1, "predictions that differ from image to image"
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), expected, atol=1e-4)
