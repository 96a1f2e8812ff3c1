"""One trial of a search: build, train, measure, keep the weights and the curves."""

import gc
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np

from crackdet.data import CrackData
from crackdet.evaluation import metrics_row
from crackdet.files import atomic_write
from tuning.engine import Task
from tuning.hypermodel import CrackHyperModel

# Objectives and their directions. The last is the share of cracked images found at a false-alarm
# rate of 1 %: sensitivity at a fixed specificity.
OBJECTIVES = {"val_loss": "min", "val_accuracy": "max", "val_recall_at_far_1pct": "max"}
RECALL = "val_recall_at_far_1pct"


def run_trial(
    task: Task, hypermodel: CrackHyperModel, data: CrackData, objective: str, folder: Path
) -> tuple[dict[str, float], int]:
    """Runs a trial.

    Args:
        task: Its hyperparameters and seed.
        hypermodel: Builds and fits the model, with the task's seed.
        data: Trained on `train`, measured on `validation`.
        objective: One of `OBJECTIVES`.
        folder: The search's folder; the trial's weights and TensorBoard curves are left there.

    Returns:
        The metrics of the epoch whose weights `fit` keeps, which has the lowest `val_loss`, and
        the number of epochs trained. A value that the best of several noisy epochs was picked
        by would flatter trials of many epochs.
    """
    hp = keras_tuner.HyperParameters()
    hp.values = dict(task.values)
    try:
        model = hypermodel.build(hp)
        epochs = task.values.get("tuner/epochs")  # hyperband's
        history = hypermodel.fit(hp, model, data, epochs=epochs).history
        kept = int(np.nanargmin(history["val_loss"]))
        metrics = {name: history[name][kept] for name in ("val_loss", "val_accuracy")}
        if objective == RECALL:
            metrics[RECALL] = _recall_at_far(model, hypermodel, data)
        save_weights(model, checkpoint(folder, task.trial))
        write_curves(folder / "tensorboard" / task.trial, task, history, metrics[objective])
        return metrics, len(history["val_loss"])
    finally:
        # Keras keeps every model's graph otherwise, and memory grows from trial to trial.
        keras.utils.clear_session()
        gc.collect()


def checkpoint(folder: Path, trial: str) -> Path:
    """Returns where a trial's weights stand, under KerasTuner's own name."""
    return folder / f"trial_{trial}" / "checkpoint.weights.h5"


def save_weights(model: keras.Model, path: Path) -> None:
    """Saves the weights of a model alone.

    A compiled model would save the optimizer's slots too, two more numbers for each weight.
    """
    for left in path.parent.glob(".*.partial*"):  # by a process that was killed while saving
        left.unlink()
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

    for left in folder.glob("events.*"):  # of a run of this trial that was killed
        left.unlink()
    writer = EventFileWriter(str(folder))
    searched = {name: v for name, v in task.values.items() if not name.startswith("tuner/")}
    summaries = [(0, hparams_pb(searched, trial_id=task.trial)), (0, scalar_pb("objective", value))]
    for name, series in history.items():
        summaries += [(step, scalar_pb(f"epoch_{name}", float(v))) for step, v in enumerate(series)]
    for step, summary in summaries:
        writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
    writer.close()
