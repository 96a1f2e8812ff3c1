"""The trials of a search as its oracle and its journal know them, and how to resume both.

A resumed search makes a new oracle and replays the journal to it: the same questions and answers
in the same order leave it as it was. KerasTuner's own way, to reload the oracle's state from files
that are not written atomically, loses a Bayesian oracle's random state and where a grid stood.
"""

import dataclasses
import math
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus

from crackdet.errors import CrackdetError
from crackdet.runs.trials import PRUNED
from tuning.project import Journal, writing
from tuning.seeds import trial_seed
from tuning.tasks import LEFT_OUT, Finished, Outcome, Task


class Ledger:
    """Asks an oracle for trials and tells it what came out, each step journalled first.

    Trials may run at once and end in any order. The oracle is told in the order in which they
    were drawn, and knows the same whenever it is asked, so that a search repeats whatever the
    trials' durations.

    Args:
        oracle: A new oracle, with its project folder set.
        journal: What has happened so far; what happens is added.
        seed: The search's seed.
        ahead: Trials that are drawn before the first of them has been told; infinite for an
            oracle that learns nothing from the outcomes.

    Raises:
        CrackdetError: If the journal is from another search.
    """

    def __init__(
        self, oracle: keras_tuner.Oracle, journal: Journal, *, seed: int, ahead: float = math.inf
    ):
        self._oracle = oracle
        self._folder = Path(oracle._project_dir)
        self._journal = journal
        self._seed = seed
        self._ahead = ahead
        self._drawn: list[tuple[Trial, Task]] = []
        self._outcomes: dict[str, Outcome] = {}
        self._told = 0
        for event in journal.events:
            if event["event"] == "start":
                self._replay_start(event)
            else:
                known = {field.name for field in dataclasses.fields(Outcome)}
                fields = {name: value for name, value in event.items() if name in known}
                fields["losses"] = tuple(fields["losses"])
                self._outcomes[event["trial"]] = Outcome(**fields)

    def finished(self) -> list[Finished]:
        """Returns the trials that have ended, in the order of their ends."""
        tasks = {task.trial: task for _, task in self._drawn}
        return [Finished(tasks[trial], outcome) for trial, outcome in self._outcomes.items()]

    def unfinished(self) -> list[Task]:
        """Returns the trials that were drawn and have not ended."""
        return [task for _, task in self._drawn if task.trial not in self._outcomes]

    def draw(self) -> list[Task]:
        """Returns the trials that can begin now; none when running ones must end first."""
        drawn: list[Task] = []
        while True:
            trial = self._ask() if len(self._drawn) - self._told < self._ahead else None
            if trial is not None:
                task = self._task(trial)
                self._journal.append(
                    {
                        "event": "start",
                        "trial": task.trial,
                        "values": task.values,
                        "told": self._told,
                    }
                )
                self._drawn.append((trial, task))
                drawn.append(task)
            elif not self._tell_next():
                return drawn

    def end(self, task: Task, outcome: Outcome) -> None:
        """Notes how a trial ended."""
        kept = outcome.without_files()
        # What is left out stands in the folder.
        event = {name: value for name, value in vars(kept).items() if name not in LEFT_OUT}
        self._journal.append({"event": "end", "trial": task.trial, **event})
        self._outcomes[task.trial] = kept

    def _replay_start(self, event: dict[str, Any]) -> None:
        while self._told < event.get("told", 0) and self._tell_next():
            pass
        trial = self._ask()
        if trial is None or trial.trial_id != event["trial"]:
            raise CrackdetError(
                "The journal of the search does not fit its options; was it made by another "
                "version of KerasTuner? Name another directory."
            )
        # A last digit may differ where the search goes on with other versions.
        trial.hyperparameters.values = dict(event["values"])
        self._drawn.append((trial, self._task(trial)))

    def _ask(self) -> Trial | None:
        """Returns the oracle's next trial, or None when it has none now."""
        # KerasTuner gives a worker that has an unfinished trial the same one again.
        with writing(self._folder):  # KerasTuner's own files
            trial = self._oracle.create_trial(f"worker{len(self._oracle.trials)}")
        return trial if trial.status == TrialStatus.RUNNING else None

    def _tell_next(self) -> bool:
        """Tells the oracle how the oldest trial ended that it has not been told of."""
        if self._told == len(self._drawn):
            return False
        trial, task = self._drawn[self._told]
        if task.trial not in self._outcomes:
            return False
        outcome = self._outcomes[task.trial]
        with writing(self._folder):
            if outcome.failed:
                trial.status, trial.message = TrialStatus.FAILED, outcome.error
            else:
                self._oracle.update_trial(trial.trial_id, outcome.metrics)
                trial.status = TrialStatus.COMPLETED
                trial.message = PRUNED if outcome.pruned else None
            self._oracle.end_trial(trial)
        self._told += 1
        return True

    def _task(self, trial: Trial) -> Task:
        # The Bayesian oracle returns NumPy's numbers.
        drawn = trial.hyperparameters.values
        values = {k: v.item() if isinstance(v, np.generic) else v for k, v in drawn.items()}
        # A trial that is taken further starts from its first seed: only its images change.
        first = values.get("tuner/trial_id") if "tuner/images" in values else None
        seed = trial_seed(self._seed, first or trial.trial_id)
        return Task(trial.trial_id, values, seed, self._told)
