"""Light that changes from photo to photo."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from crackdet.layers.random_image_layer import RandomImageLayer

# Waves per axis: up to one full wave across the image, no faster than a shadow's soft edge.
_WAVES = 3


@keras.saving.register_keras_serializable(package="crackdet")
class RandomIllumination(RandomImageLayer):
    """Lights each image anew: smooth shading over the wall, exposure, and the camera's gamma.

    With pixels scaled to [0, 1], `out = clip(gain * (1 + shading * field) * x, 0, 1) ** gamma`,
    drawn per image and alike for all its channels. The field is a random mix of the lowest cosine
    waves over height and width, scaled to a largest absolute value of 1: slower than any crack, so
    that no false edge appears.

    Args:
        gain: The gain is drawn from [1 - gain, 1 + gain]; in [0, 1).
        gamma: The exponent is drawn log-uniformly from [1 / (1 + gamma), 1 + gamma]; at least 0.
        shading: The field's strength is drawn from [0, shading]; in [0, 1).
        value_range: `(low, high)` of the pixel values, to which the output is clipped.
        seed: Integer for random draws that repeat to the bit, or None.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        `(batch, height, width, channels)` or `(height, width, channels)`, integer or float.

    Output shape:
        That of the input, and its dtype (integers: rounded; floats: the layer's compute dtype).

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> images = np.full((4, 96, 96, 3), 120, "uint8")
    >>> lit = RandomIllumination(seed=1)(images, training=True)
    >>> tuple(lit.shape), keras.backend.standardize_dtype(lit.dtype)
    ((4, 96, 96, 3), 'uint8')
    """

    moves_pixels = False

    def __init__(
        self,
        gain: float = 0.25,
        gamma: float = 0.25,
        shading: float = 0.25,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        for name, value in (("gain", gain), ("shading", shading)):
            if not 0 <= value < 1:
                raise ValueError(f"`{name}` must be in [0, 1). Received: {name}={value!r}")
        if not 0 <= gamma < math.inf:
            raise ValueError(f"`gamma` must be at least 0. Received: gamma={gamma!r}")
        if len(value_range) != 2 or not value_range[0] < value_range[1]:
            raise ValueError(
                "`value_range` must be (low, high) with low below high. "
                f"Received: value_range={value_range!r}"
            )
        self.gain = gain
        self.gamma = gamma
        self.shading = shading
        self.value_range = tuple(value_range)

    def augment(self, images: Any) -> Any:
        # float32 whatever the policy: float16 holds 0..255 but not the steps in between.
        low, high = self.value_range
        x = (keras.ops.cast(images, "float32") - low) / (high - low)
        batch, height, width = keras.ops.shape(images)[:3]
        light = self._uniform(batch, 1 - self.gain, 1 + self.gain)
        field = self._field(batch, height, width)
        light = light * (1 + self._uniform(batch, 0, self.shading) * field)
        log_gamma = math.log1p(self.gamma)
        exponent = keras.ops.exp(self._uniform(batch, -log_gamma, log_gamma))
        # x ** exponent by its logarithm, which is vectorized: five times as fast in TensorFlow.
        x = keras.ops.exp(exponent * keras.ops.log(keras.ops.clip(x * light, 0, 1)))
        x = low + (high - low) * x
        dtype = keras.backend.standardize_dtype(images.dtype)
        return keras.ops.cast(keras.ops.round(x) if "int" in dtype else x, dtype)

    def _uniform(self, batch: Any, low: float, high: float) -> Any:
        return keras.random.uniform((batch, 1, 1, 1), low, high, seed=self.seed_generator)

    def _field(self, batch: Any, height: Any, width: Any) -> Any:
        """Smooth fields `(batch, height, width, 1)`, each with a largest absolute value of 1."""
        weights = keras.random.normal((batch, _WAVES, _WAVES), seed=self.seed_generator)
        # Slower waves weigh more; the constant one is the gain's business.
        order = np.add.outer(np.arange(_WAVES), np.arange(_WAVES)).astype("float32")
        scale = np.divide(1, order, out=np.zeros_like(order), where=order > 0)
        rows, columns = _waves(height), _waves(width)
        weighted = keras.ops.multiply(weights, scale)
        field = keras.ops.matmul(rows, keras.ops.matmul(weighted, keras.ops.transpose(columns)))
        peak = keras.ops.max(keras.ops.abs(field), axis=(1, 2), keepdims=True)
        return keras.ops.expand_dims(field / keras.ops.maximum(peak, keras.config.epsilon()), -1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "gain": self.gain,
            "gamma": self.gamma,
            "shading": self.shading,
            "value_range": list(self.value_range),
        }


def _waves(length: Any) -> Any:
    """The slowest cosine waves over `length` pixels, one a column: `(length, _WAVES)`."""
    position = (keras.ops.cast(keras.ops.arange(length), "float32") + 0.5) / keras.ops.cast(
        length, "float32"
    )
    waves = np.pi * np.arange(_WAVES, dtype="float32")
    return keras.ops.cos(keras.ops.multiply(keras.ops.expand_dims(position, 1), waves))
