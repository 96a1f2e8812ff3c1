"""Folders of small procedural pictures."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of flat pictures: `make_folder({"crack/a.png": 10, …})`, values are grey."""

    def make(files: dict[str, int], folder: str = "pictures") -> Path:
        for name, grey in files.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (32, 32), grey).save(path)
        return tmp_path / folder

    return make
