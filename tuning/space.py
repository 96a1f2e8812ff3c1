"""The hyperparameters that a search draws, and the range of each."""

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import keras_tuner
import numpy as np

from crackdet.models.units import MAX_DEPTH


@dataclass(frozen=True)
class SearchSpace:
    """Ranges of the hyperparameters of a `CrackHyperModel`.

    Each is `(lowest, highest)`, both included, or a single value, which is then not searched.

    Args:
        dropout: Share of the pooled features dropped in training, 0 <= value < 1.
        learning_rate: Highest learning rate of the head, above 0; drawn on a logarithmic scale.
        unfreeze_depth: MobileNetV2 units to train, counted from the top: integers 0 (the head
            only) to 18 (everything).

    Raises:
        ValueError: If a range is empty, reversed or out of bounds.

    Example:

    >>> SearchSpace(dropout=0.2, unfreeze_depth=(0, 3)).count
    >>> SearchSpace(dropout=0.2, learning_rate=1e-3, unfreeze_depth=(0, 3)).count
    4
    """

    dropout: float | tuple[float, float] = (0.0, 0.6)
    learning_rate: float | tuple[float, float] = (1e-5, 1e-2)
    unfreeze_depth: int | tuple[int, int] = (0, 6)

    def __post_init__(self) -> None:
        for field in fields(self):
            whole = field.name == "unfreeze_depth"
            bounds = _bounds(field.name, getattr(self, field.name), int if whole else float)
            object.__setattr__(self, field.name, bounds)
        self._check("dropout", self.low("dropout") >= 0 and self.high("dropout") < 1, "[0, 1)")
        self._check("learning_rate", self.low("learning_rate") > 0, "above 0")
        depths = self.low("unfreeze_depth") >= 0 and self.high("unfreeze_depth") <= MAX_DEPTH
        self._check("unfreeze_depth", depths, f"0..{MAX_DEPTH}")

    def _check(self, name: str, right: bool, expected: str) -> None:
        if not right:
            raise ValueError(
                f"Expected {name} of the search space within {expected}. "
                f"Received: {getattr(self, name)}"
            )

    def low(self, name: str) -> Any:
        """Returns the lowest value of a hyperparameter."""
        value = getattr(self, name)
        return value[0] if isinstance(value, tuple) else value

    def high(self, name: str) -> Any:
        """Returns the highest value of a hyperparameter."""
        value = getattr(self, name)
        return value[1] if isinstance(value, tuple) else value

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the hyperparameters, in the order in which they are drawn."""
        return tuple(field.name for field in fields(self))

    @property
    def searched(self) -> tuple[str, ...]:
        """Names of the hyperparameters that are not fixed to one value."""
        return tuple(name for name in self.names if self.low(name) != self.high(name))

    @property
    def count(self) -> int | None:
        """Number of combinations, or None where a range is continuous."""
        if set(self.searched) - {"unfreeze_depth"}:
            return None
        return int(self.high("unfreeze_depth") - self.low("unfreeze_depth") + 1)

    def values(self, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        """Draws the hyperparameters, registering in `hp` those that it does not know yet.

        Args:
            hp: KerasTuner's container, as `HyperModel.build` receives it.

        Returns:
            `{"dropout": …, "learning_rate": …, "unfreeze_depth": …}`.
        """
        drawn = {}
        for name in self.names:
            low, high = self.low(name), self.high(name)
            if low == high:
                drawn[name] = hp.Fixed(name, low)
            elif name == "unfreeze_depth":
                drawn[name] = hp.Int(name, low, high)
            else:
                sampling = "log" if name == "learning_rate" else "linear"
                drawn[name] = hp.Float(name, low, high, sampling=sampling)
        return drawn

    def hyperparameters(self) -> keras_tuner.HyperParameters:
        """Returns the space as KerasTuner holds it."""
        hp = keras_tuner.HyperParameters()
        self.values(hp)
        return hp

    def grid(self, max_points: int) -> keras_tuner.HyperParameters:
        """Returns a grid of at most `max_points` combinations that reaches across the space.

        KerasTuner's own grid divides every continuous range into ten and walks through it from
        one corner, so a search of a dozen trials would see a single dropout and a single learning
        rate. Here points go to the hyperparameters in turn, learning rate first, for as long as
        their product allows; a single point stands in the middle of its range.

        Args:
            max_points: Combinations wanted at most, 1 or more.
        """
        points = dict.fromkeys(self.names, 1)
        order = ("learning_rate", "unfreeze_depth", "dropout")
        turns = [name for name in order if name in self.searched]
        while turns:
            name = min(turns, key=lambda each: (points[each], turns.index(each)))
            more = {**points, name: points[name] + 1}
            if (
                math.prod(more.values()) > max_points
                or len(self._spread(name, more[name])) < more[name]
            ):
                turns.remove(name)
            else:
                points = more
        hp = keras_tuner.HyperParameters()
        for name in self.names:
            hp.Choice(name, self._spread(name, points[name]))
        return hp

    def _spread(self, name: str, points: int) -> list[Any]:
        """Returns values spread evenly over a range; fewer where it holds no more integers."""
        low, high = self.low(name), self.high(name)
        if points == 1:
            middle = math.sqrt(low * high) if name == "learning_rate" else (low + high) / 2
            return [int(middle) if name == "unfreeze_depth" else middle]
        if name == "unfreeze_depth":
            return sorted({round(value) for value in np.linspace(low, high, points).tolist()})
        spread = np.geomspace if name == "learning_rate" else np.linspace
        return spread(low, high, points).tolist()


def _bounds(name: str, value: Any, kind: type) -> Any:
    """Returns one number or a pair of them, of a kind; raises ValueError for anything else."""
    ends = list(value) if isinstance(value, Sequence) else [value]
    found = [_number(end, kind) for end in ends]
    if len(found) not in (1, 2) or None in found or found != sorted(found):
        word = "whole numbers" if kind is int else "numbers"
        raise ValueError(
            f"Expected {name} of the search space to be one number or (lowest, highest), "
            f"{word}. Received: {value!r}"
        )
    return found[0] if len(found) == 1 else (found[0], found[1])


def _number(value: Any, kind: type) -> Any:
    """Returns a finite number of a kind, or None for anything else, booleans included."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    if not math.isfinite(value) or kind(value) != value:
        return None
    return kind(value)
