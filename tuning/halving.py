"""Successive halving over images: many trials on few images, the best of them on more.

Jamieson & Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization",
AISTATS 2016. The resource is the number of training images; the validation images grow with them.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from crackdet.runs.trials import PRUNED, standing


class TrialLimit(int):
    """How many trials an oracle makes at most, and to how many digits it pads their numbers.

    KerasTuner pads them to as many as the limit has, which would rename the trials of a search
    whose limit is raised.
    """

    _width: int

    def __new__(cls, trials: int, *, width: int) -> "TrialLimit":
        limit = super().__new__(cls, trials)
        limit._width = width
        return limit

    def __str__(self) -> str:
        return "9" * self._width


@dataclass(frozen=True)
class Rung:
    """One round of trials.

    Attributes:
        images: Training images of each trial.
        trials: Trials at most.
    """

    images: int
    trials: int


def plan_rungs(trials: int, images: int, all_images: int, factor: int) -> tuple[Rung, ...]:
    """Returns the rounds from few images to all.

    Args:
        trials: Trials of the first round.
        images: Training images of the first round.
        all_images: Training images of the last one.
        factor: Each round has so many times more images, and fewer trials, than the one before.

    Example:

    >>> [(rung.images, rung.trials) for rung in plan_rungs(30, 2000, 32000, 4)]
    [(2000, 30), (8000, 8), (32000, 2)]
    """
    rungs = [Rung(min(images, all_images), trials)]
    while rungs[-1].images < all_images:
        last = rungs[-1]
        more = min(last.images * factor, all_images)
        rungs.append(Rung(more, math.ceil(last.trials / factor)))
    return tuple(rungs)


class Halving(keras_tuner.Oracle):
    """Takes the best trials of another oracle further; to be mixed into its class.

    The other oracle draws the first round. A round begins when the one before has ended, with its
    best trial first; one that fails is replaced by the next best. Trials say in "tuner/images" on
    how many images they train, in "tuner/round" the round, and in "tuner/trial_id" which trial
    they take further, as KerasTuner's hyperband does.

    Args:
        rungs: The rounds; none or a single one for no halving.
        **options: Arguments of the other oracle.
    """

    def __init__(self, *, rungs: Sequence[Rung] = (), **options: Any):
        super().__init__(**options)
        self._rungs = rungs
        if len(rungs) > 1:
            planned = sum(rung.trials for rung in rungs)
            # The rounds end by themselves; those that fail in the later ones are replaced.
            most = rungs[0].trials * len(rungs)
            self.max_trials = TrialLimit(most, width=len(str(planned)))

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the next values."""
        if len(self._rungs) < 2:
            return super().populate_space(trial_id)
        rounds = self._rounds()
        if len(rounds[0]) < self._rungs[0].trials:
            response = super().populate_space(trial_id)
            if response["status"] == TrialStatus.RUNNING:
                first = {"tuner/images": self._rungs[0].images, "tuner/round": 0}
                return {**response, "values": {**response["values"], **first}}
            if response["status"] == TrialStatus.IDLE or not rounds[0]:
                return response
        return self._promote(rounds)

    def _compute_values_hash(self, values: dict[str, Any]) -> str:
        # A combination is the same on however many images.
        drawn = {name: value for name, value in values.items() if not name.startswith("tuner/")}
        return super()._compute_values_hash(drawn)

    def _rounds(self) -> list[list[Trial]]:
        rounds: list[list[Trial]] = [[] for _ in self._rungs]
        for trial in self.trials.values():
            rounds[trial.hyperparameters.values["tuner/round"]].append(trial)
        return rounds

    def _promote(self, rounds: list[list[Trial]]) -> dict[str, Any]:
        """Returns the best trial of the last whole round that has not been taken further.

        So many are as the next round holds; one that failed there does not count.
        """
        for number, (past, present) in enumerate(itertools.pairwise(rounds), start=1):
            if any(trial.status == TrialStatus.RUNNING for trial in past):
                return {"status": TrialStatus.IDLE}
            taken = {_first(trial) for trial in present}
            left = [trial for trial in self._ranked(past) if _first(trial) not in taken]
            alive = sum(trial.status != TrialStatus.FAILED for trial in present)
            if left and alive < self._rungs[number].trials:
                values = {
                    **left[0].hyperparameters.values,
                    "tuner/images": self._rungs[number].images,
                    "tuner/round": number,
                    "tuner/trial_id": _first(left[0]),
                }
                return {"status": TrialStatus.RUNNING, "values": values}
        return {"status": TrialStatus.STOPPED}

    def _ranked(self, trials: list[Trial]) -> list[Trial]:
        # One that was given up has a score too; `Ledger` says in its message that it was.
        return sorted(
            (trial for trial in trials if trial.status == TrialStatus.COMPLETED),
            key=lambda trial: standing(
                trial.score,
                self.objective.direction,
                pruned=trial.message == PRUNED,
                trial=trial.trial_id,
            ),
        )


def _first(trial: Trial) -> str:
    """Returns the trial of the first round that a trial takes further, or is."""
    return trial.hyperparameters.values.get("tuner/trial_id", trial.trial_id)
