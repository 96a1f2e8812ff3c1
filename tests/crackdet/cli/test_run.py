"""`crackdet run`, `search`, `train` and `report` end to end on a tiny folder, stops included."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crackdet import evaluation, training
from crackdet.runs import files
from tests.crackdet.cli.conftest import TINY, TINY_FIT, TINY_SEARCH

pytestmark = pytest.mark.slow

RESULTS = (
    "config.json",
    "search/trials.csv",
    "search/best_hyperparameters.json",
    "model.keras",
    "history.csv",
    "predictions.csv",
    "metrics.json",
    "samples.npz",
    "architecture.json",
    "report.html",
)


class Run:
    """One run's folder and the command that makes it."""

    def __init__(self, crackdet: Callable[..., Any], images: Path, out: Path):
        self._crackdet, self.images, self.out = crackdet, images, out

    def command(self, name: str, *options: object) -> Any:
        return self._crackdet(name, "--data", self.images, "--out", self.out, *TINY, *options)

    def go_on(self, *options: object) -> Any:
        return self.command("run", *TINY_SEARCH, *TINY_FIT, *options)

    def has(self, *names: str) -> bool:
        return all((self.out / name).exists() for name in names)


def stop(*args: object, **kwargs: object) -> None:
    raise KeyboardInterrupt


def unexpected(*args: object, **kwargs: object) -> None:
    raise AssertionError("this stage stands and must not run again")


def test_a_run_goes_on_from_every_stage_and_train_repeats_it(
    crackdet: Callable[..., Any],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import tuning

    fit_averaged, evaluate_run = training.fit_averaged, evaluation.evaluate_run
    run = Run(crackdet, folder, tmp_path / "run")

    searched = run.command("search", *TINY_SEARCH)
    assert searched.code == 0, searched.err
    assert run.has("config.json", *RESULTS[1:3])
    assert not run.has("cache")
    assert f"crackdet train --data {folder} --out DIR --from {run.out}" in searched.out
    assert json.loads((run.out / "config.json").read_text())["made_with"]["workers"] >= 1
    with open(run.out / "search" / "trials.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 2

    # Stopped in the final fit: the search stands and is not repeated from here on.
    monkeypatch.setattr(tuning, "search", unexpected)
    with monkeypatch.context() as patch:
        patch.setattr(training, "fit_averaged", stop)
        stopped = run.go_on()
    assert stopped.code == 130
    assert "give the same command again" in stopped.err
    assert not run.has(files.FITTED_MODEL)
    assert json.loads((run.out / "config.json").read_text())["options"]["epochs"] == 1

    # Stopped when the calibrated model is saved but test is not yet measured.
    with monkeypatch.context() as patch:
        patch.setattr("crackdet.evaluation.run.collect_samples", stop)
        stopped = run.go_on()
    assert stopped.code == 130
    assert run.has(files.FITTED_MODEL, "model.keras", "history.csv")
    assert not run.has("metrics.json")

    # Stopped before the report.
    from crackdet import report

    monkeypatch.setattr(training, "fit_averaged", unexpected)
    with monkeypatch.context() as patch:
        patch.setattr(report, "write_report", stop)
        assert run.go_on().code == 130
    assert run.has("metrics.json")
    assert not run.has("report.html")

    # Nothing is left to do but the report.
    monkeypatch.setattr(evaluation, "evaluate_run", unexpected)
    done = run.go_on()
    assert done.code == 0, done.err
    assert run.has(*RESULTS)
    assert not run.has(files.FITTED_MODEL)
    assert not run.has("cache")
    assert f"Report: {run.out / 'report.html'}" in done.out
    assert f"crackdet predict photo.jpg --model {run.out}" in done.out
    seconds = json.loads((run.out / "metrics.json").read_text())["seconds"]
    assert {"data", "search", "fit", "evaluation"} <= set(seconds)

    # The page comes again from the files alone; its pictures take seconds, and stand here.
    monkeypatch.setattr("crackdet.report.report.draw", lambda run: [])
    (run.out / "report.html").unlink()
    assert crackdet("report", run.out).code == 0
    assert run.has("report.html")

    # The same stages without the stops, as `train`, give the same model to the last bit.
    monkeypatch.setattr(training, "fit_averaged", fit_averaged)
    monkeypatch.setattr(evaluation, "evaluate_run", evaluate_run)
    again = Run(crackdet, folder, tmp_path / "again")
    trained = again.command("train", *TINY_FIT, "--from", run.out)
    assert trained.code == 0, trained.err
    assert again.has("report.html")
    predictions = [(r.out / "predictions.csv").read_bytes() for r in (run, again)]
    assert predictions[0] == predictions[1]
    first, second = (json.loads((r.out / "metrics.json").read_text()) for r in (run, again))
    for name in ("temperature", "threshold", "before", "after", "baseline", "data"):
        assert first[name] == second[name]

    # Other options would mix two runs in one folder.
    before = {path: path.stat().st_mtime_ns for path in run.out.rglob("*")}
    refused = run.go_on("--epochs", "2", "--seed", "1")
    assert refused.code == 1
    assert "--epochs was 1 and is 2" in refused.err
    assert "--seed was 0 and is 1" in refused.err
    assert {path: path.stat().st_mtime_ns for path in run.out.rglob("*")} == before

    # The run's folder is a MODEL, with the threshold that it chose.
    answer = crackdet("predict", next(folder.rglob("*.jpg")), "--model", run.out, "--json")
    assert answer.code == 0
    assert json.loads(answer.out)["threshold"] == first["threshold"]


def test_a_cache_outside_the_run_is_kept(
    crackdet: Callable[..., Any],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run(crackdet, folder, tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "evaluate_run", stop)
        options = ("--cache-dir", tmp_path / "features", "--unfreeze-depth", "1", *TINY_FIT)
        assert run.command("train", *options).code == 130
    assert list((tmp_path / "features").rglob("*.json"))
    assert not run.has("cache")


def test_changed_images_are_not_mixed_into_a_run(
    crackdet: Callable[..., Any], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    run = Run(crackdet, copy, tmp_path / "run")
    monkeypatch.setattr(training, "fit_averaged", stop)
    assert run.command("train", *TINY_FIT).code == 130
    next(copy.rglob("*.jpg")).unlink()
    changed = run.command("train", *TINY_FIT)
    assert changed.code == 1
    assert "images have changed" in changed.err


def test_hyperparameters_come_from_a_finished_search_only(
    crackdet: Callable[..., Any], folder: Path, tmp_path: Path
) -> None:
    run = Run(crackdet, folder, tmp_path / "run")
    outcome = run.command("train", *TINY_FIT, "--from", tmp_path)
    assert outcome.code == 1
    assert "holds no finished search" in outcome.err
    assert not run.out.exists()


def test_a_report_needs_a_finished_run(crackdet: Callable[..., Any], tmp_path: Path) -> None:
    outcome = crackdet("report", tmp_path)
    assert outcome.code == 1
    assert "metrics.json is missing" in outcome.err
