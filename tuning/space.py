"""The hyperparameters that a search draws, and the range of each."""

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import keras_tuner
import numpy as np

from crackdet.layers.painting.painting import MAX_STRENGTH
from crackdet.models.units import MAX_DEPTH
from crackdet.runs.trials import PAINTING

# Values of the painting's strength that a search may choose among.
MAX_PAINTINGS = 3


@dataclass(frozen=True)
class SearchSpace:
    """Ranges of the hyperparameters of a `CrackHyperModel`.

    Each is `(lowest, highest)`, both included, or a single value, which is then not searched; of
    `painting` up to three values are listed, since each costs a pass over the images.

    Args:
        dropout: Share of the pooled features dropped in training, 0 <= value < 1.
        learning_rate: Highest learning rate of the head, above 0; drawn on a logarithmic scale.
        unfreeze_depth: MobileNetV2 units to train, counted from the top: integers 0 (the head
            only) to 18 (everything).
        painting: Strengths of `crackdet.layers.painting`, 0 to 2; 0 paints nothing.

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
    painting: float | tuple[float, ...] = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            kind = int if field.name == "unfreeze_depth" else float
            most = MAX_PAINTINGS if field.name == PAINTING else 2
            bounds = _bounds(field.name, getattr(self, field.name), kind, most)
            object.__setattr__(self, field.name, bounds)
        self._check("dropout", self.low("dropout") >= 0 and self.high("dropout") < 1, "[0, 1)")
        self._check("learning_rate", self.low("learning_rate") > 0, "above 0")
        depths = self.low("unfreeze_depth") >= 0 and self.high("unfreeze_depth") <= MAX_DEPTH
        self._check("unfreeze_depth", depths, f"0..{MAX_DEPTH}")
        paintings = self.low(PAINTING) >= 0 and self.high(PAINTING) <= MAX_STRENGTH
        self._check(PAINTING, paintings, f"0..{MAX_STRENGTH:g}")

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
        return value[-1] if isinstance(value, tuple) else value

    @property
    def paints(self) -> bool:
        """Whether trials paint their images, some of them at least."""
        return bool(self.high(PAINTING))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the hyperparameters, in the order in which they are drawn."""
        names = (field.name for field in fields(self))
        return tuple(name for name in names if name != PAINTING or self.paints)

    def _listed(self, name: str) -> list[Any]:
        """Returns the values of a hyperparameter that is given by all of them."""
        value = getattr(self, name)
        return list(value) if isinstance(value, tuple) else [value]

    @property
    def searched(self) -> tuple[str, ...]:
        """Names of the hyperparameters that are not fixed to one value."""
        return tuple(name for name in self.names if self.low(name) != self.high(name))

    @property
    def count(self) -> int | None:
        """Number of combinations, or None where a range is continuous."""
        if set(self.searched) - {"unfreeze_depth", PAINTING}:
            return None
        depths = int(self.high("unfreeze_depth") - self.low("unfreeze_depth") + 1)
        return depths * len(self._listed(PAINTING))

    def values(self, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        """Draws the hyperparameters, registering in `hp` those that it does not know yet.

        Args:
            hp: KerasTuner's container, as `HyperModel.build` receives it.

        Returns:
            `{"dropout": …, "learning_rate": …, "unfreeze_depth": …}`, and "painting" where trials
            paint their images.
        """
        drawn = {}
        for name in self.names:
            low, high = self.low(name), self.high(name)
            if low == high:
                drawn[name] = hp.Fixed(name, low)
            elif name == "unfreeze_depth":
                drawn[name] = hp.Int(name, low, high)
            elif name == PAINTING:
                drawn[name] = hp.Choice(name, self._listed(name))
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
        order = ("learning_rate", "unfreeze_depth", PAINTING, "dropout")
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
        if name == PAINTING:
            listed = self._listed(name)
            middle = (len(listed) - 1) / 2
            chosen = np.linspace(0, len(listed) - 1, points) if points > 1 else [middle]
            return [listed[index] for index in sorted({int(place) for place in chosen})]
        if points == 1:
            middle = math.sqrt(low * high) if name == "learning_rate" else (low + high) / 2
            return [int(middle) if name == "unfreeze_depth" else middle]
        if name == "unfreeze_depth":
            return sorted({round(value) for value in np.linspace(low, high, points).tolist()})
        spread = np.geomspace if name == "learning_rate" else np.linspace
        return spread(low, high, points).tolist()


def _bounds(name: str, value: Any, kind: type, most: int) -> Any:
    """Returns one number or up to `most` of a kind; raises ValueError for anything else."""
    ends = list(value) if isinstance(value, Sequence) else [value]
    found = [_number(end, kind) for end in ends]
    if not 1 <= len(found) <= most or None in found or found != sorted(found):
        word = "whole numbers" if kind is int else "numbers"
        several = "(lowest, highest)" if most == 2 else f"up to {most} that increase"
        raise ValueError(
            f"Expected {name} of the search space to be one number or {several}, "
            f"{word}. Received: {value!r}"
        )
    return found[0] if len(found) == 1 else tuple(found)


def _number(value: Any, kind: type) -> Any:
    """Returns a finite number of a kind, or None for anything else, booleans included."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    if not math.isfinite(value) or kind(value) != value:
        return None
    return kind(value)
