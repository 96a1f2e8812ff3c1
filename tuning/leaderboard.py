"""The finished trials as rows, the best of them, trials.csv and the few checkpoints kept."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crackdet.files import atomic_write
from tuning.project import writing
from tuning.tasks import Finished, Task
from tuning.trial import checkpoint, error_file

HYPERPARAMETERS = ("dropout", "learning_rate", "unfreeze_depth")


class Leaderboard:
    """Collects finished trials and keeps trials.csv and the trials' files up to date.

    It alone writes what trials leave in the search's folder: a process that outlives its search
    cannot change it, and a machine of a cluster need not see the folder.

    Args:
        folder: The search's folder.
        objective: Name of the metric that trials are ranked by.
        direction: "min" or "max".
        keep_checkpoints: Of how many best trials the weights are kept.
        images: Training images of a trial that does not say on how many it trains.
    """

    def __init__(
        self,
        folder: Path,
        objective: str,
        direction: str,
        keep_checkpoints: int,
        images: int,
    ):
        self.folder = folder
        self.objective = objective
        self.direction = direction
        self.keep_checkpoints = keep_checkpoints
        self.images = images
        self.trials: list[Finished] = []

    def add(self, trial: Finished, *, replayed: bool = False) -> None:
        """Adds a finished trial, writes its files and removes checkpoints that fell behind.

        Args:
            trial: The trial.
            replayed: Whether it ended before a restart: its files stand there already.

        Raises:
            CrackdetError: If the disk is full or a file cannot be written.
        """
        with writing(self.folder):
            self._add(trial, replayed)

    def _add(self, trial: Finished, replayed: bool) -> None:
        if not replayed:
            self._write_files(trial)
        self.trials.append(Finished(trial.task, trial.outcome.bare()))
        with atomic_write(self.folder / "trials.csv") as temporary:
            temporary.write_text(self.as_csv(), "utf-8")
        kept = {each.task.trial for each in self._unpruned()[: self.keep_checkpoints]}
        for each in self.trials:
            if each.task.trial not in kept:
                checkpoint(self.folder, each.task.trial).unlink(missing_ok=True)

    def _write_files(self, trial: Finished) -> None:
        name = trial.task.trial
        own = (self.folder / "tensorboard" / name, self.folder / f"trial_{name}")
        for folder, pattern in zip(own, ("*events.*", ".*.partial*"), strict=True):
            for left in folder.glob(pattern):  # by a search that was killed while writing
                left.unlink()
        for relative, content in trial.outcome.files.items():
            with atomic_write(self.folder / relative) as temporary:
                temporary.write_bytes(content)
        if trial.outcome.traceback:
            with atomic_write(error_file(self.folder, name)) as temporary:
                temporary.write_text(trial.outcome.traceback, "utf-8")

    def ranked(self) -> list[Finished]:
        """Returns the trials that succeeded, best first.

        Trials on more images come first: a loss on few of them is another measure. Those that
        were pruned, whose weights are not kept, come after the others. Of equals the earlier comes
        first.
        """
        sign = 1 if self.direction == "min" else -1
        done = [trial for trial in self.trials if not trial.outcome.failed]
        return sorted(
            done,
            key=lambda trial: (
                -self.images_of(trial.task),
                trial.outcome.pruned,
                sign * trial.outcome.metrics[self.objective],
                trial.task.trial,
            ),
        )

    def _unpruned(self) -> list[Finished]:
        return [trial for trial in self.ranked() if not trial.outcome.pruned]

    def bar(self, images: int) -> float | None:
        """Returns what a trial must beat for its weights to be kept; None where it need not."""
        never = -math.inf if self.direction == "min" else math.inf
        if not self.keep_checkpoints:
            return never
        ranked = self._unpruned()
        if len(ranked) < self.keep_checkpoints:
            return None
        last = ranked[self.keep_checkpoints - 1]
        if self.images_of(last.task) != images:
            return None if self.images_of(last.task) < images else never
        return last.outcome.metrics[self.objective]

    def images_of(self, task: Task) -> int:
        """Returns on how many images a trial trains."""
        return self.images if task.images is None else task.images

    def failures(self) -> list[Finished]:
        """Returns the trials that failed, in their order."""
        return [trial for trial in self.trials if trial.outcome.failed]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics, the objective first."""
        others = (name for name in ("val_loss", "val_accuracy") if name != self.objective)
        return (self.objective, *others)

    def row(self, trial: Finished) -> dict[str, Any]:
        """Returns a trial as a row of trials.csv; what a failed trial lacks is None."""
        task, outcome = trial.task, trial.outcome
        return {
            "trial": task.trial,
            "status": outcome.status,
            **{name: task.values[name] for name in HYPERPARAMETERS},
            **{name: outcome.metrics.get(name) for name in self.metrics},
            "images": self.images_of(task),
            "epochs": outcome.epochs,
            "seconds": round(outcome.seconds, 2),
            "seed": task.seed,
            "error": outcome.error,
        }

    def rows(self) -> list[dict[str, Any]]:
        """Returns all trials as rows, in the order of their numbers."""
        ordered: Sequence[Finished] = sorted(self.trials, key=lambda each: each.task.trial)
        return [self.row(trial) for trial in ordered]

    def as_csv(self) -> str:
        """Returns trials.csv."""
        text = io.StringIO()
        rows = self.rows()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()
