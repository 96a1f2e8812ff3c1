"""trials.csv, one row a trial: its columns, what its objective means, and which trial is best."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crackdet.errors import CrackdetError
from crackdet.files import atomic_write, read_csv, read_json
from crackdet.runs import files

HYPERPARAMETERS = ("dropout", "learning_rate", "unfreeze_depth")
# The strength of the painting: one more where images of training are painted.
PAINTING = "painting"

# Objectives and their directions. The loss under stress needs a stress split; the recall is the
# share of cracked images found at a false-alarm rate of 1 %: sensitivity at a fixed specificity.
RECALL = "val_recall_at_far_1pct"
STRESS_LOSS = "val_stress_loss"
OBJECTIVES = {"val_loss": "min", "val_accuracy": "max", RECALL: "max", STRESS_LOSS: "min"}


def hyperparameters_in(names: Iterable[str]) -> tuple[str, ...]:
    """Returns the hyperparameters of a search among the names of what a trial has.

    Example:

    >>> hyperparameters_in(["trial", "painting"])
    ('dropout', 'learning_rate', 'unfreeze_depth', 'painting')
    """
    return (*HYPERPARAMETERS, *([PAINTING] if PAINTING in names else []))


COMPLETED, PRUNED, FAILED = "completed", "pruned", "failed"


def metric_columns(objective: str) -> tuple[str, ...]:
    """Returns the metrics of trials.csv, the objective first."""
    others = ("val_stress_accuracy",) if objective == STRESS_LOSS else ()
    clean = (name for name in ("val_loss", "val_accuracy") if name != objective)
    return (objective, *others, *clean)


def by_number(trial: str) -> tuple[int, str]:
    """Returns what trials are sorted by to stand in the order of their numbers.

    Numbers are padded with zeros to one width, but for those of a search that was given more trials
    later.

    Example:

    >>> sorted(["10", "9"], key=by_number)
    ['9', '10']
    """
    return (len(trial), trial)


def standing(
    value: float, direction: str, *, images: int = 0, pruned: bool = False, trial: str = ""
) -> tuple:
    """Returns what trials are sorted by, the best first.

    Trials on more images come first: a loss on few of them is another measure. Those that were
    given up come after all others on as many. Of equals the earlier comes first.

    Args:
        value: The objective.
        direction: "min" or "max".
        images: On how many images the trial trained.
        pruned: Whether it was given up before its end.
        trial: Its number, as text.

    Example:

    >>> sorted([0.3, 0.1, 0.2], key=lambda value: standing(value, "max"))
    [0.3, 0.2, 0.1]
    """
    return (-images, pruned, value if direction == "min" else -value, *by_number(trial))


@dataclass(frozen=True)
class Trials:
    """The rows of trials.csv as text, with what they were ranked by."""

    rows: list[dict[str, str]]
    objective: str

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """Names of the hyperparameters that the search had."""
        return hyperparameters_in(self.rows[0])

    @property
    def direction(self) -> str:
        """Whether the objective should be small ("min") or large ("max")."""
        return OBJECTIVES[self.objective]

    def value(self, row: Mapping[str, str], column: str) -> float:
        """Returns a cell as a number, NaN where it is empty."""
        return float(row[column] or "nan")

    def images(self, row: Mapping[str, str]) -> int:
        """Returns on how many images a trial trained."""
        return int(row["images"])

    def sizes(self) -> list[int]:
        """Returns the different numbers of images that trials trained on, in order."""
        return sorted({self.images(row) for row in self.rows})

    def failed(self) -> list[dict[str, str]]:
        """Returns the trials that ended without an objective, in their order."""
        return [row for row in self.rows if row["status"] == FAILED]

    def finished(self) -> list[dict[str, str]]:
        """Returns the trials with an objective, best first."""
        return sorted(
            (row for row in self.rows if row["status"] != FAILED),
            key=lambda row: standing(
                self.value(row, self.objective),
                self.direction,
                images=self.images(row),
                pruned=row["status"] == PRUNED,
                trial=row["trial"],
            ),
        )


def read_trials(search: Path) -> Trials | None:
    """Reads the trials of a search; None where none has ended.

    Args:
        search: The search's folder.

    Raises:
        CrackdetError: If the search's options name no objective that is known.
        OSError, ValueError, KeyError: If a file is missing or broken.
    """
    objective = read_json(search / files.SEARCH_OPTIONS)["objective"]
    if objective not in OBJECTIVES:
        raise CrackdetError(
            f"{search / files.SEARCH_OPTIONS} names the objective {objective!r}, which is none of "
            f"{', '.join(OBJECTIVES)}: was it written by another version of crackdet?"
        )
    rows = read_csv(search / files.TRIALS)
    return Trials(rows, objective) if rows else None


def write_trials(search: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes trials.csv in a search's folder; what a trial lacks is None in its row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(search / files.TRIALS) as temporary:
        temporary.write_text(text.getvalue(), "utf-8")
