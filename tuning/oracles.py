"""KerasTuner's oracles, which choose the next hyperparameters, set up so that they repeat."""

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.oracles import (
    BayesianOptimizationOracle,
    HyperbandOracle,
    RandomSearchOracle,
)
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from tuning.halving import Halving, Rung, TrialLimit
from tuning.seeds import oracle_seed, trial_seed
from tuning.space import SearchSpace

TUNERS = ("bayesian", "hyperband", "random", "grid")

# Those that propose the same whatever came out of earlier trials, but for the rounds of a halving:
# their trials can all be drawn at once, and are the same however many workers there are.
INDEPENDENT = ("random", "grid")

# KerasTuner takes a space for exhausted after 20 draws that were all tried before, which happens
# to a space of 7 combinations with one left 1 time in 20; after 1,000 draws it does not happen.
MAX_COLLISIONS = 1000


class RandomOracle(Halving, RandomSearchOracle):
    """KerasTuner's random oracle."""


class Combinations(keras_tuner.Oracle):
    """Goes through all combinations of a space of choices, the last hyperparameter first.

    KerasTuner's own grid draws a combination only after the one before has ended, so that several
    workers would wait for each other.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the next values."""
        space = self.hyperparameters.space
        combinations = itertools.product(*(choice.values for choice in space))
        values = next(itertools.islice(combinations, int(trial_id), None), None)
        if values is None:
            return {"status": TrialStatus.STOPPED}
        names = (choice.name for choice in space)
        return {"status": TrialStatus.RUNNING, "values": dict(zip(names, values, strict=True))}


class GridOracle(Halving, Combinations):
    """All combinations, in order."""


class RepeatableBayesian(BayesianOptimizationOracle):
    """KerasTuner's Bayesian oracle, which here repeats itself only when it should.

    It proposes nothing that was tried before: the Gaussian process does so over and over once it
    is sure of a corner or an integer. And its draws depend on the seed and the trial alone, so
    that a resumed search need not make the proposals again (a second each) to go on as before.

    Args:
        known: Values of the trials that a resumed search has begun, by trial.
        **options: Arguments of `BayesianOptimizationOracle`.
    """

    trials: dict[str, Trial]  # KerasTuner sets it, without a type

    def __init__(self, known: Mapping[str, dict[str, Any]], **options: Any):
        super().__init__(**options)
        self._known = known

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the next values."""
        if trial_id in self._known:
            return {"status": TrialStatus.RUNNING, "values": dict(self._known[trial_id])}
        self._seed_state = trial_seed(self.seed, trial_id)
        self._random_state = np.random.RandomState(self._seed_state)
        # On matrices this small more threads triple the time. A kernel fitted to a handful of
        # trials ends at its bounds, which sklearn warns of each time.
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            response = super().populate_space(trial_id)
        if response["values"] is not None and self._duplicate(response["values"]):
            return self._random_populate_space()
        return response

    def _vectorize_trials(self) -> tuple[np.ndarray, np.ndarray]:
        # KerasTuner estimates what trials that still run will come to by the process fitted for
        # the proposal before, which a resumed search has not made. Fitted here to those that have
        # ended, it depends on them alone.
        if self.ongoing_trials:
            everything = self.trials
            self.trials = {
                name: trial
                for name, trial in everything.items()
                if trial.status == TrialStatus.COMPLETED
            }
            try:
                self.gpr.fit(*super()._vectorize_trials())
            finally:
                self.trials = everything
        return super()._vectorize_trials()


class BayesianOracle(Halving, RepeatableBayesian):
    """KerasTuner's Bayesian oracle, repeatable."""


def make_oracle(
    tuner: str,
    space: SearchSpace,
    objective: keras_tuner.Objective,
    *,
    max_trials: int,
    epochs: int,
    seed: int,
    known: Mapping[str, dict[str, Any]] | None = None,
    rungs: Sequence[Rung] = (),
) -> keras_tuner.Oracle:
    """Returns the oracle of a search.

    Args:
        tuner: "bayesian", "hyperband", "random" or "grid".
        space: What is searched.
        objective: What is minimised or maximised.
        max_trials: Trials at most. Hyperband runs as many of its iterations as fit.
        epochs: Epochs of a trial; hyperband's largest number.
        seed: The search's seed.
        known: Values of the trials that a resumed search has begun, by trial.
        rungs: Rounds of a halving, the first of `max_trials` trials. Hyperband, which halves by
            itself, takes none.

    Raises:
        ValueError: If the tuner is unknown.
    """
    if tuner not in TUNERS:
        raise ValueError(f"Expected tuner to be one of {TUNERS}. Received: {tuner!r}")
    common = {
        "objective": objective,
        "hyperparameters": space.grid(max_trials) if tuner == "grid" else space.hyperparameters(),
        "allow_new_entries": False,
        "tune_new_entries": False,
        "seed": oracle_seed(seed),
        # Failures in a row are counted by the search, which stops with a sentence.
        "max_consecutive_failed_trials": None,
    }
    if tuner == "hyperband":
        oracle = HyperbandOracle(max_epochs=epochs, hyperband_iterations=max_trials, **common)
        oracle.max_trials = max_trials  # not among its arguments
        return _set_up(oracle, known)
    common |= {"max_trials": max_trials, "rungs": rungs}
    if tuner == "bayesian":
        # KerasTuner's 3 random trials for each hyperparameter would be all of a short search.
        initial = max(2, min(3 * len(space.searched), max_trials // 2))
        oracle = BayesianOracle(known=known or {}, num_initial_points=initial, **common)
    else:
        oracle = (RandomOracle if tuner == "random" else GridOracle)(**common)
    return _set_up(oracle, known)


def _set_up(
    oracle: keras_tuner.Oracle, known: Mapping[str, dict[str, Any]] | None
) -> keras_tuner.Oracle:
    oracle._max_collisions = MAX_COLLISIONS
    oracle.verbose = 0
    if known:  # numbers as they stand in the folder, also where it is given more trials
        oracle.max_trials = TrialLimit(oracle.max_trials, width=len(next(iter(known))))
    return oracle


def why_no_more_trials(tuner: str, halving: bool) -> str:
    """Returns why a search that has begun cannot be given more trials; empty where it can.

    It can where it is then the search of so many trials that it would have been from its start.
    """
    if halving:
        return "halving plans its rounds from max_trials"
    return {
        "random": "",
        "grid": "a grid is spread over max_trials points",
        "bayesian": "a bayesian search draws as many of its first trials at random as max_trials "
        "says",
        "hyperband": "what hyperband proposes next depends on which trials have ended by then",
    }[tuner]


def trial_limit(tuner: str, space: SearchSpace, max_trials: int) -> int:
    """Returns how many trials a search has at most: fewer than `max_trials` in a small space."""
    if tuner == "grid":
        points = space.grid(max_trials).space
        return math.prod(len(choice.values) for choice in points)
    # Hyperband tries a combination again for more epochs.
    if tuner == "hyperband" or space.count is None:
        return max_trials
    return min(max_trials, space.count)
