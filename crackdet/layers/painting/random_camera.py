"""Cameras other than the one that took the training images."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from crackdet.layers.painting.compression import compression_error
from crackdet.layers.painting.draws import Draws
from crackdet.layers.painting.painting_layer import PaintingLayer
from crackdet.layers.painting.resampling import Window, resample, sampling_weights

# The share of images that has each fault.
FAULTS = {
    "focus": 0.5,
    "motion": 0.15,
    "resolution": 0.25,
    "exposure": 0.7,
    "vignetting": 0.4,
    "noise": 0.6,
    "gamma": 0.5,
    "contrast": 0.5,
    "white_balance": 0.7,
    "saturation": 0.6,
    "compression": 0.5,
}
# What is drawn for each image beside its faults: their sizes, by their names, and these.
_DRAWS = (*FAULTS, "direction", "blocky", "row", "column", "dark", "tint")
MAX_STRENGTH = 2.0
# The brightness of red, green and blue (ITU-R BT.601, as in JPEG).
_LUMA = np.array([[0.299, 0.587, 0.114]], "float32")
_NOISE_ROWS = 1024
# At strength 1: standard deviations of blur and lengths of shakes, and what a coarse grid has more
# than 1.
_FOCUS, _MOTION, _COARSEST = (0.3, 1.8), (2, 8), 2
# A box smoothed by one as wide, of width w, has the variance w ** 2 / 6.
_FOCUS_WIDTH = math.sqrt(6)
# The mean grey level up to which more light is let in.
_BRIGHTEST = 190.0


@keras.saving.register_keras_serializable(package="crackdet")
class RandomCamera(PaintingLayer):
    """Takes each picture with another camera: its focus, shake, noise, colours and compression.

    In the order of a camera, each fault with its own chance for each image:

    - `"focus"`: blur of a standard deviation from 0.3 to 1.8 pixels, log-uniform.
    - `"motion"`: a shake by 2 to 8 pixels along rows or columns.
    - `"resolution"`: a grid up to 3 times as coarse, shown anything from smooth to blocky.
    - `"exposure"`: 0.6 to 1.4 times as much light, but no wall becomes white.
    - `"vignetting"`: light that falls off from a point of the image, to a third at the farthest.
    - `"noise"`: of the sensor, a standard deviation of 1 to 12 grey levels at white, log-uniform,
      less in the dark as the photons are fewer, fine or with grains of 2 pixels.
    - `"gamma"`: exponents from 0.7 to 1.4, log-uniform.
    - `"contrast"`: from 0.6 to 1.3 times, about the image's brightness.
    - `"white_balance"`: a cast from blue to yellow by 15 %, and from green to magenta by 5 %.
    - `"saturation"`: from none, which is grey, to 1.3 times.
    - `"compression"`: JPEG's 8 x 8 blocks of brightness, at qualities from 20 to 95.

    These are the limits at strength 1; at others they move in proportion, the chances stay.
    Corruptions of this kind are what ImageNet-C tests networks with (Hendrycks and Dietterich,
    "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019).
    Labels and masks stay.

    Args:
        strength: From 0 (no change) to 2.
        faults: Names of the faults that occur, in any order. None for all.
        seed: Integer for random draws that repeat to the bit, or None.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        Images `(batch, height, width, 3)` or `(height, width, 3)` in [0, 255], integer or float, or
        a dictionary of `"images"`, `"labels"` and `"masks"`.

    Output shape:
        That of the input, and its dtype (integers: rounded; floats: the layer's compute dtype).

    Raises:
        ValueError: If `strength` is not from 0 to 2, or a fault is not one of the above.

    Example:

    >>> images = np.random.randint(0, 256, (4, 96, 96, 3), "uint8")
    >>> taken = RandomCamera(faults=["focus", "noise"], seed=1)(images)
    >>> tuple(taken.shape), keras.backend.standardize_dtype(taken.dtype)
    ((4, 96, 96, 3), 'uint8')
    """

    def __init__(
        self,
        strength: float = 1.0,
        faults: Sequence[str] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        if not 0 <= strength <= MAX_STRENGTH:
            raise ValueError(
                f"`strength` must be from 0 (no change) to {MAX_STRENGTH:g}. "
                f"Received: strength={strength!r}"
            )
        if faults is not None and not set(faults) <= set(FAULTS):
            raise ValueError(
                f"`faults` must be names out of {', '.join(FAULTS)}. Received: faults={faults!r}"
            )
        self.strength = strength
        self.faults = None if faults is None else list(faults)

    def paint_planes(self, inputs: dict[str, Any], keys: Any) -> dict[str, Any]:
        faults = list(FAULTS) if self.faults is None else self.faults
        if self.strength == 0 or not faults:
            return inputs
        planes = inputs["images"]
        # As cameras meter the light: from a part of the pixels.
        metered = keras.ops.take(planes, np.arange(0, planes.shape[2], 4), axis=2)
        brightness = keras.ops.mean(metered, axis=(1, 2, 3))
        camera = _Camera(Draws(keys), self.strength, faults, keras.ops.expand_dims(brightness, 1))
        planes = camera.expose(planes)
        planes = camera.add_noise(planes)
        planes = camera.develop(planes)
        planes = camera.compress(planes)
        return {**inputs, "images": keras.ops.clip(planes, 0, 255)}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "strength": self.strength, "faults": self.faults}


class _Camera:
    """The faults of a batch's cameras. Each step takes and returns planes in [0, 255]."""

    def __init__(
        self, draws: Draws, strength: float, faults: Sequence[str], brightness: Any
    ) -> None:
        self.strength = strength
        self.faults = faults
        self._brightness = brightness
        rates = [rate if fault in faults else 0.0 for fault, rate in FAULTS.items()]
        rates = keras.ops.convert_to_tensor(rates, "float32")
        # At once, for the many small steps of a draw take longer than its numbers.
        occurs = draws.fork("occurs").chance(rates, (len(FAULTS),))
        units = draws.fork("sizes").uniform(shape=(len(_DRAWS),))
        self._occurs = {name: occurs[:, i : i + 1] for i, name in enumerate(FAULTS)}
        self._units = {name: units[:, i : i + 1] for i, name in enumerate(_DRAWS)}
        self._grain = draws.fork("grain")

    def expose(self, planes: Any) -> Any:
        """Lens and exposure: all that is a mean of pixels, or a factor of rows and columns."""
        if not self._any("focus", "motion", "resolution", "exposure", "vignetting"):
            return planes
        along_rows = keras.ops.cast(self._units["direction"] < 0.5, "float32")
        light = keras.ops.exp(self._between("exposure", -0.5, 0.35))
        # Cracks vanish in what is white.
        most = keras.ops.maximum(_BRIGHTEST / keras.ops.maximum(self._brightness, 1.0), 1.0)
        light = keras.ops.minimum(light, most)
        self._brightness = self._brightness * light
        rows = self._sampling(planes.shape[2], along_rows, "row", light)
        columns = self._sampling(planes.shape[3], 1 - along_rows, "column", 1.0)
        return resample(planes, rows, columns)

    def _sampling(self, length: int, shaken: Any, axis: str, light: Any) -> list[Window]:
        """The weights of pixels along an axis, dimmed towards the corners."""
        pixels = keras.ops.arange(length, dtype="float32")
        coarseness = 1 + self._between("resolution", 0, _COARSEST)
        nearest = (keras.ops.floor((pixels + 0.5) / coarseness) + 0.5) * coarseness - 0.5
        centres = pixels + self._units["blocky"] * (nearest - pixels)
        blur = _FOCUS_WIDTH * self._log_between("focus", *_FOCUS)
        narrow = keras.ops.maximum(blur, coarseness)
        wide = narrow + shaken * self._log_between("motion", *_MOTION)
        if self._any("vignetting"):
            from_middle = 2 * ((pixels + 0.5) / length - self._units[axis])
            dimming = self._between("vignetting", 0, 0.15)
            light = light * keras.ops.exp(-dimming * from_middle * from_middle)
        return sampling_weights(centres, wide, narrow, length, light, _reach(self.strength))

    def add_noise(self, planes: Any) -> Any:
        """The sensor's noise, whose variance grows with the light that falls on a pixel."""
        if not self._any("noise"):
            return planes
        level = _for_planes(self._log_between("noise", 1, 12))
        # The share of the variance that is there in the dark.
        dark = _for_planes(0.05 + 0.55 * self._units["dark"])
        variance = level * level * dark + planes * (level * level * (1 - dark) / 255)
        grain = _grain(self._grain, tuple(planes.shape[1:]))
        return planes + grain * keras.ops.sqrt(variance)

    def develop(self, planes: Any) -> Any:
        """Tone curve and colours: an exponent, then a matrix of colours."""
        if self._any("gamma"):
            exponent = keras.ops.exp(self._between("gamma", -0.35, 0.35))
            planes = _power(planes, _for_planes(exponent))
            self._brightness = _power(self._brightness, exponent)
        if not self._any("contrast", "white_balance", "saturation"):
            return planes
        grey = keras.ops.convert_to_tensor(np.tile(_LUMA, (3, 1)))
        saturation = keras.ops.relu(1 + self._between("saturation", -1, 0.3))
        colourful = keras.ops.eye(3, dtype="float32") - grey
        colours = grey + keras.ops.expand_dims(saturation, -1) * colourful
        contrast = keras.ops.exp(self._between("contrast", -0.5, 0.25))
        colours = colours * keras.ops.expand_dims(contrast * self._colour_cast(), 1)
        height, width = planes.shape[2:]
        flat = keras.ops.matmul(colours, keras.ops.reshape(planes, (-1, 3, height * width)))
        flat = flat + keras.ops.expand_dims(self._brightness * (1 - contrast), -1)
        return keras.ops.reshape(flat, (-1, 3, height, width))

    def _colour_cast(self) -> Any:
        """The gain of red, green and blue, `(batch, 3)`."""
        yellow = self._between("white_balance", -0.15, 0.15)
        green = self._between("white_balance", -0.05, 0.05, "tint")
        return keras.ops.exp(keras.ops.concatenate([yellow, green, -yellow], axis=1))

    def compress(self, planes: Any) -> Any:
        """JPEG's blocks, in brightness alone: colours are smooth on concrete."""
        if not self._any("compression"):
            return planes
        height, width = planes.shape[2:]
        flat = keras.ops.reshape(planes, (-1, 3, height * width))
        luma = keras.ops.reshape(keras.ops.matmul(_LUMA, flat), (-1, height, width))
        worst = max(95 - 75 * self.strength, 5)
        error = compression_error(luma, worst + (95 - worst) * self._units["compression"])
        return planes + _for_planes(self._occurs["compression"]) * keras.ops.expand_dims(error, 1)

    def _any(self, *faults: str) -> bool:
        return any(fault in self.faults for fault in faults)

    def _between(self, fault: str, low: float, high: float, unit: str = "") -> Any:
        """Uniform draws `(batch, 1)` in proportion to the strength; 0 without the fault."""
        drawn = low + (high - low) * self._units[unit or fault]
        return self._occurs[fault] * drawn * self.strength

    def _log_between(self, fault: str, low: float, high: float) -> Any:
        """Likewise, the logarithms uniform."""
        drawn = low * keras.ops.exp(math.log(high / low) * self._units[fault])
        return self._occurs[fault] * drawn * self.strength


def _reach(strength: float) -> int:
    """How far light strays at most: the limits of focus, motion and resolution together."""
    coarseness = 1 + _COARSEST * strength
    narrow = max(_FOCUS_WIDTH * _FOCUS[1] * strength, coarseness)
    return math.ceil(narrow + _MOTION[1] * strength / 2 + coarseness / 2)


def _power(values: Any, exponent: Any) -> Any:
    """Values of [0, 255] raised to a power of their share of 255."""
    # By the logarithm, which is vectorized: five times as fast in TensorFlow.
    logarithm = keras.ops.log(keras.ops.clip(values, 0.03, 255))
    return keras.ops.exp(exponent * logarithm + (1 - exponent) * math.log(255))


def _for_planes(values: Any) -> Any:
    return keras.ops.reshape(values, (-1, 1, 1, 1))


def _grain(draws: Draws, shape: tuple[int, int, int]) -> Any:
    """Noise of variance 1 in every plane, fine or, in half of the images, with grains of 2 x 2.

    Its rows are drawn out of a store of them: a random number for each pixel would take longer
    than all the rest of the camera.
    """
    channels, height, width = shape
    coarse = draws.chance(0.5, (1, 1))
    # Whole numbers before they are added: a sum of floats would round up past the last row.
    rows = keras.ops.cast(draws.uniform(0.0, float(_NOISE_ROWS), (channels, height + 1)), "int32")
    rows += keras.ops.cast(coarse, "int32") * _NOISE_ROWS
    store = _noise_rows(width)
    # Grains are two rows high: a fine one's second row is the store's last, which is empty.
    above = keras.ops.where(coarse > 0, rows[:, :, :-1], len(store) - 1)
    return keras.ops.take(store, rows[:, :, 1:], axis=0) + keras.ops.take(store, above, axis=0)


@functools.lru_cache(maxsize=4)
def _noise_rows(width: int) -> np.ndarray:
    """Rows of normal draws: fine ones, as many halves of grains two pixels long, and zeros."""
    drawn = np.random.default_rng(0).standard_normal((_NOISE_ROWS, width + 1))
    coarse = (drawn[:, 1:] + drawn[:, :-1]) / 2
    return np.concatenate([drawn[:, 1:], coarse, np.zeros((1, width))]).astype("float32")
