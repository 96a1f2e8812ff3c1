"""Runs trials: asks an oracle, trains, tells it the result, and can do so again from a journal.

A resumed search makes a new oracle and replays the journal to it: the same questions and answers
in the same order leave it as it was. KerasTuner's own way, to reload the oracle's state from files
that are not written atomically, loses a Bayesian oracle's random state and where a grid stood.
"""

import math
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus

from crackdet.errors import CrackdetError
from tuning.project import Journal
from tuning.seeds import trial_seed

MAX_FAILURES_IN_A_ROW = 3


@dataclass(frozen=True)
class Task:
    """What is needed to run a trial, here or in another process."""

    trial: str
    values: dict[str, Any]
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What came out of a trial; `error` is empty where it succeeded."""

    metrics: dict[str, float] = field(default_factory=dict)
    epochs: int = 0
    seconds: float = 0.0
    error: str = ""
    traceback: str = ""

    @property
    def failed(self) -> bool:
        """Whether the trial ended without an objective."""
        return bool(self.error)


@dataclass(frozen=True)
class Finished:
    """A trial that has ended."""

    task: Task
    outcome: Outcome


class Watcher(Protocol):
    """Is told of every trial; `replayed` says that it ran before a restart."""

    def started(self, task: Task) -> None: ...

    def finished(self, trial: Finished, *, replayed: bool) -> None: ...


def attempt(train: Callable[[], tuple[Mapping[str, float], int]], objective: str) -> Outcome:
    """Trains and returns the outcome, whatever goes wrong.

    Args:
        train: Returns the metrics, numbers by name, and the epochs trained.
        objective: Name of the metric that must be a finite number.
    """
    start = time.perf_counter()
    try:
        metrics, epochs = train()
        values = {name: float(value) for name, value in metrics.items()}
        if not math.isfinite(values[objective]):
            raise ValueError(f"{objective} is {values[objective]}")
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        seconds = time.perf_counter() - start
        return Outcome(seconds=seconds, error=text, traceback=traceback.format_exc())
    return Outcome(values, epochs, time.perf_counter() - start)


def run_trials(
    oracle: keras_tuner.Oracle,
    journal: Journal,
    execute: Callable[[Task], Outcome],
    *,
    seed: int,
    watcher: Watcher,
) -> list[Finished]:
    """Runs the trials of a search until its oracle has no more.

    Args:
        oracle: A new oracle, with its project folder set.
        journal: What has happened so far; what happens is added.
        execute: Runs a trial; must not raise for what goes wrong in the trial.
        seed: The search's seed.
        watcher: Is told of starts and ends.

    Returns:
        The trials in the order of their ends.

    Raises:
        CrackdetError: After three failures in a row, or if the journal is from another search.
    """
    ended, running = _replay(oracle, journal, seed, watcher)
    failures = 0  # A resumed search begins to count anew: the cause may have been mended.
    while running or (trial := _ask(oracle)) is not None:
        if running:
            trial, task = running.pop(0)
        else:
            task = _task(trial, seed)
            journal.append({"event": "start", "trial": task.trial, "values": task.values})
        watcher.started(task)
        outcome = execute(task)
        event = asdict(outcome)
        event.pop("traceback")
        journal.append({"event": "end", "trial": task.trial, **event})
        _tell(oracle, trial, outcome)
        ended.append(Finished(task, outcome))
        watcher.finished(ended[-1], replayed=False)
        failures = failures + 1 if outcome.failed else 0
        if failures == MAX_FAILURES_IN_A_ROW:
            raise CrackdetError(_stopped([each.task.trial for each in ended[-failures:]], outcome))
    return ended


def _replay(
    oracle: keras_tuner.Oracle, journal: Journal, seed: int, watcher: Watcher
) -> tuple[list[Finished], list[tuple[Trial, Task]]]:
    """Brings a new oracle to the journal's end; returns what ended and what was running."""
    ended: list[Finished] = []
    running: dict[str, tuple[Trial, Task]] = {}
    for event in journal.events:
        if event["event"] == "start":
            trial = _ask(oracle)
            if trial is None or trial.trial_id != event["trial"]:
                raise CrackdetError(
                    "The journal of the search does not fit its options; was it made by another "
                    "version of KerasTuner? Name another directory."
                )
            # A last digit may differ where the search goes on with other versions.
            trial.hyperparameters.values = dict(event["values"])
            running[trial.trial_id] = trial, _task(trial, seed)
        else:
            trial, task = running.pop(event["trial"])
            outcome = Outcome(**{k: v for k, v in event.items() if k not in ("event", "trial")})
            _tell(oracle, trial, outcome)
            ended.append(Finished(task, outcome))
            watcher.finished(ended[-1], replayed=True)
    return ended, list(running.values())


def _ask(oracle: keras_tuner.Oracle) -> Trial | None:
    """Returns the oracle's next trial, or None when it has no more."""
    # KerasTuner gives a worker that has an unfinished trial the same one again.
    trial = oracle.create_trial(f"worker{len(oracle.trials)}")
    return trial if trial.status == TrialStatus.RUNNING else None


def _tell(oracle: keras_tuner.Oracle, trial: Trial, outcome: Outcome) -> None:
    """Ends a trial in the oracle."""
    if outcome.failed:
        trial.status, trial.message = TrialStatus.FAILED, outcome.error
    else:
        oracle.update_trial(trial.trial_id, outcome.metrics)
        trial.status = TrialStatus.COMPLETED
    oracle.end_trial(trial)


def _task(trial: Trial, seed: int) -> Task:
    # The Bayesian oracle returns NumPy's numbers.
    drawn = trial.hyperparameters.values
    values = {k: v.item() if isinstance(v, np.generic) else v for k, v in drawn.items()}
    return Task(trial.trial_id, values, trial_seed(seed, trial.trial_id))


def _stopped(trials: list[str], outcome: Outcome) -> str:
    return (
        f"The search stopped: trials {', '.join(trials[:-1])} and {trials[-1]} failed one after "
        f"another, the last with {outcome.error} (traceback in trial_{trials[-1]}/error.txt). "
        "Mend the cause; the same options then go on with the next trial."
    )
