"""Painted views of images: cracks where there were none, with the labels that are then right."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import keras
import numpy as np

from crackdet.devices import jit_compile
from crackdet.features.views import in_batches

# Says in the cache how images are painted: goes up when the same painting, image, view and seed may
# give something else.
VERSION = 3

# Side of the squares of pixels that masks are averaged over: the cells of MobileNetV2's map at
# stride 16, from which small cracks can still be told.
MASK_STRIDE = 16


class Painted(NamedTuple):
    """Painted images.

    Attributes:
        images: float32 `(any, height, width, 3)`.
        labels: int32 `(any,)`; 1 is a crack.
        masks: float32 `(any, height, width, 1)`: the share of a pixel that a painted crack covers,
            -1 where cracks are real; None where the painting makes none.
    """

    images: np.ndarray
    labels: np.ndarray
    masks: np.ndarray | None = None


Painter = Callable[[np.ndarray, np.ndarray, np.ndarray], Painted]


def make_painter(painting: keras.Layer, image_size: tuple[int, int]) -> Painter:
    """Returns what paints images, compiled for batches of one size.

    Args:
        painting: A layer of `crackdet.layers.painting`: it has `paint(inputs, keys)`.
        image_size: Height and width.

    Returns:
        A function of images `(any, height, width, 3)`, labels `(any,)` and keys, int32 `(any, 2)`,
        that returns them `Painted`: what an image gets depends on its own key alone.
    """
    images = keras.Input((*image_size, 3))
    labels = keras.Input((), dtype="int32")
    keys = keras.Input((2,), dtype="int32")
    model = keras.Model([images, labels, keys], _Paint(painting)(images, labels, keys))
    model.jit_compile = jit_compile()

    def paint(images: np.ndarray, labels: np.ndarray, keys: np.ndarray) -> Painted:
        given = [images.astype(np.float32), labels.astype(np.int32), keys]
        painted, found, *masks = in_batches(model, given)
        return Painted(painted, found.astype(np.int32), *masks)

    return paint


def painting_keys(digests: Iterable[str], view: int, seed: int) -> np.ndarray:
    """Returns the key that each image is painted by, int32 `(images, 2)`.

    Args:
        digests: The content key of each image.
        view: Number of the view, or of the epoch where images are painted anew in each.
        seed: Seed of all views.
    """
    # The last number keeps them apart from what the augmentation of the same view draws from.
    sequences = [np.random.SeedSequence([seed, view, int(key, 16), 1]) for key in digests]
    return np.stack([each.generate_state(2) for each in sequences]).view(np.int32)


def makes_masks(painting: keras.Layer) -> bool:
    """Returns whether a painting says where in an image it has painted cracks."""
    return bool(getattr(painting, "masks", False))


def mask_shape(image_size: tuple[int, int]) -> tuple[int, int]:
    """Returns the rows and columns of the averaged masks of images."""
    return -(-image_size[0] // MASK_STRIDE), -(-image_size[1] // MASK_STRIDE)


def averaged(masks: np.ndarray) -> np.ndarray:
    """Returns masks averaged over squares of pixels, float16 `(any, rows, columns)`."""
    rows, columns = mask_shape(masks.shape[1:3])
    missing = rows * MASK_STRIDE - masks.shape[1], columns * MASK_STRIDE - masks.shape[2]
    whole = np.pad(masks[..., 0], [(0, 0), (0, missing[0]), (0, missing[1])], mode="edge")
    cells = whole.reshape(len(masks), rows, MASK_STRIDE, columns, MASK_STRIDE)
    return cells.mean(axis=(2, 4)).astype(np.float16)


class _Paint(keras.layers.Layer):
    """Paints images by given keys."""

    def __init__(self, painting: keras.Layer):
        super().__init__(dtype="float32")
        self.painting = painting
        self.built = True

    def call(self, images: Any, labels: Any, keys: Any) -> list[Any]:
        painted = self.painting.paint({"images": images, "labels": labels}, keys)
        found = [keras.ops.cast(painted["images"], "float32"), painted["labels"]]
        if makes_masks(self.painting):
            found.append(keras.ops.cast(painted["masks"], "float32"))
        return found

    def compute_output_spec(self, images: Any, labels: Any, keys: Any) -> list[Any]:
        found = [
            keras.KerasTensor(images.shape, "float32"),
            keras.KerasTensor(labels.shape, labels.dtype),
        ]
        if makes_masks(self.painting):
            found.append(keras.KerasTensor((*images.shape[:-1], 1), "float32"))
        return found
