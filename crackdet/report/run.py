"""What a run's folder holds, read and checked before anything is drawn."""

import csv
import zipfile
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from crackdet.errors import CrackdetError
from crackdet.evaluation.unsure import unsure_facts
from crackdet.files import read_csv, read_json
from crackdet.report.entries import Entries
from crackdet.runs import files
from crackdet.runs.history import METRICS as HISTORY_METRICS
from crackdet.runs.history import STRESS_METRICS
from crackdet.runs.judged import CROSS_VALIDATION, judged_row
from crackdet.runs.record import command
from crackdet.runs.trials import Trials, read_trials

TRIALS = f"{files.SEARCH}/{files.TRIALS}"
_SEARCH_OPTIONS = f"{files.SEARCH}/{files.SEARCH_OPTIONS}"
_METRICS_PARTS = ("data", "before", "after", "baseline", "temperature", "threshold")
_ARCHITECTURE_PARTS = ("stages", "layers", "params", "trainable_params")

# What reading a file raises that is cut short, is of another format or lacks a part.
_BROKEN = (OSError, ValueError, TypeError, KeyError, EOFError, csv.Error, zipfile.BadZipFile)


@dataclass(frozen=True)
class Predictions:
    """The rows of predictions.csv of one split, as arrays of equal length."""

    keys: list[str]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    scores_before: NDArray[np.float64]  # NaN where there is none.
    # Of each image, where it is judged by its fold's own; NaN where the run's is that of all.
    thresholds: NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """Everything that the report of a run is made from."""

    folder: Path
    config: Entries
    metrics: Entries
    architecture: Entries
    samples: Entries  # of arrays
    predictions: dict[str, Predictions]
    history: list[dict[str, str]]  # Empty where the run has none.
    trials: Trials | None

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, negative first."""
        return list(self.metrics["data"]["class_names"])

    @property
    def threshold(self) -> float:
        """The decision threshold on calibrated scores."""
        return float(self.metrics["threshold"])

    @property
    def cross_validation(self) -> Entries | None:
        """What the folds were; None where a test split judges the run."""
        found: Entries | None = self.metrics.get(CROSS_VALIDATION)
        return found

    @property
    def stress(self) -> Entries | None:
        """What `stress_score` says of the run; None where it was not measured under stress."""
        found: Entries | None = self.metrics.get("stress")
        return found if found is not None and "families" in found else None

    @property
    def judged(self) -> str:
        """How the images are called that judge the run: test, or cross-validated."""
        return "test" if self.cross_validation is None else "cross-validated"

    @property
    def test(self) -> Predictions:
        """The predictions on the images that judge the run: its test split, if it has one."""
        predictions: Predictions = judged_row(self.predictions)
        return predictions

    @property
    def test_metrics(self) -> Entries:
        """The metrics of the trained classifier on these images."""
        row: Entries = judged_row(self.metrics["after"])
        return row

    @property
    def alarms(self) -> NDArray[np.bool_]:
        """Which of these images are called cracked."""
        own = self.test.thresholds
        return self.test.scores >= np.where(np.isnan(own), self.threshold, own)

    @property
    def at_threshold(self) -> dict[str, Any]:
        """What the scores of these images are at the threshold, unsure or not.

        `recall`, `false_alarm_rate`, `precision` and `confusion`, as in a row of metrics.
        """
        y, alarms = self.test.labels, self.alarms
        facts = unsure_facts(y, alarms, np.zeros(y.size, bool), y, with_intervals=False)["answered"]
        names = ("recall", "false_alarm_rate", "precision", "confusion")
        return {name: facts[name] for name in names}


def read_run(folder: Path) -> Run:
    """Reads a run's folder.

    Args:
        folder: What `crackdet run` wrote.

    Returns:
        The content; `history` is empty and `trials` is None where the run has none.

    Raises:
        CrackdetError: If a required file is missing or broken, or files contradict each other.
    """
    run = Run(
        folder=folder,
        config=_read_entries(folder, files.CONFIG, _json_with("options")),
        metrics=_read_entries(folder, files.METRICS, _json_with(*_METRICS_PARTS)),
        architecture=_read_entries(folder, files.ARCHITECTURE, _json_with(*_ARCHITECTURE_PARTS)),
        samples=_read_entries(folder, files.SAMPLES, _read_arrays),
        predictions=_read(folder, files.PREDICTIONS, _read_predictions),
        history=_read_history(folder),
        trials=read_search(folder) if _holds(folder, TRIALS) else None,
    )
    _require_one_evaluation(run)
    return run


def read_search(folder: Path) -> Trials | None:
    """Reads the trials of a run's search; None where none has ended.

    Args:
        folder: The run's folder, not that of the search.

    Raises:
        CrackdetError: If trials.csv or search.json is missing or broken.
    """
    _require(folder, TRIALS)
    # Read by itself first, so that an error names the one of the two files that is broken.
    _read(folder, _SEARCH_OPTIONS, _json_with("objective"))
    return _read(folder, TRIALS, _read_trials)


def _require_one_evaluation(run: Run) -> None:
    for name, row in run.metrics["after"].items():
        listed = len(run.predictions[name].keys) if name in run.predictions else 0
        if listed != row["n"]:
            raise CrackdetError(
                f"{run.folder / files.PREDICTIONS} lists {listed} {name} images, {files.METRICS} "
                f"counts {row['n']}: they come from different evaluations. "
                f"{_remedy(run.folder, files.METRICS)}"
            )


def _holds(folder: Path, name: str) -> bool:
    return (folder / name).is_file()


def _require(folder: Path, name: str) -> None:
    if not _holds(folder, name):
        raise CrackdetError(f"{folder / name} is missing. {_remedy(folder, name)}")


def _read(folder: Path, name: str, read: Callable[[Path], Any]) -> Any:
    _require(folder, name)
    path = folder / name
    try:
        return read(path)
    except _BROKEN as error:
        raise CrackdetError(f"{path} cannot be read ({error}). {_remedy(folder, name)}") from error


def _read_entries(folder: Path, name: str, read: Callable[[Path], Any]) -> Entries:
    def refuse(entry: str) -> NoReturn:
        raise CrackdetError(f"{folder / name} lacks {entry}. {_remedy(folder, name)}")

    return Entries(_read(folder, name, read), refuse)


def _remedy(folder: Path, name: str) -> str:
    """Returns what to do about a file that is missing or broken."""
    if name == files.HISTORY:
        return "Delete it: the report is made without it."
    if name in (TRIALS, _SEARCH_OPTIONS):
        return f"Move {folder / files.SEARCH} elsewhere: the report is made without it."
    try:
        again = command(read_json(folder / files.CONFIG), folder)
    except _BROKEN:
        return (
            f"What the run was made of stands in {files.CONFIG} alone: make it again in another "
            "folder, with `crackdet run` or `crackdet train`."
        )
    deleting = f"Delete {folder / name} and give" if _holds(folder, name) else "Give"
    return f"{deleting} the run's command again, which makes it: {again}"


def _json_with(*names: str) -> Callable[[Path], Any]:
    """Returns a reader of JSON files that refuses one without all of these names."""

    def read(path: Path) -> Any:
        value = read_json(path)
        _require_names(names, value)
        return value

    return read


def _require_names(names: Iterable[str], present: Container[str]) -> None:
    lacking = [name for name in names if name not in present]
    if lacking:
        raise ValueError(f"it lacks {', '.join(lacking)}")


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def _read_predictions(path: Path) -> dict[str, Predictions]:
    rows = read_csv(path)
    splits = {}
    for name in dict.fromkeys(row["split"] for row in rows):
        part = [row for row in rows if row["split"] == name]
        splits[name] = Predictions(
            keys=[row["key"] for row in part],
            labels=np.array([int(row["label"]) for row in part], np.int64),
            scores=np.array([float(row["score"]) for row in part]),
            scores_before=np.array([float(row["score_before"] or "nan") for row in part]),
            thresholds=np.array([float(row.get("threshold") or "nan") for row in part]),
        )
    return splits


def _read_history(folder: Path) -> list[dict[str, str]]:
    return _read(folder, files.HISTORY, _read_epochs) if _holds(folder, files.HISTORY) else []


def _read_epochs(path: Path) -> list[dict[str, str]]:
    rows = read_csv(path)
    for row in rows:
        _require_names(("phase", *HISTORY_METRICS), row)
        for name in (*HISTORY_METRICS, *(each for each in STRESS_METRICS if each in row)):
            float(row[name] or "nan")
    return rows


def _read_trials(path: Path) -> Trials | None:
    trials = read_trials(path.parent)
    if trials is not None:
        # Every cell that is drawn is read once here, so that an error names the file.
        trials.finished()
        for row in trials.rows:
            for column in (*trials.hyperparameters, trials.objective):
                trials.value(row, column)
    return trials
