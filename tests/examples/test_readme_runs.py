"""Every Python block and every shell line of README.md runs, in its order and in one folder.

Python blocks run in this process, and so do the words after `crackdet`. What takes longer than a
minute as it stands is made shorter, and nothing else about it:

- `concrete_cracks` is built from the sixteen images a class of its dummy data, `demo` from 40
  images; `my_patches`, `walls` and the rest are small procedural pictures.
- The options of `SHORTER` follow those of a command, and `IN_PYTHON` replaces what it names.
- Commands and searches train the stand-in of `tests/standin.py`; `fit` and `predict` of the Python
  blocks use MobileNetV2.
- Trials run in a thread of this process instead of processes of their own.
- The pictures of a page are drawn for the demo alone.
- `make demo` is the command that stands in the Makefile. `make test` is what CI runs: this test is
  part of it.
"""

import functools
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import crackdet
from crackdet.cli import main
from tests.standin import standin_classifier
from tfds_builder.concrete_cracks import concrete_cracks_dataset_builder, sources
from tfds_builder.concrete_cracks.procedural import demo_image
from tuning import search

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
DUMMY_DATA = Path(sources.__file__).with_name("dummy_data")

_SMALL = "--image-size 32 --batch-size 16 --weights concrete --validation-fraction 0.25"
_SMALL += " --test-fraction 0.25 --data-dir tfds"
_SEARCH = "--tuner random --max-trials 1 --search-epochs 1 --search-images 16"
_SEARCH += " --halving-factor none --workers 1"
_FIT = "--epochs 1 --views 2 --stress-images 34 --bootstrap 20"
SHORTER = {
    "run": f"{_SMALL} {_SEARCH} {_FIT}",
    "search": f"{_SMALL} {_SEARCH}",
    "train": f"{_SMALL} {_FIT}",
    "evaluate": "--bootstrap 20",
    "transfer": "--bootstrap 20",
    "adapt": "--bootstrap 20",
    "data build": "--data-dir tfds",
}
IN_PYTHON = {
    'load_data("demo")': 'load_data("my_patches", image_size=32, batch_size=16)',
    "unfreeze_depth=2,": "(32, 32), unfreeze_depth=2,",
    "epochs=4,": "epochs=1,",
    'tuner="bayesian", max_trials=8,': 'tuner="random", max_trials=1, epochs=1, workers=1,',
    'split="train",': 'split="train", data_dir="tfds",',
}


def blocks() -> list[tuple[str, str]]:
    """The language and text of each block of code."""
    text = (ROOT / "README.md").read_text("utf-8")
    return re.findall(r"```(python|sh)\n(.*?)```", text, re.DOTALL)


def steps() -> Iterator[tuple[str, str]]:
    """What is run: a block of Python as a whole, of shell line by line."""
    for language, text in blocks():
        if language == "python":
            yield language, text
        else:
            for line in text.replace("\\\n", " ").splitlines():
                yield language, " ".join(shlex.split(line, comments=True, posix=False))


STEPS = list(steps())


def write_pictures(folder: Path, count: int, seed: int, classes: tuple[str, str] | None) -> None:
    """Small procedural patches, four to a photo, which their names tell."""
    for index in range(count):
        pixels, label = demo_image(index, seed=seed)
        path = folder / (classes[label] if classes else "") / f"DSC{index // 4:05d}_{index % 4}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).resize((64, 64)).save(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a reader types: photographs of their own, and no results yet."""
    folder = tmp_path_factory.mktemp("readme")
    Image.fromarray(demo_image(1, seed=5)[0]).save(folder / "patch.jpg")
    write_pictures(folder / "walls" / "north", 4, 6, None)
    write_pictures(folder / "my_patches", 48, 7, ("no_crack", "crack"))
    write_pictures(folder / "other_site", 16, 8, ("no_crack", "crack"))
    (folder / "sites.csv").write_text("name,data\nthe other one,other_site\n", "utf-8")
    return folder


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What the Python blocks have in common: each goes on from those before."""
    return {}


@pytest.fixture(autouse=True)
def _small(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setattr(sources, "IMAGES_PER_CLASS", 16)
    monkeypatch.setattr(concrete_cracks_dataset_builder, "DEMO_IMAGES", 40)
    monkeypatch.setattr("tuning.searching.local_executor", lambda: ThreadPoolExecutor(1))
    monkeypatch.setitem(search.__kwdefaults__, "classifier", standin_classifier)


def make(target: str) -> str:
    """The words that `make` runs for a target, after `$(BIN)/`."""
    text = (ROOT / "Makefile").read_text("utf-8")
    return re.search(rf"^{target}:.*\n\t\$\(BIN\)/(.*)$", text, re.MULTILINE)[1]


def shell(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a line, made short."""
    if line == "make test":
        assert "make test" in (ROOT / ".ci" / "run").read_text("utf-8")
        return
    if line == "make demo":
        line = make("demo")
    else:
        monkeypatch.setattr("crackdet.report.report.draw", lambda run: [])
    # Painted views are augmented too.
    augmented = functools.partial(standin_classifier, strength=1.0)
    monkeypatch.setattr(crackdet.models, "new_classifier", augmented)
    words = shlex.split(line)
    words = [str(DUMMY_DATA) if word == "FOLDER" else word for word in words]
    if words[0] == "python":
        script(words[1:], monkeypatch)
        return
    assert words.pop(0) == "crackdet", line
    command = " ".join(words[:2]) if words[0] == "data" else words[0]
    # On so few patches it may be right to refuse what was adapted, which is a failure.
    codes = (0, 1) if command == "adapt" else (0,)
    assert main([*words, *SHORTER.get(command, "").split()]) in codes


def script(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a benchmark on the dummy data, with a small network in the place of MobileNetV2."""
    network = functools.partial(standin_classifier, 224)
    monkeypatch.setattr(crackdet.models, "mobilenet_v2_classifier", network)
    monkeypatch.setattr(sys, "argv", [*words, "--data-dir", "tfds", "--epochs", "1"])
    runpy.run_path(str(ROOT / words[0]), run_name="__main__")


@pytest.mark.parametrize(("language", "text"), STEPS, ids=[text[:60] for _, text in STEPS])
def test_the_readme_runs(
    language: str, text: str, names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if language == "sh":
        shell(text, monkeypatch)
        return
    for long, short in IN_PYTHON.items():
        text = text.replace(long, short)
    exec(compile(text, "README.md", "exec"), names)


def test_what_the_readme_promises_stands_there(place: Path) -> None:
    """After all of it: the files that its lines name."""
    text = "".join(text for language, text in blocks() if language == "sh").replace("\\\n", " ")
    runs = re.findall(r"^crackdet (?:run|train) .*--out (\S+)", text, re.MULTILINE)
    assert {"runs/mine", "runs/best"} < set(runs)
    files = ("walls.csv", "groups.csv", *(f"{run}/report.html" for run in ("runs/demo", *runs)))
    assert [name for name in files if not (place / name).is_file()] == []
    assert {"file", "cracked", "probability"} <= set(_header(place / "walls.csv"))


def test_each_shortening_is_of_something(place: Path) -> None:
    text = "".join(text for language, text in blocks() if language == "python")
    assert [long for long in IN_PYTHON if text.count(long) != 1] == []


def _header(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()[0].split(",")
