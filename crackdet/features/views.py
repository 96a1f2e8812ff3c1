"""Augmented views of images, each a function of the image, the view and the seed alone."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from crackdet.devices import jit_compile
from crackdet.seeds import SEED_STATE

# Images that one call augments; they are worked on side by side, and none sees another.
BATCH = 32

# Says in the cache how views are drawn: other ways must not be taken for this one.
SCHEME = "seed of each image"

Augmenter = Callable[..., np.ndarray]


def make_augmenter(layer: keras.Layer, image_size: tuple[int, int]) -> Augmenter:
    """Returns what makes the views of images.

    Keras' random layers draw for a whole batch at once, by a state that each call moves on: what
    an image gets depends on its neighbours and on all calls before. Here each image is a batch of
    its own, whose states are drawn from its content, the view and the seed.

    Args:
        layer: The augmentation, called with `training=True`.
        image_size: Height and width.

    Returns:
        A function of float32 images `(any, height, width, 3)`, the content key of each, the
        view's number and the seed of all views, which returns as many augmented images.
    """
    shape = (*image_size, 3)
    seeded = _SeededEach(layer, shape)
    images = keras.Input(shape)
    states = keras.Input((seeded.count, 2), dtype="uint32")
    model = keras.Model([images, states], seeded(images, states))
    model.jit_compile = jit_compile()

    def augment(images: np.ndarray, keys: Iterable[str], view: int, seed: int) -> np.ndarray:
        drawn = np.stack([_states(seeded.count, key, view, seed) for key in keys])
        count = len(images)
        # One batch size, one compilation.
        padding = [(0, -count % BATCH)] + [(0, 0)] * 3
        padded = np.pad(images, padding), np.pad(drawn, padding[:3])
        return np.concatenate(
            [
                np.asarray(model.predict_on_batch([part[i : i + BATCH] for part in padded]))
                for i in range(0, count, BATCH)
            ]
        )[:count]

    return augment


class _SeededEach(keras.layers.Layer):
    """Runs a layer as in training on each image alone, with given states of its random layers."""

    def __init__(self, layer: keras.Layer, shape: tuple[int, ...]):
        super().__init__()
        self.layer = _InTraining(layer)
        self.layer(np.zeros((1, *shape), "float32"))  # builds it
        self.count = max(1, sum(map(_is_seed, self.layer.non_trainable_variables)))

    def call(self, images: Any, states: Any) -> Any:
        layer = self.layer
        trainable = [variable.value for variable in layer.trainable_variables]

        def augment(image_and_states: tuple[Any, Any]) -> Any:
            image, given = image_and_states
            fresh = iter(given[index] for index in range(self.count))
            others = [
                next(fresh) if _is_seed(variable) else variable.value
                for variable in layer.non_trainable_variables
            ]
            outputs, _ = layer.stateless_call(trainable, others, image[None])
            return keras.ops.cast(outputs[0], "float32")

        # XLA's `map` would take one image after the other; TensorFlow's takes several at once.
        each = keras.ops.vectorized_map if keras.backend.backend() == "jax" else keras.ops.map
        return each(augment, (images, states))

    def compute_output_shape(self, images_shape: Any, states_shape: Any) -> Any:
        return images_shape


class _InTraining(keras.layers.Layer):
    """Runs a layer as in training; `training` may also be none of its arguments."""

    def __init__(self, layer: keras.Layer):
        super().__init__()
        self.layer = layer

    def call(self, images: Any) -> Any:
        return self.layer(images, training=True)


def _is_seed(variable: Any) -> bool:
    return variable.name == SEED_STATE


def _states(count: int, key: str, view: int, seed: int) -> np.ndarray:
    """Returns states of `count` random layers, uint32 `(count, 2)`."""
    sequence = np.random.SeedSequence([seed, view, int(key, 16)])
    states = sequence.generate_state(2 * count).reshape(count, 2)
    states[:, 1] = 0  # counts the calls
    return states
