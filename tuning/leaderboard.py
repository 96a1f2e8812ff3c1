"""The finished trials as rows, the best of them, trials.csv and the few checkpoints kept."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crackdet.files import atomic_write
from tuning.engine import Finished
from tuning.trials import checkpoint

HYPERPARAMETERS = ("dropout", "learning_rate", "unfreeze_depth")


class Leaderboard:
    """Collects finished trials and keeps trials.csv and the checkpoints up to date.

    Args:
        folder: The search's folder.
        objective: Name of the metric that trials are ranked by.
        direction: "min" or "max".
        keep_checkpoints: Of how many best trials the weights are kept.
    """

    def __init__(self, folder: Path, objective: str, direction: str, keep_checkpoints: int):
        self.folder = folder
        self.objective = objective
        self.direction = direction
        self.keep_checkpoints = keep_checkpoints
        self.trials: list[Finished] = []

    def add(self, trial: Finished) -> None:
        """Adds a finished trial, rewrites trials.csv and removes checkpoints that fell behind."""
        self.trials.append(trial)
        with atomic_write(self.folder / "trials.csv") as temporary:
            temporary.write_text(self.as_csv(), "utf-8")
        kept = {each.task.trial for each in self.ranked()[: self.keep_checkpoints]}
        for each in self.trials:
            if each.task.trial not in kept:
                checkpoint(self.folder, each.task.trial).unlink(missing_ok=True)

    def ranked(self) -> list[Finished]:
        """Returns the trials that succeeded, best first, the earlier of equals first."""
        sign = 1 if self.direction == "min" else -1
        done = [trial for trial in self.trials if not trial.outcome.failed]
        return sorted(done, key=lambda trial: sign * trial.outcome.metrics[self.objective])

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
            "status": "failed" if outcome.failed else "completed",
            **{name: task.values[name] for name in HYPERPARAMETERS},
            **{name: outcome.metrics.get(name) for name in self.metrics},
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
