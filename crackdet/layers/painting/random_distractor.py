"""What is mistaken for a crack, painted on any wall."""

from collections.abc import Sequence
from typing import Any

import keras

from crackdet.layers.painting.distractors.families import FAMILIES
from crackdet.layers.painting.distractors.laying import lay_on
from crackdet.layers.painting.distractors.lines import Lines, draw_lines
from crackdet.layers.painting.distractors.marks import Mark, Noises, draw_noises
from crackdet.layers.painting.distractors.ranges import columns
from crackdet.layers.painting.distractors.slots import Slot, draw_slots
from crackdet.layers.painting.distractors.spots import Spots, draw_spots
from crackdet.layers.painting.distractors.stains import Stains, draw_stains
from crackdet.layers.painting.draws import Draws
from crackdet.layers.painting.painting_layer import PaintingLayer
from crackdet.layers.painting.some_images import for_some

_PRIMITIVES = {Lines: draw_lines, Spots: draw_spots, Stains: draw_stains}
_MAX_STRENGTH = 2.0

DISTRACTORS = {name: family.imitates for name, family in FAMILIES.items()}


@keras.saving.register_keras_serializable(package="crackdet")
class RandomDistractor(PaintingLayer):
    """Paints what is mistaken for a crack: joints, shadows, wires, pores, stains.

    On sound and on cracked images alike, so that it says nothing about the class: labels and masks
    stay. An image gets one to three distractors, of families drawn by weight; each family is a set
    of ranges for one of three primitives (lines, spots, stains), and changes brightness, colour and
    how much of the wall's texture shows. What it paints is straight, smooth, round or soft; none of
    it is thin, dark, jagged and branched at once, as cracks are.

    Painted unless `families` says otherwise: formwork joints, board marks, construction joints, tie
    holes, pores, stains, efflorescence, shadow edges, wires, scratches, trowel marks, coarse
    aggregate, moss, and two surfaces that meet. `crackdet.layers.DISTRACTORS` maps the name of each
    family to what it imitates. It also holds families that are painted only if they are named
    (saw grooves, honeycombing, rust, paint edges, pipes), so that a model can be judged by what it
    was not trained on.

    Args:
        rate: Share of images that get distractors, from 0 to 1.
        strength: Factor of their contrast, from 0 (no change) to 2.
        families: Names of the families to paint, keys of `crackdet.layers.DISTRACTORS`, or None.
        seed: Integer for random draws that repeat to the bit, or None.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        Images `(batch, height, width, 3)` in [0, 255], or a dictionary that holds them as
        `"images"`, with anything beside; also without `batch`. Height and width are known
        beforehand. Lengths are meant for patches of about 224 pixels.

    Output shape:
        That of the input. Integers keep their dtype; floats take the layer's compute dtype.

    Raises:
        ValueError: If an argument is out of its range, or a family is not known.

    Example:

    >>> images = np.full((4, 96, 96, 3), 120, "uint8")
    >>> batch = {"images": images, "labels": np.array([0, 1, 0, 1])}
    >>> painted = RandomDistractor(rate=1.0, families=["wires"], seed=1)(batch, training=True)
    >>> keras.ops.convert_to_numpy(painted["labels"]).tolist()
    [0, 1, 0, 1]
    >>> DISTRACTORS["pores"]
    'Pores of trapped air: ...'
    """

    def __init__(
        self,
        rate: float = 0.5,
        strength: float = 1.0,
        families: Sequence[str] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        if not 0 <= rate <= 1:
            raise ValueError(f"`rate` must be from 0 to 1. Received: rate={rate!r}")
        if not 0 <= strength <= _MAX_STRENGTH:
            raise ValueError(
                f"`strength` must be from 0 (no change) to {_MAX_STRENGTH:g}. "
                f"Received: strength={strength!r}"
            )
        self.rate = rate
        self.strength = strength
        self.families = None if families is None else list(families)
        names = [name for name in FAMILIES if FAMILIES[name].painted]
        names = names if self.families is None else self.families
        unknown = [name for name in names if name not in FAMILIES]
        if unknown or not names:
            raise ValueError(
                "`families` must be None or names out of crackdet.layers.DISTRACTORS "
                f"({', '.join(FAMILIES)}). Received: {unknown or names}"
            )
        self._looks = [look for name in names for look in FAMILIES[name].looks]

    def paint_planes(self, inputs: dict[str, Any], keys: Any) -> dict[str, Any]:
        images = inputs["images"]
        if self.rate == 0 or self.strength == 0:
            return inputs
        draws = Draws(keys)
        noises = draw_noises(draws.fork("noises"), tuple(images.shape[2:]))
        slots = draw_slots(draws.fork("slots"), self._looks, self.rate)
        marks = [_mark(draws.fork(f"mark {i}"), slot, noises) for i, slot in enumerate(slots)]
        return {**inputs, "images": lay_on(images, slots, marks, self.strength)}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rate": self.rate,
            "strength": self.strength,
            "families": self.families,
        }


def _mark(draws: Draws, slot: Slot, noises: Noises) -> Mark:
    """What a slot leaves on the images that have it."""
    nothing = keras.ops.zeros_like(noises.fine)

    def draw(keys: Any, table: Any, noises: Noises) -> Mark:
        return _PRIMITIVES[slot.kind](Draws(keys), columns(slot.kind, table), noises)

    inputs = (draws.keys, slot.table, noises)
    return for_some(slot.taken[:, 0] > 0.0, draw, inputs, Mark(nothing, nothing))
