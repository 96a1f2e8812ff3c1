"""What a run's folder holds, read and checked before anything is drawn."""

import csv
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crackdet.errors import CrackdetError
from crackdet.files import read_json


@dataclass(frozen=True)
class Predictions:
    """The rows of predictions.csv of one split, as arrays of equal length."""

    keys: list[str]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    scores_before: NDArray[np.float64]  # NaN where there is none.


TRIALS = "search/trials.csv"


@dataclass(frozen=True)
class Trials:
    """The rows of trials.csv with the meaning of their columns."""

    rows: list[dict[str, str]]
    hyperparameters: list[str]
    objective: str
    maximize: bool

    def value(self, row: dict[str, str], column: str) -> float:
        """Returns a cell as a number, NaN where it holds none."""
        return _float(row.get(column, ""))

    def finished(self) -> list[dict[str, str]]:
        """The trials with an objective, best first.

        Those on more images come before all others, and pruned ones after those that were not.
        """
        sign = -1 if self.maximize else 1
        rows = [row for row in self.rows if not self.failed(row)]
        return sorted(
            rows,
            key=lambda row: (
                -self.images(row),
                row.get("status") == "pruned",
                sign * self.value(row, self.objective),
            ),
        )

    def images(self, row: dict[str, str]) -> int:
        """Returns on how many images a trial trained; 0 where that was not noted."""
        return int(row.get("images") or 0)

    def sizes(self) -> list[int]:
        """Returns the different numbers of images that trials trained on, in order."""
        return sorted({self.images(row) for row in self.rows})

    def failed(self, row: dict[str, str]) -> bool:
        """Whether a trial ended without an objective."""
        return not np.isfinite(self.value(row, self.objective))


@dataclass(frozen=True)
class Run:
    """Everything that the report of a run is made from."""

    folder: Path
    config: dict[str, Any]
    metrics: dict[str, Any]
    architecture: dict[str, Any]
    samples: dict[str, NDArray[Any]]
    predictions: dict[str, Predictions]
    history: list[dict[str, str]] | None
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
    def test(self) -> Predictions:
        """The predictions on the test split."""
        return self.predictions["test"]


def read_run(folder: Path) -> Run:
    """Reads a run's folder.

    Args:
        folder: What `crackdet run` wrote.

    Returns:
        The content; `history` and `trials` are `None` where the run has none.

    Raises:
        CrackdetError: If a required file is missing or broken, or files contradict each other.
    """
    metrics = _required(folder, "metrics.json", read_json)
    run = Run(
        folder=folder,
        config=_required(folder, "config.json", read_json),
        metrics=metrics,
        architecture=_required(folder, "architecture.json", read_json),
        samples=_required(folder, "samples.npz", _read_arrays),
        predictions=_required(folder, "predictions.csv", _read_predictions),
        history=_optional(folder / "history.csv", read_rows),
        trials=_optional(folder / TRIALS, _read_trials),
    )
    for name, row in metrics["after"].items():
        listed = len(run.predictions[name].keys) if name in run.predictions else 0
        if listed != row["n"]:
            raise CrackdetError(
                f"{folder / 'predictions.csv'} lists {listed} {name} images, metrics.json counts "
                f"{row['n']}: they come from different evaluations. {_remedy(folder)}"
            )
    return run


def read_trials(folder: Path) -> Trials | None:
    """Reads the trials of a search; None where it has none.

    Raises:
        CrackdetError: If trials.csv is missing or broken.
    """
    return _required(folder, TRIALS, _read_trials)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Reads a CSV file with a header row."""
    # Names that are no valid UTF-8 pass as they are; the page shows them escaped.
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def _required(folder: Path, name: str, read: Callable[[Path], Any]) -> Any:
    path = folder / name
    if not path.is_file():
        raise CrackdetError(f"{path} is missing. {_remedy(folder)}")
    return _read(path, read)


def _optional(path: Path, read: Callable[[Path], Any]) -> Any:
    return _read(path, read) if path.is_file() else None


def _read(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        EOFError,
        csv.Error,
        zipfile.BadZipFile,
    ) as error:
        raise CrackdetError(f"{path} cannot be read ({error}). {_remedy(path.parent)}") from error


def _remedy(folder: Path) -> str:
    return f"`crackdet run --out {folder}` with the run's data makes it."


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def _read_predictions(path: Path) -> dict[str, Predictions]:
    rows = read_rows(path)
    splits = {}
    for name in dict.fromkeys(row["split"] for row in rows):
        part = [row for row in rows if row["split"] == name]
        splits[name] = Predictions(
            keys=[row["key"] for row in part],
            labels=np.array([int(row["label"]) for row in part], np.int64),
            scores=np.array([float(row["score"]) for row in part]),
            scores_before=np.array([_float(row["score_before"]) for row in part]),
        )
    return splits


def _read_trials(path: Path) -> Trials | None:
    rows = read_rows(path)
    if not rows:
        return None
    columns = list(rows[0])
    # The columns are trial, status, the hyperparameters, the objective, then what else was noted.
    end = columns.index("unfreeze_depth") + 1
    objective = columns[end]
    return Trials(
        rows=rows,
        hyperparameters=columns[columns.index("status") + 1 : end],
        objective=objective,
        maximize=not any(word in objective for word in ("loss", "error", "brier", "ece")),
    )


def _float(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def json_text(value: Any) -> str:
    """Returns a value of a JSON file as one line of text, nothing as the word none."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
