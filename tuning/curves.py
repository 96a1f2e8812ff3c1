"""What a trial leaves in the search's folder: TensorBoard curves, and weights of the best."""

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from crackdet.files import atomic_write
from crackdet.runs import files
from tuning.tasks import Task


def trial_files(
    task: Task, history: Mapping[str, Sequence[Any]], value: float, model: keras.Model | None
) -> dict[str, bytes]:
    """Returns the files of a trial by their path in the search's folder.

    Args:
        task: The trial.
        history: Metrics by epoch.
        value: The objective.
        model: The model, whose weights are kept; None keeps none.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if model is not None:
            save_weights(model, folder / files.checkpoint(task.trial))
        write_curves(folder / files.curves(task.trial), task, history, value)
        written = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in written}


def save_weights(model: keras.Model, path: Path) -> None:
    """Saves the weights of a model alone.

    A compiled model would save the optimizer's slots too, two more numbers for each weight.
    """
    bare = keras.Model(model.inputs, model.outputs)
    with atomic_write(path) as temporary:
        named = temporary.with_suffix(".weights.h5")  # Keras takes no other suffix
        bare.save_weights(named)
        os.replace(named, temporary)


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
