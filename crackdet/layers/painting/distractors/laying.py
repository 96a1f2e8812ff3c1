"""How marks are laid on a wall."""

from collections.abc import Sequence
from typing import Any

import keras

from crackdet.layers.painting.distractors.marks import Mark
from crackdet.layers.painting.distractors.slots import Slot

# Something of the wall shows through any cover, as it does through paint; and what is pale is not
# paler than this on the mean, or it would be without texture.
_COVERED, _PALEST = 0.97, 230.0


def lay_on(images: Any, slots: Sequence[Slot], marks: Sequence[Mark], strength: float) -> Any:
    """Lays marks on images: hides their texture, then multiplies by the exponential of tones.

    Multiplied, since light falls on wall, stain and shadow alike: a shadow on a dark wall is darker
    than one on a pale wall, and what is darkened keeps its texture.

    Args:
        images: float32 `(batch, height, width, 3)` in [0, 255].
        slots: Which distractors each image has.
        marks: What they look like, one a slot; 0 on the images that do not have it.
        strength: Factor of all marks.

    Returns:
        Images like those given; where no slot is taken, these themselves to the bit.
    """
    height, width = images.shape[1:3]
    # Rows of all channels: TensorFlow is slow at arrays of three columns, but for their products.
    rows = keras.ops.reshape(images, (-1, height, width * 3))
    mean = keras.ops.reshape(keras.ops.mean(rows, axis=1), (-1, width, 3))
    mean = keras.ops.mean(mean, axis=1, keepdims=True)
    hidden = sum(mark.hidden for mark in marks) * min(strength, 1.0)
    hidden = keras.ops.reshape(keras.ops.minimum(hidden, _COVERED), (-1, height * width, 1))
    hidden = keras.ops.matmul(hidden, keras.ops.ones((1, 3)))
    texture = rows - keras.ops.tile(mean, (1, 1, width))
    shown = rows - keras.ops.reshape(hidden, (-1, height, width * 3)) * texture
    room = keras.ops.log(_PALEST / (keras.ops.mean(mean, axis=2, keepdims=True) + 1.0)) / strength
    room = keras.ops.maximum(room, 0.0)
    tones = keras.ops.stack([keras.ops.minimum(mark.tones, room) for mark in marks], axis=1)
    tones = keras.ops.swapaxes(keras.ops.reshape(tones, (-1, len(marks), height * width)), 1, 2)
    tints = keras.ops.stack([strength * _tint(slot.values) for slot in slots], axis=1)
    light = keras.ops.exp(keras.ops.matmul(tones, tints))
    painted = shown * keras.ops.reshape(light, (-1, height, width * 3))
    painted = keras.ops.clip(painted, 0.0, 255.0)
    return keras.ops.reshape(painted, (-1, height, width, 3))


def _tint(values: dict[str, Any]) -> Any:
    """How strongly a tone acts on red, green and blue, `(batch, 3)`."""
    red, green, blue = -values["warm"], -values["green"], values["warm"]
    return 1.0 + keras.ops.concatenate([red, green, blue], axis=1)
