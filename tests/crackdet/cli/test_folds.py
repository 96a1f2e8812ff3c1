"""`--folds`: which folders are cross-validated, what is recorded, how a stop is gone on from."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crackdet.models
from crackdet.cli import _build_parser, defaults, stages
from crackdet.cli import options as cli
from crackdet.cli.train import GROUPS
from crackdet.files import read_csv, write_json
from crackdet.runs import files
from crackdet.runs.record import command
from crackdet.training import folds
from tests.standin import standin_classifier

QUICK = ("--image-size", "32", "--views", "1", "--bootstrap", "20", "--weights", "none")
QUICK = (*QUICK, "--epochs", "2", "--verbose", "0", "--cache-gb", "0.1")


@pytest.fixture
def _small_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crackdet.models, "new_classifier", standin_classifier)
    monkeypatch.setattr("crackdet.report.report.draw", lambda run: [])  # takes seconds


def folder_of(parent: Path, *names: str) -> Path:
    """A folder of files that nobody opens."""
    for name in names:
        path = parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return parent


def test_the_size_and_the_splits_of_a_folder_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defaults, "FEW_IMAGES", 4)
    pictures = [f"crack/{n}.jpg" for n in range(3)]
    few = folder_of(tmp_path / "few", *pictures)
    many = folder_of(tmp_path / "many", *pictures, "sound/9.jpg")
    train_only = folder_of(tmp_path / "train", *[f"train/{name}" for name in pictures])
    own = folder_of(tmp_path / "own", *[f"Testing Images/{name}" for name in pictures])

    def resolved(folder: Path | str, **given: Any) -> tuple[Any, Any]:
        options = cli.resolve(given, str(folder), *GROUPS)
        return options["folds"], options.get("test_fraction")

    assert resolved(few) == resolved(train_only) == (5, None)
    assert resolved(many) == resolved(own) == resolved("demo") == (None, 0.1)
    assert resolved(many, folds=3) == (3, None)
    # Who asks for a test split gets one.
    assert resolved(few, folds=None) == (None, 0.1)
    assert resolved(few, test_fraction=0.2) == (None, 0.2)
    assert resolved(few, test_fraction=0.1, folds=None) == (None, 0.1)
    with pytest.raises(cli.UsageError, match="--test-fraction"):
        resolved(few, test_fraction=0.2, folds=3)


@pytest.mark.usefixtures("_small_classifier")
def test_a_folder_is_cross_validated_and_goes_on_after_a_stop(
    crackdet: Callable[..., Any], patches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, fitted, trained = tmp_path / "run", folds.fit, []

    def train(*options: object) -> Any:
        return crackdet("train", "--data", patches, "--out", run, *QUICK, *options)

    def watched(model: Any, data: Any, **options: Any) -> Any:
        trained.append(data.train.num_images)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return fitted(model, data, **options)

    monkeypatch.setattr(folds, "fit", watched)
    assert train("--folds", "2").code == 130
    assert (run / files.fold_file(1)).exists()
    assert "--folds was 2 and is 5" in train().err
    done = train("--folds", "2")
    assert done.code == 0, done.err
    assert len(trained) == 4, "the second fold and the fit on all images"
    assert trained[-1] == 40
    assert "all: 20 negative, 20 positive" in done.out
    assert "cross-validated on 40 images in 40 groups, 2 folds" in done.out
    assert "cross-validated after training: accuracy" in done.out

    config = json.loads((run / "config.json").read_text())
    assert config["options"]["folds"] == 2
    words = shlex.split(command(config, run))
    again = _build_parser().parse_args(words[1:])
    resolved = cli.resolve(vars(again), again.data, *GROUPS)
    assert {"data": str(patches), **resolved} == config["options"]
    assert {row["fold"] for row in read_csv(run / "predictions.csv")} == {"1", "2"}
    assert "cross-validated on 40 images" in (run / "report.html").read_text()

    # The kept model has seen every image of the folder.
    judged = crackdet("evaluate", run, "--data", patches, "--verbose", "0")
    assert judged.code == 1
    assert "trained or tuned on all 40 images" in judged.err


@pytest.mark.usefixtures("_small_classifier")
def test_a_search_on_the_same_images_is_told(
    crackdet: Callable[..., Any], patches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = {"dropout": 0.1, "learning_rate": 1e-2, "unfreeze_depth": 0}

    def searched(arguments: Any, options: Any, folder: Path, data: Any, *others: Any) -> None:
        assert data.validation.num_images
        write_json(folder / files.BEST_OF_SEARCH, best)

    monkeypatch.setattr(stages, "search_stage", searched)
    done = crackdet("run", "--data", patches, "--out", tmp_path, *QUICK, "--folds", "2")
    assert done.code == 0, done.err
    assert stages.SEARCHED in done.out
    assert "figures may be a little too good" in (tmp_path / "report.html").read_text()


def test_folders_that_cannot_be_cross_validated_say_what_to_do(
    crackdet: Callable[..., Any], patches: Path, leaking: Path, tmp_path: Path
) -> None:
    def train(data: Path, *options: object) -> Any:
        words = ("train", "--data", data, "--out", tmp_path / "run", *QUICK, "--no-audit")
        return crackdet(*words, *options)

    own = train(leaking, "--folds", "3")
    assert own.code == 1
    assert "splits of its own (train, test)" in own.err
    assert "Leave --folds out" in own.err
    # All sound patches are of one photo.
    one = train(patches, "--group-by", "(no_crack)")
    assert one.code == 1
    assert "20 images of one class (such as no_crack/00.png) are of one group" in one.err
    assert "--group-by '(.+)'" in one.err
    assert not (tmp_path / "run" / "config.json").exists(), "other options may be given now"
