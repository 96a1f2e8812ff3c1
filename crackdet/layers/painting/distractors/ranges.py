"""Families of distractors as rows of numbers: what may be drawn for each parameter."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from crackdet.layers.painting.draws import Draws

# The lowest and the highest value. Drawn log-uniformly where both have one sign, for a width of 1
# is to 2 as 5 is to 10; uniformly where 0 lies between.
Range = tuple[float, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Look:
    """One way to look: ranges of the parameters of one primitive, which a subclass adds.

    Tones are changes of the logarithm of brightness: -0.7 halves it.

    Attributes:
        weight: How often this look is painted, compared with all others.
        upright: Above 0.5 it runs from top to bottom, else from side to side.
        tone: Its tone.
        warm: What is dark takes more blue and less red; what is pale the other way round.
        green: What is dark takes less green.
        cover: How much of the wall's own texture it hides: 1 is a coat of paint.
    """

    weight: float = 1.0
    upright: Range = (0.0, 1.0)
    tone: Range = (0.0, 0.0)
    warm: Range = (-0.05, 0.05)
    green: Range = (0.0, 0.0)
    cover: Range = (0.0, 0.0)

    @classmethod
    def parameters(cls) -> list[str]:
        """The names of all ranges, in the order of the columns of a table."""
        return [field.name for field in dataclasses.fields(cls) if field.name != "weight"]


@dataclasses.dataclass(frozen=True)
class Family:
    """A kind of distractor.

    Attributes:
        imitates: One sentence: what stands on real walls.
        looks: The ways it looks.
        painted: Whether it is painted unless families are named.
    """

    imitates: str
    looks: tuple[Look, ...]
    painted: bool = True


def draw_table(draws: Draws, looks: Sequence[Look]) -> Any:
    """Draws a look for each image, and its parameters.

    Args:
        draws: The stream to draw from.
        looks: Looks of one class.

    Returns:
        float32 `(batch, parameters)`, in the order of `Look.parameters()`.
    """
    rows = [[_bounds(getattr(look, name)) for name in look.parameters()] for look in looks]
    chosen = draws.choice([look.weight for look in looks])
    low, high, sign = (
        keras.ops.take(keras.ops.convert_to_tensor(column), chosen, axis=0)
        for column in np.moveaxis(np.array(rows, "float32"), -1, 0)
    )
    drawn = draws.uniform(low, high, (len(rows[0]),))
    return keras.ops.where(sign == 0.0, drawn, sign * keras.ops.exp(drawn))


def columns(look: type[Look], table: Any) -> dict[str, Any]:
    """The columns of a drawn table by name, each `(batch, 1)`."""
    return {name: table[:, i : i + 1] for i, name in enumerate(look.parameters())}


def _bounds(between: Range) -> tuple[float, float, float]:
    """The bounds of the uniform draw, and the sign of its exponential, or 0 where it is taken."""
    low, high = between
    if low * high <= 0:
        return low, high, 0.0
    bounds = sorted((math.log(abs(low)), math.log(abs(high))))
    return bounds[0], bounds[1], math.copysign(1.0, low)
