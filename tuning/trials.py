"""Trials of a search in their process: build, train, measure, hand over weights and curves."""

import dataclasses
import functools
import gc
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np

from crackdet.data import CrackData
from crackdet.evaluation import metrics_row
from crackdet.files import atomic_write
from tuning.hypermodel import CrackHyperModel
from tuning.pruning import MedianPruner, PrunedError
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
    """

    hypermodel: dict[str, Any]
    objective: str
    pruning: bool = False


def run_job(
    recipe: Recipe,
    data: CrackData,
    tasks: Sequence[Task],
    others: Sequence[Sequence[float]] = (),
    bar: float | None = None,
) -> list[Outcome]:
    """Runs trials one after the other; what a search sends to a process.

    Args:
        recipe: What all trials share.
        data: Trained on `train`, measured on `validation`.
        tasks: The trials. Those of the head alone share one network, which is built once.
        others: Validation losses by epoch of trials that have ended, for pruning.
        bar: Weights of trials whose objective is no better are not kept; None keeps all.

    Returns:
        Their outcomes, with the files to keep in them.
    """
    outcomes = []
    base: keras.Model | None = None

    def train(task: Task) -> Outcome:
        nonlocal base
        hypermodel = CrackHyperModel(**recipe.hypermodel, seed=task.seed)
        hp = keras_tuner.HyperParameters()
        hp.values = dict(task.values)
        model = hypermodel.build(hp) if base is None else hypermodel.rebuild(base, hp)
        base = model if len(tasks) > 1 else None
        pruner = MedianPruner(others) if recipe.pruning else None
        with tempfile.TemporaryDirectory() as folder:
            found = run_trial(
                task, hypermodel, model, data, recipe.objective, Path(folder), pruner, bar
            )
            return dataclasses.replace(found, files=_read_all(Path(folder)))

    try:
        for task in tasks:
            outcomes.append(attempt(functools.partial(train, task), recipe.objective))
    finally:
        # Keras keeps every model's graph otherwise, which matters where the process goes on.
        keras.utils.clear_session()
        gc.collect()
    return outcomes


def run_trial(
    task: Task,
    hypermodel: CrackHyperModel,
    model: keras.Model,
    data: CrackData,
    objective: str,
    folder: Path,
    pruner: MedianPruner | None = None,
    bar: float | None = None,
) -> Outcome:
    """Trains and measures one model.

    Args:
        task: Its hyperparameters and seed.
        hypermodel: Fits the model, with the task's seed.
        model: The untrained model.
        data: Trained on `train`, measured on `validation`.
        objective: One of `OBJECTIVES`.
        folder: The trial's weights and TensorBoard curves are left there.
        pruner: Stops the trial, when it should be stopped.
        bar: As in `run_job`.

    Returns:
        The metrics of the epoch whose weights `fit` keeps, which has the lowest `val_loss`. A
        value that the best of several noisy epochs was picked by would flatter trials of many
        epochs. A trial that was stopped keeps no weights.
    """
    hp = keras_tuner.HyperParameters()
    hp.values = dict(task.values)
    callbacks = [] if pruner is None else [pruner]
    try:
        history = hypermodel.fit(hp, model, data, epochs=task.epochs, callbacks=callbacks).history
        pruned = False
    except PrunedError:
        assert pruner is not None
        history, pruned = pruner.history, True
    kept = int(np.nanargmin(history["val_loss"]))
    metrics = {name: float(history[name][kept]) for name in ("val_loss", "val_accuracy")}
    if objective == RECALL:
        metrics[RECALL] = _recall_at_far(model, hypermodel, data)
    better = min if OBJECTIVES[objective] == "min" else max
    value = metrics[objective]
    if not pruned and (bar is None or (value != bar and better(value, bar) == value)):
        save_weights(model, checkpoint(folder, task.trial))
    write_curves(folder / "tensorboard" / task.trial, task, history, metrics[objective])
    losses = tuple(float(loss) for loss in history["val_loss"])
    return Outcome(metrics, len(losses), losses=losses, pruned=pruned)


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


def write_curves(folder: Path, task: Task, history: dict[str, Sequence[Any]], value: float) -> None:
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
