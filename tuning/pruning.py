"""The median stopping rule: a trial that does clearly worse than the others is given up."""

from collections.abc import Sequence
from statistics import median
from typing import Any

import keras
import numpy as np

from crackdet.runs.history import deciding_loss, is_best_so_far

# Trials that must have reached an epoch before one is judged at it.
MIN_OTHERS = 4

# A validation loss so many times the median is clearly worse. Losses of good trials lie within a
# factor of two of each other; a late starter is not given up for less.
CLEARLY_WORSE = 1.5


class PrunedError(Exception):
    """Ends the training of a trial that has been given up."""


def clearly_worse(losses: Sequence[float], others: Sequence[Sequence[float]]) -> bool:
    """Returns whether a trial should be stopped after its latest epoch.

    Golovin et al., "Google Vizier", KDD 2017, stop a trial whose best value is worse than the
    median of the others at the same step. Here the others, too, count with their best so far, and
    the trial must be worse by half.

    Args:
        losses: The trial's validation loss after each epoch.
        others: Those of other trials on the same images.
    """
    epoch = len(losses)
    rivals = [min(other[:epoch]) for other in others if len(other) >= epoch]
    if len(rivals) < MIN_OTHERS:
        return False
    return not min(losses) <= CLEARLY_WORSE * median(rivals)


class MedianPruner(keras.callbacks.Callback):
    """Stops `fit` with `PrunedError` when the trial is clearly worse than the others.

    `best_weights` are then those of the epoch with the lowest loss.

    Args:
        others: Validation losses by epoch of trials that have ended.
    """

    def __init__(self, others: Sequence[Sequence[float]]):
        super().__init__()
        self.others = others
        self.history: dict[str, list[float]] = {}
        self.best_weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        losses = self.history[deciding_loss(self.history)]
        if is_best_so_far(losses):
            self.best_weights = self.model.get_weights()
        if clearly_worse(losses, self.others):
            raise PrunedError
