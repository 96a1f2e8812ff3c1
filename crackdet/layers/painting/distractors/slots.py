"""Which distractors an image gets: a few slots, each with the parameters of a look or empty."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from crackdet.layers.painting.distractors.lines import Lines
from crackdet.layers.painting.distractors.ranges import Look, columns, draw_table
from crackdet.layers.painting.distractors.spots import Spots
from crackdet.layers.painting.distractors.stains import Stains
from crackdet.layers.painting.draws import Draws

# What an image may get at once, what lies below first.
_KINDS: tuple[type[Look], ...] = (Stains, Spots, Lines, Lines)
_MOST = 3
# What turns a line into the one that crosses it at a right angle: factor and summand.
_CROSSING = {"upright": (-1.0, 1.0), "turn": (-1.0, 0.0), "place": (-1.0, 0.0)}


class Slot(NamedTuple):
    """One distractor of each image.

    Attributes:
        kind: Which primitive.
        table: The parameters, `(batch, parameters)`.
        taken: float32 `(batch, 1)`: 1 where the image has it.
    """

    kind: type[Look]
    table: Any
    taken: Any

    @property
    def values(self) -> dict[str, Any]:
        """The parameters by name, `(batch, 1)` each."""
        return columns(self.kind, self.table)


def draw_slots(draws: Draws, looks: Sequence[Look], rate: float) -> list[Slot]:
    """Draws one to three distractors for a share of the images.

    Args:
        draws: The stream to draw from.
        looks: The looks to choose from, as often as their weights say.
        rate: The share of images that get any.
    """
    by_kind = {kind: [look for look in looks if type(look) is kind] for kind in _KINDS}
    kinds = [kind for kind in _KINDS if by_kind[kind]]
    weights = [sum(look.weight for look in by_kind[kind]) / kinds.count(kind) for kind in kinds]
    taken = _taken(draws.fork("taken"), weights) * draws.fork("rate").chance(rate, (1,))
    taken = [taken[:, i : i + 1] for i in range(len(kinds))]
    tables = [draw_table(draws.fork(f"slot {i}"), by_kind[kind]) for i, kind in enumerate(kinds)]
    if Lines in kinds:
        first = kinds.index(Lines)
        partner = columns(Lines, tables[first])["partner"]
        crossed = draws.fork("crossing").chance(partner, (1,)) * taken[first]
        tables[first + 1] = keras.ops.where(
            crossed > 0.0, _crossing(tables[first]), tables[first + 1]
        )
        taken[first + 1] = keras.ops.maximum(taken[first + 1], crossed)
    return [Slot(kind, table, one) for kind, table, one in zip(kinds, tables, taken, strict=True)]


def _taken(draws: Draws, weights: Sequence[float]) -> Any:
    """Draws which slots are taken, `(batch, slots)`: one to three, by weight, none twice.

    By exponential keys: Efraimidis and Spirakis, 2006, "Weighted random sampling with a reservoir".
    """
    count = draws.choice([1.0] * min(_MOST, len(weights)), (1,)) + 1
    scale = keras.ops.convert_to_tensor([1.0 / weight for weight in weights], "float32")
    keys = keras.ops.log(draws.uniform(shape=(len(weights),))) * scale
    above = keras.ops.expand_dims(keys, 1) > keras.ops.expand_dims(keys, 2)
    rank = keras.ops.sum(keras.ops.cast(above, "int32"), axis=-1)
    return keras.ops.cast(rank < count, "float32")


def _crossing(table: Any) -> Any:
    changes = [_CROSSING.get(name, (1.0, 0.0)) for name in Lines.parameters()]
    changes = keras.ops.convert_to_tensor(changes, "float32")
    return table * changes[:, 0] + changes[:, 1]
