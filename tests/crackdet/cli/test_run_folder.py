"""A run's folder over commands: what locks it, what is noticed, and how the run is repeated."""

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crackdet.models
from crackdet import training
from crackdet.cli import _build_parser
from crackdet.cli import options as cli
from crackdet.cli.train import GROUPS
from crackdet.runs.record import command
from tests.standin import standin_classifier

SHARES = ("--validation-fraction", "0.25", "--test-fraction", "0.25")
QUICK = ("--image-size", "32", "--epochs", "1", "--views", "1", "--bootstrap", "20", *SHARES)


@pytest.fixture(autouse=True)
def _small_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crackdet.models, "new_classifier", standin_classifier)
    monkeypatch.setattr("crackdet.report.report.draw", lambda run: [])  # takes seconds


@pytest.fixture
def train(crackdet: Callable[..., Any], patches: Path, tmp_path: Path) -> Callable[..., Any]:
    """Runs `train` over a copy of the patches into `tmp_path / "run"`."""
    shutil.copytree(patches, tmp_path / "patches")
    words = ("train", "--data", tmp_path / "patches", "--out", tmp_path / "run", "--verbose", "0")

    def go(*options: object) -> Any:
        given = ("--weights", "none") if "--weights" not in options else ()
        return crackdet(*words, *QUICK, *given, *options)

    return go


def test_a_finished_run_is_watched_mended_and_repeated(
    train: Callable[..., Any], crackdet: Callable[..., Any], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert train("--half-precision").code == 0
    made = (run / "metrics.json").read_bytes()
    assert train().code == 0
    assert (run / "metrics.json").read_bytes() == made

    # What decides the run stands in its record, and the command there makes it again.
    config = json.loads((run / "config.json").read_text())
    assert config["made_with"] == {"half_precision": True}
    words = shlex.split(command(config, run))
    assert "--half-precision" in words
    again = _build_parser().parse_args(words[1:])
    assert cli.resolve(vars(again), again.data, *GROUPS).items() <= config["options"].items()
    assert "random weights" in (run / "report.html").read_text()

    # A file that the report needs is lost: the sentence names a command that brings it back.
    (run / "samples.npz").unlink()
    lost = crackdet("report", run)
    assert lost.code == 1
    assert lost.out == ""
    remedy = shlex.split(lost.err.partition("which makes it: ")[2])
    assert crackdet(*remedy[1:], "--verbose", "0").code == 0
    assert crackdet("report", run).code == 0
    assert json.loads((run / "metrics.json").read_bytes())["after"] == json.loads(made)["after"]

    # An image that moved to the other class is another data set.
    image = next((tmp_path / "patches" / "crack").iterdir())
    image.rename(tmp_path / "patches" / "no_crack" / image.name)
    changed = train()
    assert changed.code == 1
    assert "images have changed" in changed.err
    assert "Report:" not in changed.out


def test_weights_that_do_not_exist_are_refused_before_anything_is_written(
    train: Callable[..., Any], tmp_path: Path
) -> None:
    """The fault: the folder was locked to `--weights cocnrete`, which can never run."""
    refused = train("--weights", "cocnrete")
    assert refused.code == 2
    assert "--weights cocnrete: There is no preset 'cocnrete'" in refused.err
    assert "imagenet" in refused.err
    assert not (tmp_path / "run").exists()


def test_a_command_that_fails_before_it_has_a_result_leaves_its_options_free(
    train: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("no room for a batch of 7")

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "fit_averaged", fail)
    assert train("--batch-size", "7").code == 1
    monkeypatch.setattr(training, "fit_averaged", stop)
    assert train("--batch-size", "8").code == 130
    # Which is kept by one that was merely stopped.
    kept = train("--batch-size", "9")
    assert kept.code == 1
    assert "--batch-size was 8 and is 9" in kept.err
    # A later failure brings back the record as it was.
    monkeypatch.setattr(training, "fit_averaged", fail)
    before = (tmp_path / "run" / "config.json").read_bytes()
    assert train("--batch-size", "8").code == 1
    assert (tmp_path / "run" / "config.json").read_bytes() == before
