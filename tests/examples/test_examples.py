"""Every example runs as a user would run it, on tiny data."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.slow

SMALL = ("--image-size", "48")
# For what keeps no features: a random network's are too small to be kept.
RANDOM = (*SMALL, "--alpha", "0.35", "--weights", "none")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder that the examples of this file share."""
    return tmp_path_factory.mktemp("examples")


Run = Callable[..., str]


def test_every_example_is_run_here(root: Path) -> None:
    text = Path(__file__).read_text("utf-8")
    assert [p.name for p in (root / "examples").glob("*.py") if f'"{p.name}"' not in text] == []


@pytest.mark.usefixtures("demo")
def test_load_with_tfds(root: Path, place: Path) -> None:
    """In a process of its own, that imports Keras and TFDS before crackdet."""
    done = subprocess.run(
        [sys.executable, root / "examples" / "load_with_tfds.py", *SMALL, "--epochs", "1"],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "['negative', 'positive']" in done.stdout
    assert "test: loss" in done.stdout


def test_layers_in_your_model(run: Run, place: Path) -> None:
    out = run(place, "layers_in_your_model.py", *SMALL, "--epochs", "1")
    assert "the saved model predicts the same: True" in out
    exponent = float(out.split("pooling exponent after training: ")[1].split()[0])
    assert exponent != 3.0


def test_fine_tune(run: Run, place: Path) -> None:
    out = run(place, "fine_tune.py", *SMALL, "--epochs", "3", "--unfreeze-depth", "1")
    assert "head: val_loss" in out
    assert "fine_tune: val_loss" in out
    assert "auroc:" in out


def test_stress_pictures(run: Run, place: Path) -> None:
    out = run(place, "stress_pictures.py", *SMALL, "--out", "stress")
    assert "85 cracked pictures of 17 families" in out
    assert (place / "stress" / "sound.png").is_file()


def test_new_site(run: Run, place: Path) -> None:
    out = run(place, "new_site.py", *SMALL)
    assert "before: 80 patches of 10 photos, AUROC" in out
    assert "cross-validated AUROC gain" in out


def test_search(run: Run, place: Path) -> None:
    options = (*SMALL, "--max-trials", "2", "--search-images", "64", "--directory", "search")
    out = run(place, "search.py", *options)
    assert "best: {" in out
    assert (place / "search" / "trials.csv").is_file()
    assert (place / "search" / "best_hyperparameters.json").is_file()


def test_own_photos_and_the_metrics_of_their_run(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crackdet.report.report.draw", lambda run: [])  # takes seconds
    options = (*RANDOM, "--patches", "120", "--epochs", "1", "--out", "mine")
    out = run(place, "own_photos.py", *options)
    assert "Cut validation and test from the folder" in out
    assert (place / "mine" / "report.html").is_file()

    out = run(place, "read_metrics.py", "mine")
    assert "after training: accuracy" in out
    assert "test images are wrong" in out
    assert "evaluation:" in out

    site = {"site": "north", "n": 4, "positives": 1, "auroc": 0.9}
    (place / "sites.json").write_text(json.dumps({"sites": [site]}), "utf-8")
    elsewhere = ("--elsewhere", "sites.json")
    out = run(place, "ship_preset.py", "mine", "--out", "preset", *elsewhere)
    assert "Wrote preset: " in out
    card = json.loads((place / "preset" / "card.json").read_text("utf-8"))
    metrics = json.loads((place / "mine" / "metrics.json").read_text("utf-8"))
    assert card["threshold"] == metrics["threshold"]
    assert card["test"]["accuracy"] == metrics["after"]["test"]["accuracy"]
    assert [each["auroc"] for each in card["elsewhere"]] == [0.9]


def test_paint_patches(run: Run, place: Path) -> None:
    out = run(place, "paint_patches.py", *SMALL, "--patches", "3", "--out", "painted")
    assert "painted/painting.jpg" in out.splitlines()
    for path in (place / "painted").iterdir():
        with Image.open(path) as grid:
            assert grid.size == (3 * (48 + 8), 6 * (48 + 8))
