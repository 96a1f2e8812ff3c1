"""A tiny folder of procedural images, and commands run in this process."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from crackdet.cli import main

# With these options a whole run takes seconds.
TINY = [
    *("--image-size", "32", "--weights", "concrete", "--batch-size", "16"),
    *("--validation-fraction", "0.25", "--test-fraction", "0.25", "--verbose", "0"),
]
TINY_SEARCH = ["--max-trials", "2", "--search-epochs", "1", "--tuner", "random", "--workers", "1"]
TINY_FIT = ["--epochs", "1", "--views", "1", "--bootstrap", "20"]


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def crackdet(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs `crackdet("data", "info", folder)` and returns its exit code and what it printed."""

    def command(*words: object) -> Outcome:
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Outcome(code, *capsys.readouterr())

    return command


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighty procedural images in negative/ and positive/."""
    from tfds_builder.concrete_cracks.procedural import demo_image

    root = tmp_path_factory.mktemp("images")
    for index in range(80):
        pixels, label = demo_image(index, seed=7)
        path = root / ("negative", "positive")[label] / f"{index:03d}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path, quality=90)
    return root


@pytest.fixture(scope="session")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train and test folders that share a copy, a mirrored twin and an overlapping crop."""
    from tfds_builder.concrete_cracks.procedural import demo_photo

    root = tmp_path_factory.mktemp("leaking")

    def save(pixels: np.ndarray, name: str, quality: int = 92) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / name, quality=quality)

    photos = [demo_photo(i, height=300, width=300, seed=3, cracked=i % 2 == 1)[0] for i in range(6)]
    for index, photo in enumerate(photos):
        save(photo[:200, :200], f"train/{('sound', 'cracked')[index % 2]}/{index}.jpg")
    save(photos[3][:200, :200][:, ::-1], "test/cracked/mirrored.jpg", quality=80)
    save(photos[5][60:260, 40:240], "test/cracked/shifted.jpg")
    shutil.copy(root / "train" / "cracked" / "1.jpg", root / "test" / "cracked" / "copy.jpg")
    sound = [demo_photo(i, height=200, width=200, seed=9, cracked=False)[0] for i in (20, 22)]
    save(sound[0], "test/sound/alone.jpg")
    save(sound[1], "test/sound/cut.jpg")
    cut = root / "test" / "sound" / "cut.jpg"
    cut.write_bytes(cut.read_bytes()[:700])
    (root / "test" / "sound" / "empty.jpg").touch()
    return root


@pytest.fixture(scope="session")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty small images in no_crack/ and crack/; a dark line crosses the latter."""
    root = tmp_path_factory.mktemp("patches")
    random = np.random.default_rng(0)
    for number in range(40):
        pixels = random.integers(120, 200, (40, 40, 3), np.uint8)
        if number % 2:
            pixels[:, random.integers(5, 35)] = 20
        path = root / ("no_crack", "crack")[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    return root
