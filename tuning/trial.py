"""Trials of a search in their process: build, train, measure, hand over weights and curves."""

import contextlib
import dataclasses
import functools
import gc
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import keras_tuner
import numpy as np

from crackdet.data import CrackData
from crackdet.data.splits import PicturesLeftOut
from crackdet.errors import CrackdetWarning
from crackdet.evaluation import metrics_row
from crackdet.features import CacheTooSmall, NotCached
from crackdet.runs.history import METRICS, STRESS_METRICS, best_epoch, deciding_loss
from crackdet.runs.trials import OBJECTIVES, RECALL, standing
from crackdet.training import fit_heads
from tuning.curves import trial_files
from tuning.hypermodel import CrackHyperModel
from tuning.pruning import MedianPruner, PrunedError, clearly_worse
from tuning.tasks import Outcome, Task, attempt


@dataclass(frozen=True)
class Recipe:
    """What all trials of a search share.

    Attributes:
        hypermodel: Arguments of their `CrackHyperModel`, but for the seed.
        objective: One of `OBJECTIVES`.
        pruning: Whether a trial that does clearly worse than others is stopped.
        keep_checkpoints: Of how many best trials the weights are kept.
    """

    hypermodel: dict[str, Any]
    objective: str
    pruning: bool = False
    keep_checkpoints: int = 3

    def standing(self, value: float, trial: str = "") -> tuple:
        """Returns what trials on the same images are sorted by, the best first."""
        return standing(value, OBJECTIVES[self.objective], trial=trial)


@dataclass(frozen=True)
class Trained:
    """A model that has been trained, by epoch; `pruned` if it was stopped before its end."""

    model: keras.Model
    history: Mapping[str, Sequence[Any]]
    pruned: bool = False


@dataclass(frozen=True)
class _StartingPoint:
    """A classifier before any training, on whose backbone trials are built one after another.

    To build a network of 158 layers and load its weights takes a second, a tenth of a short trial.
    """

    backbone: tuple
    model: keras.Model
    weights: Sequence[np.ndarray]


_starting_point: _StartingPoint | None = None


def _build(hypermodel: CrackHyperModel, hp: keras_tuner.HyperParameters) -> keras.Model:
    """Builds the classifier of a trial, on the backbone of the one before where that is alike."""
    global _starting_point
    backbone = hypermodel.backbone()
    if _starting_point is None or _starting_point.backbone != backbone:
        model = hypermodel.build(hp)
        _starting_point = _StartingPoint(backbone, model, model.get_weights())
        return model
    _starting_point.model.set_weights(_starting_point.weights)
    return hypermodel.rebuild(_starting_point.model, hp)


def run_job(
    recipe: Recipe,
    data: CrackData,
    tasks: Sequence[Task],
    others: Sequence[Sequence[float]] = (),
    checkpoint_cutoff: float | None = None,
) -> list[Outcome]:
    """Runs a trial, or several of the head alone; what a search sends to a process.

    Args:
        recipe: What all trials share.
        data: Trained on `train`, measured on `validation`. Where features are kept, it may come
            without its pictures.
        tasks: The trials. Those of the head alone are trained side by side where features of
            the images are kept.
        others: Validation losses by epoch of trials that have ended, for pruning.
        checkpoint_cutoff: Weights of trials whose objective is worse are not kept; None keeps all.

    Returns:
        Their outcomes, with the files to keep in them.

    Raises:
        PicturesLeftOut: If a picture is needed, and none came along.
    """
    try:
        together = CrackHyperModel(**recipe.hypermodel).trains_heads_together()
        if together and not any(task.depth for task in tasks):
            with contextlib.suppress(NotCached, CacheTooSmall):
                return _run_heads(recipe, data, tasks, others, checkpoint_cutoff)
        return [_run_alone(recipe, data, task, others, checkpoint_cutoff) for task in tasks]
    finally:
        # Keras keeps every model's graph otherwise, which matters where the process goes on.
        keras.utils.clear_session()
        gc.collect()


def _run_alone(
    recipe: Recipe,
    data: CrackData,
    task: Task,
    others: Sequence[Sequence[float]],
    cutoff: float | None,
) -> Outcome:
    def run() -> Outcome:
        pruner = MedianPruner(others) if recipe.pruning else None
        hypermodel, hp = _drawn(recipe, task)
        trained = train(_build(hypermodel, hp), hypermodel, hp, data, task.epochs, pruner)
        outcome = measure(trained, hypermodel, data, recipe.objective)
        kept = _kept(recipe, {task.trial: outcome}, cutoff)
        return _with_files(recipe, outcome, task, trained, keep=task.trial in kept)

    return attempt(run, recipe.objective)


def _run_heads(
    recipe: Recipe,
    data: CrackData,
    tasks: Sequence[Task],
    others: Sequence[Sequence[float]],
    cutoff: float | None,
) -> list[Outcome]:
    """Trains heads side by side; one that fails runs again alone, which tells how it fails."""
    start = time.perf_counter()
    trained: dict[str, Trained] = {}
    try:
        trained = _train_heads(recipe, data, tasks, others)
    except (NotCached, CacheTooSmall, PicturesLeftOut):
        raise
    except Exception as error:
        warnings.warn(
            f"Heads are trained one by one, more slowly: {error}", CrackdetWarning, stacklevel=2
        )
    outcomes = {}
    for task in tasks:
        if each := trained.get(task.trial):
            run = functools.partial(measure, each, _drawn(recipe, task)[0], data, recipe.objective)
            outcomes[task.trial] = attempt(run, recipe.objective)
    seconds = (time.perf_counter() - start) / len(tasks)
    kept = _kept(recipe, outcomes, cutoff)
    for task in tasks:
        name = task.trial
        if name not in trained:
            outcomes[name] = _run_alone(recipe, data, task, others, cutoff)
        elif not outcomes[name].failed:
            run = functools.partial(
                _with_files, recipe, outcomes[name], task, trained[name], keep=name in kept
            )
            outcomes[name] = dataclasses.replace(attempt(run, recipe.objective), seconds=seconds)
    return [outcomes[task.trial] for task in tasks]


def _train_heads(
    recipe: Recipe, data: CrackData, tasks: Sequence[Task], others: Sequence[Sequence[float]]
) -> dict[str, Trained]:
    """Returns the trials that could be built and whose losses were numbers."""
    models: dict[str, keras.Model] = {}
    for task in tasks:
        hypermodel, hp = _drawn(recipe, task)
        with contextlib.suppress(ValueError):  # it cannot be built
            first = next(iter(models.values()), None)
            built = _build(hypermodel, hp) if first is None else hypermodel.rebuild(first, hp)
            models[task.trial] = built
    chosen = [task for task in tasks if task.trial in models]
    worse = functools.partial(clearly_worse, others=others) if recipe.pruning else None
    histories = fit_heads(
        list(models.values()),
        data,
        learning_rates=[task.values["learning_rate"] for task in chosen],
        seeds=[task.seed for task in chosen],
        cache=hypermodel.cache,
        views=hypermodel.views or 1,
        view_seed=hypermodel.view_seed,
        painting=hypermodel.painting_of(tasks[0].painting),
        stress=hypermodel.stress,
        epochs=tasks[0].epochs or hypermodel.epochs,
        give_up=worse,
    )
    trained = {}
    for task, found in zip(chosen, histories, strict=True):
        if found is not None:
            del found.history["phase"]
            pruned = worse is not None and worse(found.history[deciding_loss(found.history)])
            trained[task.trial] = Trained(models[task.trial], found.history, pruned)
    return trained


def _kept(recipe: Recipe, outcomes: Mapping[str, Outcome], cutoff: float | None) -> list[str]:
    """Returns the trials whose weights may be among those that the search keeps."""
    values = {
        trial: outcome.metrics[recipe.objective]
        for trial, outcome in outcomes.items()
        if not outcome.failed and not outcome.pruned
    }
    ranked = sorted(values, key=lambda trial: recipe.standing(values[trial], trial))
    return [
        trial
        for trial in ranked[: recipe.keep_checkpoints]
        if cutoff is None or recipe.standing(values[trial]) <= recipe.standing(cutoff)
    ]


def _drawn(recipe: Recipe, task: Task) -> tuple[CrackHyperModel, keras_tuner.HyperParameters]:
    hp = keras_tuner.HyperParameters()
    hp.values = dict(task.values)
    return CrackHyperModel(**recipe.hypermodel, seed=task.seed), hp


def train(
    model: keras.Model,
    hypermodel: CrackHyperModel,
    hp: keras_tuner.HyperParameters,
    data: CrackData,
    epochs: int | None = None,
    pruner: MedianPruner | None = None,
) -> Trained:
    """Trains a model of a hypermodel.

    Args:
        model: The untrained model.
        hypermodel: Fits the model, with the trial's seed.
        hp: The hyperparameters that it was built with.
        data: Trained on `train`, measured on `validation`.
        epochs: Epochs; None for the hypermodel's.
        pruner: Stops the trial, when it should be stopped.
    """
    callbacks = [] if pruner is None else [pruner]
    try:
        history = hypermodel.fit(hp, model, data, epochs=epochs, callbacks=callbacks).history
    except PrunedError:
        assert pruner is not None
        if pruner.best_weights:  # as `fit` leaves a model; `measure` takes their metrics
            model.set_weights(pruner.best_weights)
        return Trained(model, pruner.history, pruned=True)
    return Trained(model, history)


def measure(
    trained: Trained, hypermodel: CrackHyperModel, data: CrackData, objective: str
) -> Outcome:
    """Returns the metrics of the epoch whose weights `fit` keeps, which has the lowest loss.

    A value that the best of several noisy epochs was picked by would flatter trials of many
    epochs.

    Raises:
        ValueError: If no loss was a number.
    """
    history = trained.history
    decides = deciding_loss(history)
    kept = best_epoch(history[decides])
    if kept is None:
        raise ValueError(f"{decides} was never a number")
    names = [name for name in (*METRICS, *STRESS_METRICS) if name in history]
    metrics = {name: float(history[name][kept]) for name in names if name.startswith("val_")}
    if objective == RECALL:
        metrics[RECALL] = _recall_at_far(trained.model, hypermodel, data)
    losses = tuple(float(loss) for loss in history[decides])
    return Outcome(metrics, len(losses), losses=losses, pruned=trained.pruned)


def _with_files(
    recipe: Recipe, outcome: Outcome, task: Task, trained: Trained, *, keep: bool
) -> Outcome:
    """Puts a trial's TensorBoard curves into its outcome, and its weights if they may be kept."""
    value = outcome.metrics[recipe.objective]
    model = trained.model if keep else None
    return dataclasses.replace(outcome, files=trial_files(task, trained.history, value, model))


def _recall_at_far(model: keras.Model, hypermodel: CrackHyperModel, data: CrackData) -> float:
    probabilities = hypermodel.cache.predict(model, data.validation)
    labels = data.validation.labels
    row = metrics_row(labels, probabilities[:, 1], threshold=0.5, bootstrap=0)
    return float("nan") if row[RECALL[4:]] is None else float(row[RECALL[4:]])
