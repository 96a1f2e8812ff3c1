"""What goes to a trial's process and what comes back; both travel between processes."""

import dataclasses
import math
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from crackdet.data.splits import PicturesLeftOut
from crackdet.runs.trials import COMPLETED, FAILED, PAINTING, PRUNED


@dataclass(frozen=True)
class Task:
    """What is needed to run a trial, here or elsewhere.

    Attributes:
        trial: KerasTuner's number of it.
        values: Its hyperparameters, and what tuners say beside them.
        seed: Its seed.
        told: How many outcomes its oracle knew when it proposed the trial.
    """

    trial: str
    values: dict[str, Any]
    seed: int
    told: int = 0

    @property
    def depth(self) -> int:
        """The unfreeze depth."""
        return int(self.values["unfreeze_depth"])

    @property
    def painting(self) -> float:
        """The strength of the painting; 0 for none."""
        return float(self.values.get(PAINTING, 0.0))

    @property
    def images(self) -> int | None:
        """Training images of a search that halves; None for all of the search's."""
        return self.values.get("tuner/images")

    @property
    def epochs(self) -> int | None:
        """Epochs that hyperband gives; None for the search's."""
        return self.values.get("tuner/epochs")


@dataclass(frozen=True)
class Outcome:
    """What came out of a trial; `error` is empty where it succeeded.

    Attributes:
        metrics: Numbers by name, at the epoch that is kept.
        epochs: Epochs trained.
        seconds: What it took.
        error: What went wrong, in one line.
        traceback: Where it went wrong.
        losses: The loss that its best epoch is told by, after each epoch.
        pruned: Whether it was stopped because others did better.
        files: What it leaves in the search's folder, by relative path.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    epochs: int = 0
    seconds: float = 0.0
    error: str = ""
    traceback: str = ""
    losses: tuple[float, ...] = ()
    pruned: bool = False
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether the trial ended without an objective."""
        return bool(self.error)

    @property
    def status(self) -> str:
        """The word for it in trials.csv."""
        if self.failed:
            return FAILED
        return PRUNED if self.pruned else COMPLETED

    def without_files(self) -> "Outcome":
        """Returns it without what stands in the search's folder, megabytes of weights among it."""
        return dataclasses.replace(self, **LEFT_OUT)


# Of an outcome, once it is in the search's folder; neither the journal nor memory keeps it.
LEFT_OUT: dict[str, Any] = {"traceback": "", "files": {}}


@dataclass(frozen=True)
class Finished:
    """A trial that has ended."""

    task: Task
    outcome: Outcome


def attempt(train: Callable[[], Outcome], objective: str) -> Outcome:
    """Trains and returns the outcome, whatever goes wrong.

    Args:
        train: Returns the outcome, without its seconds.
        objective: Name of the metric that must be a finite number.

    Raises:
        PicturesLeftOut: If the trial needs images that did not travel with it.
    """
    start = time.perf_counter()
    try:
        outcome = train()
        if not math.isfinite(outcome.metrics[objective]):
            raise ValueError(f"{objective} is {outcome.metrics[objective]}")
    except PicturesLeftOut:
        raise
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        seconds = time.perf_counter() - start
        return Outcome(seconds=seconds, error=text, traceback=traceback.format_exc())
    return Outcome(**{**vars(outcome), "seconds": time.perf_counter() - start})
