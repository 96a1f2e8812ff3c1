"""The finished trials as rows, the best of them, trials.csv and the few checkpoints kept."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crackdet.files import atomic_write
from crackdet.runs import files
from crackdet.runs.trials import (
    by_number,
    hyperparameters_in,
    metric_columns,
    standing,
    write_trials,
)
from tuning.project import writing
from tuning.tasks import Finished, Task


class Leaderboard:
    """Collects finished trials and keeps trials.csv and the trials' files up to date.

    A `tuning.scheduler.Watcher`. It alone writes what trials leave in the search's folder: a
    process that outlives its search cannot change it, and a machine of a cluster need not see it.

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

    def started(self, task: Task) -> None:
        """Nothing is written of a trial that runs."""

    def lost(self, task: Task, error: BaseException) -> None:
        """Nor of one whose process died."""

    def finished(self, trial: Finished, *, replayed: bool = False) -> None:
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
        self.trials.append(Finished(trial.task, trial.outcome.without_files()))
        write_trials(self.folder, self.rows())
        kept = {each.task.trial for each in self._unpruned()[: self.keep_checkpoints]}
        for each in self.trials:
            if each.task.trial not in kept:
                (self.folder / files.checkpoint(each.task.trial)).unlink(missing_ok=True)

    def _write_files(self, trial: Finished) -> None:
        name = trial.task.trial
        own = (self.folder / files.curves(name), self.folder / files.trial_folder(name))
        for folder, pattern in zip(own, ("*events.*", ".*.partial*"), strict=True):
            for left in folder.glob(pattern):  # by a search that was killed while writing
                left.unlink()
        for relative, content in trial.outcome.files.items():
            with atomic_write(self.folder / relative) as temporary:
                temporary.write_bytes(content)
        if trial.outcome.traceback:
            with atomic_write(self.folder / files.error_file(name)) as temporary:
                temporary.write_text(trial.outcome.traceback, "utf-8")

    def ranked(self) -> list[Finished]:
        """Returns the trials that succeeded, best first."""
        return sorted(
            (trial for trial in self.trials if not trial.outcome.failed),
            key=lambda trial: standing(
                trial.outcome.metrics[self.objective],
                self.direction,
                images=self.images_of(trial.task),
                pruned=trial.outcome.pruned,
                trial=trial.task.trial,
            ),
        )

    def _unpruned(self) -> list[Finished]:
        return [trial for trial in self.ranked() if not trial.outcome.pruned]

    def checkpoint_cutoff(self, images: int) -> float | None:
        """Returns the objective from which on a trial's weights are kept; None for any."""
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
        return metric_columns(self.objective)

    def row(self, trial: Finished) -> dict[str, Any]:
        """Returns a trial as a row of trials.csv; what a failed trial lacks is None."""
        task, outcome = trial.task, trial.outcome
        return {
            "trial": task.trial,
            "status": outcome.status,
            **{name: task.values[name] for name in hyperparameters_in(task.values)},
            **{name: outcome.metrics.get(name) for name in self.metrics},
            "images": self.images_of(task),
            "epochs": outcome.epochs,
            "seconds": round(outcome.seconds, 2),
            "seed": task.seed,
            "error": outcome.error,
        }

    def rows(self) -> list[dict[str, Any]]:
        """Returns all trials as rows, in the order of their numbers."""
        ordered: Sequence[Finished] = sorted(
            self.trials, key=lambda each: by_number(each.task.trial)
        )
        return [self.row(trial) for trial in ordered]
