"""What libraries say of themselves never reaches who gives a command."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tensorflow_datasets.core.utils import tqdm_utils

from tfds_builder.concrete_cracks import concrete_cracks_dataset_builder as builder_module

# A command that reads a picture and warns, then has Keras imported if that is asked for.
PROGRAM = """
import sys, warnings
from importlib.machinery import PathFinder

class WithoutJax(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] in ("jax", "jaxlib")
        return None if hidden else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutJax

from crackdet import cli
from crackdet.errors import CrackdetWarning
from crackdet.images import read_image
from crackdet.keras_import import import_keras

def execute(arguments):
    print(read_image(arguments.run).shape)
    warnings.warn("2 pictures were left out.", CrackdetWarning)
    if "keras" in sys.argv[1:]:
        import_keras()

cli.report.execute = execute
sys.exit(cli.main(["report", "exif.jpg", *sys.argv[2:]]))
"""


def run_program(
    folder: Path, *words: str, backend: str = "tensorflow"
) -> subprocess.CompletedProcess[str]:
    """Runs it on a JPEG whose EXIF is cut off, which Pillow warns of and reads."""
    exif = Image.Exif()
    exif[0x010E] = "a wall" * 50
    image = io.BytesIO()
    Image.new("RGB", (40, 30), "grey").save(image, "JPEG", exif=exif.tobytes()[:60])
    (folder / "exif.jpg").write_bytes(image.getvalue())
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=folder,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_warnings_are_sentences_of_crackdet_alone(tmp_path: Path) -> None:
    done = run_program(tmp_path, "quiet")
    assert done.returncode == 0
    assert done.stdout == "(30, 40, 3)\n"
    assert done.stderr == "crackdet: 2 pictures were left out.\n"


def test_debug_shows_every_warning_and_where(tmp_path: Path) -> None:
    done = run_program(tmp_path, "quiet", "--debug")
    assert "PIL" in done.stderr
    assert "UserWarning: Tag data" in done.stderr
    assert "CrackdetWarning: 2 pictures were left out." in done.stderr


@pytest.mark.parametrize(
    ("backend", "told"),
    [
        ("jax", r"needs jax, which is not installed: pip install 'crackdet[jax]', or set KERAS_BA"),
        ("theano", "backend : theano: set KERAS_BACKEND to one of tensorflow, jax, torch."),
    ],
)
def test_a_backend_that_is_missing_is_named_with_what_to_install(
    backend: str, told: str, tmp_path: Path
) -> None:
    done = run_program(tmp_path, "keras", backend=backend)
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith("crackdet: ")
    assert told in line
    assert len(done.stderr.splitlines()) == 2  # with the program's own warning


@pytest.mark.parametrize("verbose", [0, 1])
def test_a_build_shows_no_progress_where_none_is_asked_for(
    crackdet: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verbose: int
) -> None:
    monkeypatch.setattr(builder_module, "DEMO_IMAGES", 40)
    words = ("concrete_cracks/demo", "--data-dir", tmp_path, "--verbose", verbose)
    outcome = crackdet("data", "build", *words)
    assert outcome.code == 0
    assert ("Generating train examples" in outcome.err) == bool(verbose)
    if not verbose:
        assert outcome.err == ""
        assert [line.split(":")[0] for line in outcome.out.splitlines()] == ["Built", "Next"]
    assert tqdm_utils._active
    again = crackdet("data", "build", *words)
    assert again.err == ""


def test_loading_shows_no_progress_of_a_build_where_none_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from crackdet.data import load_data

    monkeypatch.setattr(builder_module, "DEMO_IMAGES", 40)
    assert load_data("demo", data_dir=tmp_path, image_size=32, verbose=0).train.num_images == 32
    assert capsys.readouterr() == ("", "")
