"""What primitives are drawn with, and what they give."""

from typing import Any, NamedTuple

import keras

from crackdet.layers.painting.draws import Draws
from crackdet.layers.painting.noise import smooth_noise


class Noises(NamedTuple):
    """Noise fields `(batch, height, width)` of variance 1 that all marks of an image share.

    Attributes:
        fine: Of a few pixels: roughens edges, makes grain.
        patchy: Of tens of pixels: strong here, weak there.
    """

    fine: Any
    patchy: Any

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return tuple(self.fine.shape[1:])


class Mark(NamedTuple):
    """What one primitive leaves on each image, both float32 `(batch, height, width)`.

    Attributes:
        tones: Change of the logarithm of brightness.
        hidden: Share of the wall's own texture that is hidden; below 0 it is stronger.
    """

    tones: Any
    hidden: Any


def draw_noises(draws: Draws, size: tuple[int, int]) -> Noises:
    """Draws the noise fields of each image."""
    fine, patchy = draws.fork("fine"), draws.fork("patchy")
    return Noises(
        smooth_noise(fine, size, fine.log_uniform(2.0, 6.0), 2.0),
        smooth_noise(patchy, size, patchy.log_uniform(20.0, 60.0), 20.0),
    )


def by_image(values: dict[str, Any]) -> dict[str, Any]:
    """Parameters `(batch, 1)` as `(batch, 1, 1)`, to stand beside fields."""
    return {name: keras.ops.expand_dims(value, -1) for name, value in values.items()}
