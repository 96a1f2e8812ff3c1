"""A wall seen from further away."""

import math
from typing import Any

import keras

from crackdet.layers.painting.draws import Draws
from crackdet.layers.painting.painting_layer import PaintingLayer
from crackdet.layers.painting.resampling import (
    from_planes,
    resample,
    sampling_weights,
    to_planes,
)


@keras.saving.register_keras_serializable(package="crackdet")
class RandomZoomOut(PaintingLayer):
    """Shows more of the wall on as many pixels, as a camera further away does.

    Cracks become thinner and fainter in the same measure, which zooming by interpolation alone
    would not do: each new pixel is the mean of the area that it covers. What lies beyond the
    image's edges is its mirror image; the whole of the image stays in view, at a random place, so
    that its label stays true. `"masks"` follow.

    Args:
        factor: The largest factor, at least 1: up to so many times as much wall is seen along each
            axis. Factors are drawn log-uniformly.
        stretch: Walls are seen at a slant, too: one axis is zoomed by up to this share more than
            the factor, the other by as much less; in [0, 1). Where this would enlarge the image, it
            stays as it is.
        rate: The share of images that is changed.
        seed: Integer for random draws that repeat to the bit, or None.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        Images `(batch, height, width, 3)` or `(height, width, 3)` in [0, 255], integer or float, or
        a dictionary of `"images"`, `"labels"` and `"masks"`.

    Output shape:
        That of the input, and its dtype (integers: rounded; floats: the layer's compute dtype).

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> images = np.full((4, 96, 96, 3), 180, "uint8")
    >>> images[:, :, 48:52] = 60
    >>> seen = RandomZoomOut(factor=2.0, rate=1.0, seed=1)(images)
    >>> bool(keras.ops.all(keras.ops.mean(seen, (1, 2, 3)) > 170))
    True
    """

    def __init__(
        self,
        factor: float = 1.8,
        stretch: float = 0.1,
        rate: float = 0.7,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        if not 1 <= factor < math.inf:
            raise ValueError(f"`factor` must be at least 1. Received: factor={factor!r}")
        for name, value in (("stretch", stretch), ("rate", rate)):
            if not 0 <= value <= 1 or (name, value) == ("stretch", 1):
                limits = "[0, 1)" if name == "stretch" else "[0, 1]"
                raise ValueError(f"`{name}` must be in {limits}. Received: {name}={value!r}")
        self.factor = factor
        self.stretch = stretch
        self.rate = rate

    def paint_planes(self, inputs: dict[str, Any], keys: Any) -> dict[str, Any]:
        if self.rate == 0 or (self.factor == 1 and self.stretch == 0):
            return inputs
        draws = Draws(keys)
        height, width = inputs["images"].shape[2:]
        log_factor = draws.uniform(0.0, math.log(self.factor), (1,))
        log_stretch = draws.uniform(-1.0, 1.0, (1,)) * math.log1p(self.stretch) / 2
        changed = draws.chance(self.rate, (1,))
        rows, columns = (
            _view(draws, keras.ops.exp(changed * keras.ops.relu(log_zoom)), length)
            for log_zoom, length in (
                (log_factor + log_stretch, height),
                (log_factor - log_stretch, width),
            )
        )
        zoomed = {**inputs, "images": resample(inputs["images"], rows, columns)}
        if "masks" in inputs:
            zoomed["masks"] = from_planes(resample(to_planes(inputs["masks"]), rows, columns))
        return zoomed

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "factor": self.factor,
            "stretch": self.stretch,
            "rate": self.rate,
        }


def _view(draws: Draws, factor: Any, length: int) -> Any:
    """The weights of `length` pixels that see `factor` times as far, the image among it."""
    before = draws.uniform(shape=(1,)) * (factor - 1) * length
    pixels = keras.ops.arange(length, dtype="float32") + 0.5
    return sampling_weights(
        pixels * factor - before - 0.5, factor, keras.ops.ones_like(factor), length
    )
