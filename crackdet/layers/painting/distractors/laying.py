"""How marks are laid on a wall."""

from collections.abc import Sequence
from typing import Any

import keras

from crackdet.layers.painting.distractors.marks import Mark
from crackdet.layers.painting.distractors.slots import Slot

# Something of the wall shows through any cover, as it does through paint; and what is pale is not
# paler than this on the mean, or it would be without texture.
_COVERED, _PALEST = 0.97, 230.0


def lay_on(planes: Any, slots: Sequence[Slot], marks: Sequence[Mark], strength: float) -> Any:
    """Lays marks on images: hides their texture, then multiplies by the exponential of tones.

    Multiplied, since light falls on wall, stain and shadow alike: a shadow on a dark wall is darker
    than one on a pale wall, and what is darkened keeps its texture.

    Args:
        planes: The images, float32 `(batch, 3, height, width)` in [0, 255].
        slots: Which distractors each image has.
        marks: What they look like, one a slot; 0 on the images that do not have it.
        strength: Factor of all marks.

    Returns:
        Planes like those given; where no slot is taken, these themselves to the bit.
    """
    height, width = planes.shape[2:]
    pixels = keras.ops.reshape(planes, (-1, 3, height * width))
    mean = keras.ops.mean(pixels, axis=2, keepdims=True)
    hidden = sum(mark.hidden for mark in marks) * min(strength, 1.0)
    hidden = keras.ops.reshape(keras.ops.minimum(hidden, _COVERED), (-1, 1, height * width))
    shown = pixels - hidden * (pixels - mean)
    room = keras.ops.log(_PALEST / (keras.ops.mean(mean, axis=1, keepdims=True) + 1.0)) / strength
    room = keras.ops.maximum(room, 0.0)
    tones = keras.ops.stack([keras.ops.minimum(mark.tones, room) for mark in marks], axis=1)
    tones = keras.ops.reshape(tones, (-1, len(marks), height * width))
    tints = keras.ops.stack([strength * _tint(slot.values) for slot in slots], axis=2)
    light = keras.ops.exp(keras.ops.matmul(tints, tones))
    painted = keras.ops.clip(shown * light, 0.0, 255.0)
    return keras.ops.reshape(painted, (-1, 3, height, width))


def _tint(values: dict[str, Any]) -> Any:
    """How strongly a tone acts on red, green and blue, `(batch, 3)`."""
    red, green, blue = -values["warm"], -values["green"], values["warm"]
    return 1.0 + keras.ops.concatenate([red, green, blue], axis=1)
