"""The whole painting of training images: layers that paint, one after the other."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import keras

from crackdet.layers.painting.draws import Draws
from crackdet.layers.painting.painting_layer import PaintingLayer
from crackdet.layers.painting.random_camera import RandomCamera
from crackdet.layers.painting.random_crack import RandomCrack
from crackdet.layers.painting.random_distractor import RandomDistractor
from crackdet.layers.painting.random_zoom_out import RandomZoomOut

MAX_STRENGTH = 2.0
# The share of sound patches that crack.
_CRACKED = 3 / 8


@keras.saving.register_keras_serializable(package="crackdet")
class Painting(PaintingLayer):
    """Runs painting layers one after the other, each on what the one before has painted.

    Every layer draws from a stream of its own: what one paints does not move when another is left
    out or draws more often.

    Args:
        layers: Layers of `crackdet.layers` that paint.
        seed: Integer for random draws that repeat to the bit, or None. Seeds of the layers
            themselves are not used.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        A dictionary of `"images"` `(batch, height, width, 3)` in [0, 255], integer or float,
        `"labels"` and, if any, `"masks"`; images alone where no layer changes labels; all without
        `batch` for a single image.

    Output shape:
        That of the input, with `"masks"` where a layer makes them.

    Example:

    >>> chain = Painting([RandomZoomOut(), RandomCamera()], seed=0)
    >>> images = np.random.randint(0, 256, (4, 96, 96, 3), "uint8")
    >>> tuple(chain(images).shape)
    (4, 96, 96, 3)
    """

    def __init__(
        self, layers: Sequence[PaintingLayer] = (), seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        wrong = [layer for layer in layers if not isinstance(layer, PaintingLayer)]
        if wrong:
            raise ValueError(
                "`layers` must be painting layers such as RandomZoomOut, which draw by the key of "
                f"each image. Received: {wrong[0]!r}"
            )
        self.layers = list(layers)

    @property
    def needs_labels(self) -> bool:  # type: ignore[override]
        return any(layer.needs_labels for layer in self.layers)

    @property
    def masks(self) -> bool:
        """Whether a layer makes masks of the cracks that it paints."""
        return any(getattr(layer, "masks", False) for layer in self.layers)

    def paint_planes(self, inputs: dict[str, Any], keys: Any) -> dict[str, Any]:
        draws, before = Draws(keys), Counter[str]()
        for layer in self.layers:
            kind = type(layer).__name__
            inputs = layer.paint_planes(inputs, draws.fork(f"{kind} {before[kind]}").keys)
            before[kind] += 1
        return inputs

    def get_config(self) -> dict[str, Any]:
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.layers]
        return {**super().get_config(), "layers": layers}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Painting":
        layers = [keras.saving.deserialize_keras_object(layer) for layer in config["layers"]]
        return cls(**{**config, "layers": layers})


def painting(strength: float = 1.0, *, masks: bool = False, seed: int | None = None) -> Painting:
    """Returns the default painting: patches of other sites, made out of those of one.

    A wall is seen from further away; distractors are laid on three of five patches, sound and
    cracked alike; 3 of 8 sound patches crack, on top of what was laid on them; another camera takes
    the picture. So of as many sound as cracked patches 31 % stay sound, most of them with
    distractors, and 19 % get a painted crack. At strength 1; at others, the limits of each layer
    move in proportion, and so does the share of cracks, up to 3 of 8. See `RandomZoomOut`,
    `RandomDistractor`, `RandomCrack` and `RandomCamera`.

    It changes labels, so it is a step of the training images and no part of a model's augmentation:
    `crackdet.training.fit(..., painting=painting())`.

    Args:
        strength: From 0 (no change) to 2.
        masks: Whether it says where it has painted cracks: `"masks"`, float32
            `(batch, height, width, 1)`, the share of each pixel that they cover; 0 on sound
            patches, and -1, for unknown, on patches that came as cracked.
        seed: Integer for random draws that repeat to the bit, or None.

    Returns:
        A `Painting` named `"painting"`. It maps `{"images": (batch, height, width, 3), "labels":
        (batch,)}`, images in [0, 255] and label 1 for cracked, to a dictionary like it.

    Raises:
        ValueError: If `strength` is not from 0 to 2.

    Example:

    >>> images = np.random.default_rng(0).normal(150, 5, (4, 96, 96, 3)).astype("uint8")
    >>> batch = {"images": images, "labels": np.array([0, 1, 0, 1])}
    >>> sorted(painting(masks=True, seed=0)(batch))
    ['images', 'labels', 'masks']
    """
    if not 0 <= strength <= MAX_STRENGTH:
        raise ValueError(
            f"`strength` must be from 0 (no change) to {MAX_STRENGTH:g}. "
            f"Received: strength={strength!r}"
        )
    layers = [
        RandomZoomOut(factor=1 + 0.8 * strength, stretch=0.1 * min(strength, 1)),
        RandomDistractor(rate=0.6, strength=strength),
        RandomCrack(rate=_CRACKED * min(strength, 1), strength=strength, masks=masks),
        RandomCamera(strength),
    ]
    return Painting(layers, seed=seed, name="painting")
