"""A tiny folder of procedural images, and commands run in this process."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from crackdet.cli import main

# With these options a whole run takes seconds.
TINY = [
    *("--image-size", "32", "--weights", "concrete", "--batch-size", "16"),
    *("--validation-fraction", "0.25", "--test-fraction", "0.25", "--verbose", "0"),
]
TINY_SEARCH = ["--max-trials", "2", "--search-epochs", "1", "--tuner", "random"]
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
