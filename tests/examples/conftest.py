"""Scripts as a user types them, but in this process: most take less time than to import Keras."""

import runpy
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest

import crackdet
from tests.standin import standin_classifier
from tfds_builder.concrete_cracks import concrete_cracks_dataset_builder, prepare
from tuning import CrackHyperModel, search


@pytest.fixture(scope="session")
def demo() -> None:
    """Builds a demo of few images where TFDS looks for one that is built already."""
    with mock.patch.object(concrete_cracks_dataset_builder, "DEMO_IMAGES", 160):
        prepare("demo")


@pytest.fixture
def run(
    root: Path,
    demo: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., str]:
    """Runs a script in a folder, `run(folder, name, *options)`, and returns what it printed."""

    def run(folder: Path, name: str, *options: str) -> str:
        script = root / "examples" / name
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(script.parent)
        monkeypatch.setattr(sys, "argv", [name, *options])
        capsys.readouterr()
        code = None
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as stop:
            code = stop.code
        assert not code, capsys.readouterr()
        return capsys.readouterr().out

    return run


@pytest.fixture
def standins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has runs and searches train the stand-in, and trials run in a thread of this process."""
    monkeypatch.setattr(crackdet.models, "new_classifier", standin_classifier)
    for function in (search, CrackHyperModel.__init__):
        monkeypatch.setitem(function.__kwdefaults__, "classifier", standin_classifier)
    monkeypatch.setattr("tuning.searching.local_executor", lambda: ThreadPoolExecutor(1))
