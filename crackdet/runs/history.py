"""history.csv, one row an epoch, and the one rule of which epoch is the best."""

import math
from collections.abc import Iterable, Sequence

METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")
# Of a training that is measured under stress too.
STRESS_METRICS = ("val_stress_loss", "val_stress_accuracy")
# What a training reports of each epoch, in numbers.
REPORTED = (*METRICS, "learning_rate", "seconds")
COLUMNS = ("phase", "epoch", *REPORTED)


def deciding_loss(reported: Iterable[str]) -> str:
    """Returns the name of the loss that the best epoch is told by.

    Clean images of the sites that were trained on hardly tell epochs apart; so where a training was
    measured under stress too, that loss decides.

    Args:
        reported: Names of what each epoch reports.

    Example:

    >>> deciding_loss(["loss", "val_loss"])
    'val_loss'
    """
    return STRESS_METRICS[0] if STRESS_METRICS[0] in reported else "val_loss"


def best_epoch(val_losses: Sequence[float]) -> int | None:
    """Returns the epoch whose weights count: that of the lowest loss, the first of equals.

    Args:
        val_losses: The deciding loss after each epoch. What is no finite number is never the best.

    Returns:
        The epoch, counted from 0; None where no loss is a finite number.

    Example:

    >>> best_epoch([0.4, 0.2, float("nan"), 0.2])
    1
    """
    finite = [(loss, epoch) for epoch, loss in enumerate(val_losses) if math.isfinite(loss)]
    return min(finite)[1] if finite else None


def counting_epochs(val_losses: Sequence[float], members: Sequence[str] | None) -> list[int]:
    """Returns the epochs whose weights count: the best one, or of each member its own best one.

    Args:
        val_losses: As in `best_epoch`.
        members: Which of several trainings each epoch is of, whose weights are averaged; None where
            there was one.

    Example:

    >>> counting_epochs([0.4, 0.2, 0.3, 0.5], ["1", "1", "2", "2"])
    [1, 2]
    """
    members = ["1"] * len(val_losses) if members is None else members
    found = []
    for member in dict.fromkeys(members):
        own = [epoch for epoch, each in enumerate(members) if each == member]
        best = best_epoch([val_losses[epoch] for epoch in own])
        found += [] if best is None else [own[best]]
    return found


def is_best_so_far(val_losses: Sequence[float]) -> bool:
    """Returns whether the last of some epochs is the best of them."""
    return best_epoch(val_losses) == len(val_losses) - 1


def should_stop(val_losses: Sequence[float], patience: int) -> bool:
    """Returns whether the last `patience` epochs, and at least one after the first, were no gain.

    The rule of `keras.callbacks.EarlyStopping`.
    """
    best = best_epoch(val_losses)
    waited = len(val_losses) if best is None else len(val_losses) - 1 - best
    return len(val_losses) > 1 and 0 < waited >= patience
