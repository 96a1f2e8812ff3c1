"""Callbacks of `fit`: the rows of history.csv, TensorBoard's curves, and the user's own."""

import csv
import io
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from crackdet.files import atomic_write
from crackdet.runs.history import METRICS, STRESS_METRICS, is_best_so_far, should_stop


class EpochRows(keras.callbacks.Callback):
    """Keeps one row for each epoch, over all phases."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []
        self.phase = ""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row = {"phase": self.phase, "epoch": epoch + 1}
        row |= dict.fromkeys(METRICS)  # None for those of validation where there is none
        found = logs or {}
        names = [*METRICS, *STRESS_METRICS]
        row |= {name: float(found[name]) for name in names if name in found}
        row |= {"learning_rate": rate, "seconds": time.perf_counter() - self._start}
        self.rows.append(row)


def write_rows(rows: Sequence[dict[str, Any]], path: str | os.PathLike[str]) -> None:
    """Writes rows of epochs as history.csv."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(path) as temporary:
        temporary.write_text(text.getvalue(), "utf-8")


def as_history(model: keras.Model, rows: Sequence[dict[str, Any]]) -> keras.callbacks.History:
    """Returns rows of epochs as Keras' record of a training."""
    history = keras.callbacks.History()
    history.set_model(model)
    history.epoch = [row["epoch"] - 1 for row in rows]
    names = [name for name in rows[0] if name != "epoch"]
    history.history = {name: [row[name] for row in rows] for name in names}
    return history


def rows_of(history: keras.callbacks.History) -> list[dict[str, Any]]:
    """Returns the rows of epochs that `as_history` was given."""
    epochs = [epoch + 1 for epoch in history.epoch]
    columns = {"phase": history.history["phase"], "epoch": epochs, **history.history}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


class EpochOrder(keras.callbacks.Callback):
    """Tells the training batches which epoch it is: it decides their order and views.

    They could count epochs themselves, but Keras also looks at batches before the first epoch.
    """

    def __init__(self, batches: Any):
        super().__init__()
        self._batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._batches.epoch = epoch


class UnderStress(keras.callbacks.Callback):
    """Measures what is trained on a further set after each epoch.

    Callbacks that come after this one find `val_stress_loss` and the other metrics in their logs.

    Args:
        batches: The batches of the set, as `evaluate` takes them.
    """

    def __init__(self, batches: Any):
        super().__init__()
        self._batches = batches

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        found = self.model.evaluate(self._batches, verbose=0, return_dict=True)
        if logs is not None:
            logs |= {f"val_stress_{name}": value for name, value in found.items()}


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the best epoch of a phase, and stops when it waits in vain for a better.

    The rule is `crackdet.runs.history.best_epoch`. At the end the model has these weights.

    Args:
        patience: Epochs without a better loss after which training stops; None: never.
        loss: Name of the loss that decides.

    Attributes:
        losses: That loss after each epoch of the phase.
        weights: Weights of the best epoch; empty while no loss was a number.
    """

    def __init__(self, patience: int | None, loss: str = "val_loss"):
        super().__init__()
        self._patience = patience
        self._loss = loss
        self.losses: list[float] = []
        self.weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.losses.append(float((logs or {})[self._loss]))
        if is_best_so_far(self.losses):
            self.weights = self.model.get_weights()
        elif self._patience is not None and should_stop(self.losses, self._patience):
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.weights:
            self.model.set_weights(self.weights)


class EpochCurves(keras.callbacks.Callback):
    """Writes the metrics of each epoch for TensorBoard, on any backend.

    `keras.callbacks.TensorBoard` needs TensorFlow whatever the backend; this one needs the
    `tensorboard` package alone. Tags and folders are the same as Keras': `epoch_loss` under
    `train` and `validation`.

    Args:
        directory: Folder of this phase; what an earlier run left there is removed.
    """

    def __init__(self, directory: str | os.PathLike[str]):
        super().__init__()
        self._directory = Path(directory)
        self._writers: dict[str, Any] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        shutil.rmtree(self._directory, ignore_errors=True)
        for name in ("train", "validation"):
            self._writers[name] = EventFileWriter(str(self._directory / name))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        for name, value in {**(logs or {}), "learning_rate": rate}.items():
            metric = name.removeprefix("val_")
            writer = self._writers["train" if metric == name else "validation"]
            _write_scalar(writer, f"epoch_{metric}", float(value), epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        for writer in self._writers.values():
            writer.close()


# Keras marks those of its own, which do nothing, with `_is_default`.
BATCH_HOOKS = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_batch_begin",
    "on_test_batch_end",
)


class OnWholeModel(keras.callbacks.Callback):
    """Runs a user's callbacks on the whole model while a part of it is being trained.

    Args:
        callbacks: The user's callbacks.
        model: The model that they see; it shares layers and optimizer with the trained part.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback], model: keras.Model):
        super().__init__()
        self._whole = model
        self._list = keras.callbacks.CallbackList(list(callbacks), model=model)
        self._each_batch = any(
            not getattr(getattr(callback, hook), "_is_default", False)
            for callback in callbacks
            for hook in BATCH_HOOKS
        )

    def _sync(self) -> None:
        """Makes weights and rate readable: on JAX they are, within an epoch, once a model is asked.

        What is asked then is the part that is being trained, which the user's callbacks do not see.
        """
        if self._each_batch:
            _ = self.model

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        self._list.set_params(params)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._whole.stop_training = False
        self._list.on_train_begin(logs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._list.on_train_end(logs)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._list.on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._list.on_epoch_end(epoch, logs)
        if self._whole.stop_training:
            self.model.stop_training = True

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._sync()
        self._list.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._sync()
        self._list.on_train_batch_end(batch, logs)
        if self._whole.stop_training:
            self.model.stop_training = True

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._list.on_test_begin(logs)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self._list.on_test_end(logs)

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._sync()
        self._list.on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._sync()
        self._list.on_test_batch_end(batch, logs)


def _write_scalar(writer: Any, tag: str, value: float, step: int) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb

    writer.add_event(Event(wall_time=time.time(), step=step, summary=scalar_pb(tag, value)))
