"""Trials of a search in their process: build, train, measure, hand over weights and curves."""

import contextlib
import dataclasses
import functools
import gc
import os
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np

from crackdet.data import CrackData
from crackdet.evaluation import metrics_row
from crackdet.files import atomic_write
from crackdet.training import CacheTooSmall, fit_heads
from tuning.hypermodel import CrackHyperModel
from tuning.pruning import MedianPruner, PrunedError, clearly_worse
from tuning.tasks import Outcome, Task, attempt

# Objectives and their directions. The last is the share of cracked images found at a false-alarm
# rate of 1 %: sensitivity at a fixed specificity.
OBJECTIVES = {"val_loss": "min", "val_accuracy": "max", "val_recall_at_far_1pct": "max"}
RECALL = "val_recall_at_far_1pct"


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

    @property
    def cached(self) -> bool:
        """Whether trials train on kept features."""
        return None not in (self.hypermodel["views"], self.hypermodel["cache"])

    def better(self, value: float, bar: float | None) -> bool:
        """Whether an objective is as good as a bar, or there is none."""
        best = min if OBJECTIVES[self.objective] == "min" else max
        return bar is None or best(value, bar) == value


@dataclass(frozen=True)
class Trained:
    """A model that has been trained, by epoch; `pruned` if it was stopped before its end."""

    model: keras.Model
    history: Mapping[str, Sequence[Any]]
    pruned: bool = False


def run_job(
    recipe: Recipe,
    data: CrackData,
    tasks: Sequence[Task],
    others: Sequence[Sequence[float]] = (),
    bar: float | None = None,
) -> list[Outcome]:
    """Runs a trial, or several of the head alone; what a search sends to a process.

    Args:
        recipe: What all trials share.
        data: Trained on `train`, measured on `validation`.
        tasks: The trials. Those of the head alone are trained side by side where features of
            the images are kept.
        others: Validation losses by epoch of trials that have ended, for pruning.
        bar: Weights of trials whose objective is worse are not kept; None keeps all.

    Returns:
        Their outcomes, with the files to keep in them.
    """
    try:
        if recipe.cached and not any(task.depth for task in tasks):
            return _run_heads(recipe, data, tasks, others, bar)
        return [_run_alone(recipe, data, task, others, bar) for task in tasks]
    finally:
        # Keras keeps every model's graph otherwise, which matters where the process goes on.
        keras.utils.clear_session()
        gc.collect()


def _run_alone(
    recipe: Recipe,
    data: CrackData,
    task: Task,
    others: Sequence[Sequence[float]],
    bar: float | None,
) -> Outcome:
    def run() -> Outcome:
        pruner = MedianPruner(others) if recipe.pruning else None
        hypermodel, hp = _drawn(recipe, task)
        trained = train(hypermodel.build(hp), hypermodel, hp, data, task.epochs, pruner)
        outcome = measure(trained, hypermodel, data, recipe.objective)
        keep = not outcome.pruned and recipe.better(outcome.metrics[recipe.objective], bar)
        return with_files(outcome, task, trained, recipe.objective, keep)

    return attempt(run, recipe.objective)


def _run_heads(
    recipe: Recipe,
    data: CrackData,
    tasks: Sequence[Task],
    others: Sequence[Sequence[float]],
    bar: float | None,
) -> list[Outcome]:
    """Trains heads side by side; one that fails runs again alone, which tells how it fails."""
    start = time.perf_counter()
    trained: dict[str, Trained] = {}
    try:
        trained = _train_heads(recipe, data, tasks, others)
    except CacheTooSmall:
        pass
    except Exception as error:
        warnings.warn(f"Heads are trained one by one, more slowly: {error}", stacklevel=2)
    outcomes = {}
    for task in tasks:
        if each := trained.get(task.trial):
            run = functools.partial(measure, each, _drawn(recipe, task)[0], data, recipe.objective)
            outcomes[task.trial] = attempt(run, recipe.objective)
    seconds = (time.perf_counter() - start) / len(tasks)
    kept = _best(recipe, outcomes, bar)
    for task in tasks:
        name = task.trial
        if name not in trained:
            outcomes[name] = _run_alone(recipe, data, task, others, bar)
        elif not outcomes[name].failed:
            run = functools.partial(
                with_files, outcomes[name], task, trained[name], recipe.objective, name in kept
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
            built = hypermodel.build(hp) if first is None else hypermodel.rebuild(first, hp)
            models[task.trial] = built
    chosen = [task for task in tasks if task.trial in models]
    worse = functools.partial(clearly_worse, others=others) if recipe.pruning else None
    histories = fit_heads(
        list(models.values()),
        data,
        learning_rates=[task.values["learning_rate"] for task in chosen],
        seeds=[task.seed for task in chosen],
        cache=recipe.hypermodel["cache"],
        views=recipe.hypermodel["views"],
        view_seed=hypermodel.view_seed,
        epochs=tasks[0].epochs or hypermodel.epochs,
        give_up=worse,
    )
    trained = {}
    for task, found in zip(chosen, histories, strict=True):
        if found is not None:
            del found.history["phase"]
            pruned = worse is not None and worse(found.history["val_loss"])
            trained[task.trial] = Trained(models[task.trial], found.history, pruned)
    return trained


def _best(recipe: Recipe, outcomes: dict[str, Outcome], bar: float | None) -> list[str]:
    """Returns the trials whose weights may be among those that the search keeps."""
    values = {
        trial: outcome.metrics[recipe.objective]
        for trial, outcome in outcomes.items()
        if not outcome.failed and not outcome.pruned
    }
    direction = 1 if OBJECTIVES[recipe.objective] == "min" else -1
    ranked = sorted(values, key=lambda trial: (direction * values[trial], trial))
    return [
        trial for trial in ranked[: recipe.keep_checkpoints] if recipe.better(values[trial], bar)
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
    """Returns the metrics of the epoch whose weights `fit` keeps, which has the lowest `val_loss`.

    A value that the best of several noisy epochs was picked by would flatter trials of many
    epochs.
    """
    history = trained.history
    kept = int(np.nanargmin(history["val_loss"]))
    metrics = {name: float(history[name][kept]) for name in ("val_loss", "val_accuracy")}
    if objective == RECALL:
        metrics[RECALL] = _recall_at_far(trained.model, hypermodel, data)
    losses = tuple(float(loss) for loss in history["val_loss"])
    return Outcome(metrics, len(losses), losses=losses, pruned=trained.pruned)


def with_files(
    outcome: Outcome, task: Task, trained: Trained, objective: str, keep: bool
) -> Outcome:
    """Puts a trial's TensorBoard curves into its outcome, and its weights if they may be kept."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if keep:
            save_weights(trained.model, checkpoint(folder, task.trial))
        curves = folder / "tensorboard" / task.trial
        write_curves(curves, task, trained.history, outcome.metrics[objective])
        return dataclasses.replace(outcome, files=_read_all(folder))


def _read_all(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def checkpoint(folder: Path, trial: str) -> Path:
    """Returns where a trial's weights stand, under KerasTuner's own name."""
    return folder / f"trial_{trial}" / "checkpoint.weights.h5"


def save_weights(model: keras.Model, path: Path) -> None:
    """Saves the weights of a model alone.

    A compiled model would save the optimizer's slots too, two more numbers for each weight.
    """
    bare = keras.Model(model.inputs, model.outputs)
    with atomic_write(path) as temporary:
        named = temporary.with_suffix(".weights.h5")  # Keras takes no other suffix
        bare.save_weights(named)
        os.replace(named, temporary)


def error_file(folder: Path, trial: str) -> Path:
    """Returns where the traceback of a failed trial stands."""
    return folder / f"trial_{trial}" / "error.txt"


def _recall_at_far(model: keras.Model, hypermodel: CrackHyperModel, data: CrackData) -> float:
    validation = data.validation
    if hypermodel.views and hypermodel.cache is not None:
        probabilities = hypermodel.cache.predict(model, validation)
    else:
        probabilities = np.asarray(model.predict(validation.in_order(), verbose=0))
    row = metrics_row(validation.labels, probabilities[:, 1], threshold=0.5, bootstrap=0)
    return float("nan") if row[RECALL[4:]] is None else float(row[RECALL[4:]])


def write_curves(
    folder: Path, task: Task, history: Mapping[str, Sequence[Any]], value: float
) -> None:
    """Writes a trial's curves and hyperparameters for TensorBoard, on any backend.

    Args:
        folder: The trial's folder; its name is the run's name in TensorBoard.
        task: The trial.
        history: Metrics by epoch.
        value: The objective.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    searched = {name: v for name, v in task.values.items() if not name.startswith("tuner/")}
    summaries = [(0, hparams_pb(searched, trial_id=task.trial)), (0, scalar_pb("objective", value))]
    for name, series in history.items():
        summaries += [(step, scalar_pb(f"epoch_{name}", float(v))) for step, v in enumerate(series)]
    for step, summary in summaries:
        writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
    writer.close()
