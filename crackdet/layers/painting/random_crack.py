"""Cracks painted on sound patches."""

import math
from typing import Any

import keras
import numpy as np

from crackdet.layers.painting.crack_light import draw_depth, draw_inside
from crackdet.layers.painting.crack_shapes import draw_plan, draw_trunks, draw_twigs
from crackdet.layers.painting.curves import band, coverage, rasterise
from crackdet.layers.painting.draws import Draws
from crackdet.layers.painting.painting_layer import PaintingLayer, sound
from crackdet.layers.painting.some_images import for_some

MAX_STRENGTH = 2.0
# Half the heights of bands: a trunk of 10 px may swell, and run at 45 degrees.
_TRUNK_REACH, _TWIG_REACH = 13, 4


@keras.saving.register_keras_serializable(package="crackdet")
class RandomCrack(PaintingLayer):
    """Paints cracks on sound patches, and labels these cracked.

    What is imitated, each drawn for each image: a crack of half a pixel to 10 px, most often a
    hairline, from edge to edge or ending inside the patch, straight or wandering, jagged or smooth;
    up to four thinner branches at 25 to 75 degrees, sometimes a second crack, seldom a network; a
    width that swells, edges that are rough each in its own way, stretches that fade or break off;
    the soft edge that a lens gives; in wide cracks debris, a side that light falls on, and a pale
    spalled lip. Cracks are dark, from just visible beside the wall's own grain to black, and in
    8 % pale, filled with lime. They darken what is there, so light and texture go on in them.

    Only patches labelled 0 are painted. A pixel shows a crack where painting changes its
    brightness (the green channel) by at least `min_contrast` times the wall's own grain: the
    standard deviation between pixels three apart of the patch as it came, at least one grey level.
    The crack is as long as the rows or columns, whichever are more, in which a pixel shows it. If
    that is less than `min_length`, the painting is taken back: image, label and mask stay as they
    were. So every image that changed is labelled 1, and shows why.

    Args:
        rate: Share of the sound patches that get a crack.
        strength: From 0 to 2, how hard to see and how varied they are: 0 paints wide and dark
            cracks without networks, 1 cracks down to half a pixel and to the edge of what can be
            seen, 2 more hairlines, faded stretches and networks, and paths that wander more.
        masks: Whether to return `"masks"` too: float32 `(batch, height, width, 1)`, the share of
            each pixel that a painted crack covers; 0 on sound patches, and -1, for unknown, on
            patches that came as cracked. Masks that came with the images are kept for these.
        min_contrast: The least contrast that shows, in standard deviations of the wall's grain.
        min_length: The least length that shows, in pixels.
        seed: Integer for cracks that repeat to the bit, or None.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        `{"images": (batch, height, width, 3), "labels": (batch,)}`, or all of it without `batch`;
        labels may also be `(batch, 1)` or one-hot `(batch, 2)`. See `PaintingLayer`.

    Output shape:
        That of the input, and its dtypes, with `"masks"` if asked for.

    Raises:
        ValueError: If an argument is out of its range, or labels are missing.

    Example:

    >>> patches = np.random.default_rng(0).normal(150, 5, (4, 96, 96, 3)).clip(0, 255)
    >>> cracked = RandomCrack(rate=1.0, strength=0.0, masks=True, seed=1)(
    ...     {"images": patches.astype("uint8"), "labels": np.zeros(4, "int32")}
    ... )
    >>> keras.ops.convert_to_numpy(cracked["labels"]).tolist(), tuple(cracked["masks"].shape)
    ([1, 1, 1, 1], (4, 96, 96, 1))
    """

    needs_labels = True

    def __init__(
        self,
        rate: float = 0.5,
        strength: float = 1.0,
        masks: bool = False,
        min_contrast: float = 1.5,
        min_length: float = 24,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        for name, value, high in (("rate", rate, 1), ("strength", strength, MAX_STRENGTH)):
            if not 0 <= value <= high:
                raise ValueError(f"`{name}` must be from 0 to {high:g}. Received: {name}={value!r}")
        for name, value in (("min_contrast", min_contrast), ("min_length", min_length)):
            if not 0 < value < math.inf:
                raise ValueError(f"`{name}` must be above 0. Received: {name}={value!r}")
        self.rate = rate
        self.strength = strength
        self.masks = masks
        self.min_contrast = min_contrast
        self.min_length = min_length

    def paint_planes(self, inputs: dict[str, Any], keys: Any) -> dict[str, Any]:
        keys = Draws(keys).fork("crack").keys
        chosen = Draws(keys).fork("chosen").chance(self.rate) * sound(inputs["labels"]) > 0.0
        unpainted = {"images": inputs["images"], "labels": inputs["labels"]}
        if self.masks or "masks" in inputs:
            unpainted["masks"] = _masks(inputs)
        cracked = for_some(chosen, self._paint_chosen, (unpainted, keys), unpainted)
        return {**inputs, **cracked}

    def _paint_chosen(self, inputs: dict[str, Any], keys: Any) -> dict[str, Any]:
        """Paints a crack on each image where it shows."""
        images, draws = inputs["images"], Draws(keys)
        grey = images[:, 1]
        light, grain = _light_and_grain(grey)
        shade, covered = self._shade(
            draws, images.shape[2:], light, grain, keras.ops.shape(images)[0]
        )
        # Seen from the painted pixels: their change of brightness beside the wall's own grain.
        visible = keras.ops.cast(
            keras.ops.abs(shade) * grey >= _image(self.min_contrast * grain), "float32"
        )
        seen = [keras.ops.sum(keras.ops.max(visible, axis=axis), axis=1) for axis in (1, 2)]
        length = keras.ops.maximum(*seen)
        painted = keras.ops.cast(length >= self.min_length, "float32")
        tint = 1.0 + 0.02 * draws.fork("tint").normal((3,))
        tint = tint * keras.ops.expand_dims(painted, 1)
        gain = 1.0 + _image(tint) * keras.ops.expand_dims(shade, 1)
        outputs = {
            "images": keras.ops.clip(images * gain, 0.0, 255.0),
            "labels": _cracked(inputs["labels"], painted),
        }
        if "masks" in inputs:
            painted = keras.ops.reshape(painted, (-1, 1, 1, 1))
            mask = keras.ops.expand_dims(covered, -1)
            outputs["masks"] = painted * mask + (1.0 - painted) * inputs["masks"]
        return outputs

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rate": self.rate,
            "strength": self.strength,
            "masks": self.masks,
            "min_contrast": self.min_contrast,
            "min_length": self.min_length,
        }

    def _shade(
        self, draws: Draws, size: tuple[int, int], light: Any, grain: Any, batch: Any
    ) -> tuple[Any, Any]:
        """How much darker (below 0) each pixel becomes, and the share of it that is covered."""
        plan = draw_plan(draws, self.strength)
        trunks = draw_trunks(draws, max(size), plan, self.strength)
        twigs = draw_twigs(draws, max(size), plan, trunks, self.strength)
        softness = draws.fork("optics").log_uniform(0.5, 1.0, (1, 1, 1))
        wide = band(trunks.curves, size, _TRUNK_REACH)
        thin = band(twigs.curves, size, _TWIG_REACH)
        inside = draw_inside(draws.fork("inside"), trunks, wide.distance, softness)
        twig = coverage(thin.distance, _row(twigs.above), _row(twigs.below), softness)
        presences = [inside.dark * _row(trunks.presence), twig * _row(twigs.presence)]
        pixels = [wide.pixels, thin.pixels]
        covered = rasterise(presences, pixels, size, batch)
        lip = rasterise([inside.lip * _row(trunks.presence)], pixels[:1], size, batch)
        faintest = (3.2 - 1.4 * min(self.strength, 1.0)) * grain / light
        depth = draw_depth(draws.fork("depth"), plan, softness, faintest)
        return depth * (lip - covered), covered


def _masks(inputs: dict[str, Any]) -> Any:
    """What is known of the masks of images as they come, float32 `(batch, height, width, 1)`."""
    if "masks" in inputs:
        return keras.ops.cast(inputs["masks"], "float32")
    known = keras.ops.reshape(sound(inputs["labels"]), (-1, 1, 1, 1)) - 1.0
    return known + keras.ops.expand_dims(keras.ops.zeros_like(inputs["images"][:, 0]), -1)


def _light_and_grain(grey: Any) -> tuple[Any, Any]:
    """The mean brightness and the local noise of each image, `(batch,)`, from every third row."""
    rows = grey[:, ::3]
    light = keras.ops.maximum(keras.ops.mean(rows, axis=(1, 2)), 8.0)
    steps = keras.ops.abs(rows[:, :, 3:] - rows[:, :, :-3])
    # For a normal distribution the mean difference of two is 2 / sqrt(pi) standard deviations.
    grain = keras.ops.mean(steps, axis=(1, 2)) * (math.sqrt(math.pi) / 2)
    return light, keras.ops.maximum(grain, 1.0)


def _cracked(labels: Any, painted: Any) -> Any:
    """The labels with the painted images cracked, in their own form and dtype."""
    now = keras.ops.expand_dims(painted, 1)
    if len(labels.shape) == 2 and labels.shape[1] == 2:
        now = keras.ops.cast(now, labels.dtype)
        return labels * (1 - now) + now * keras.ops.cast(np.array([[0, 1]]), labels.dtype)
    now = keras.ops.cast(painted, labels.dtype)
    return keras.ops.maximum(labels, keras.ops.reshape(now, (-1, *labels.shape[1:])))


def _row(values: Any) -> Any:
    """Values along curves as they broadcast over the rows of a band."""
    return keras.ops.expand_dims(values, 2)


def _image(values: Any) -> Any:
    """Values of images as they broadcast over two more axes."""
    return keras.ops.expand_dims(keras.ops.expand_dims(values, -1), -1)
