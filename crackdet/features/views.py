"""Augmented views of images, each a function of the image, the view and the seed alone."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from crackdet.devices import jit_compile
from crackdet.layers.random_image_layer import RandomImageLayer
from crackdet.seeds import SEED_STATE

# Images that one call augments; they are worked on side by side, and none sees another.
BATCH = 32

# Says in the cache how views are drawn: other ways must not be taken for this one.
SCHEME = "seed of each image"

Augmenter = Callable[..., np.ndarray]


def make_augmenter(
    layer: keras.Layer, image_size: tuple[int, int], *, masks: bool = False
) -> Augmenter:
    """Returns what makes the views of images.

    Keras' random layers draw for a whole batch at once, by a state that each call moves on: what
    an image gets depends on its neighbours and on all calls before. Here each image is a batch of
    its own, whose states are drawn from its content, the view and the seed.

    Args:
        layer: The augmentation, called with `training=True`.
        image_size: Height and width.
        masks: Whether images have a mask as their fourth channel, which goes where the layer moves
            their pixels. It becomes -1, unknown, where a layer does not tell whether it does.

    Returns:
        A function of float32 images `(any, height, width, 3)`, the content key of each, the
        view's number and the seed of all views, which returns as many augmented images.
    """
    shape = (*image_size, 4 if masks else 3)
    seeded = _SeededEach(_WithMasks(layer) if masks else _InTraining(layer), shape)
    images = keras.Input(shape)
    states = keras.Input((seeded.count, 2), dtype="uint32")
    model = keras.Model([images, states], seeded(images, states))
    model.jit_compile = jit_compile()

    def augment(images: np.ndarray, keys: Iterable[str], view: int, seed: int) -> np.ndarray:
        drawn = np.stack([_states(seeded.count, key, view, seed) for key in keys])
        return in_batches(model, [images, drawn])[0]

    return augment


def in_batches(model: keras.Model, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Returns a model's outputs, computed in batches of one size, so that it is compiled once."""
    count = len(inputs[0])
    padded = [np.pad(part, [(0, -count % BATCH)] + [(0, 0)] * (part.ndim - 1)) for part in inputs]
    outputs = []
    for first in range(0, count, BATCH):
        found = model.predict_on_batch([part[first : first + BATCH] for part in padded])
        outputs.append(found if isinstance(found, list | tuple) else [found])
    return [np.concatenate(parts)[:count] for parts in zip(*outputs, strict=True)]


class _SeededEach(keras.layers.Layer):
    """Runs a layer on each image alone, with given states of its random layers."""

    def __init__(self, layer: keras.Layer, shape: tuple[int, ...]):
        super().__init__()
        self.layer = layer
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


class _WithMasks(_InTraining):
    """Runs a layer as in training on images whose fourth channel is a mask."""

    def __init__(self, layer: keras.Layer):
        super().__init__(layer)
        self.built = True  # the layer itself may never be called, only those inside

    def call(self, images: Any) -> Any:
        images, masks = _with_masks(self.layer, images[..., :3], images[..., 3:])
        return keras.ops.concatenate([keras.ops.cast(images, "float32"), masks], axis=-1)


def _with_masks(layer: keras.Layer, images: Any, masks: Any) -> tuple[Any, Any]:
    """Returns augmented images, and their masks moved with their pixels."""
    if isinstance(layer, keras.Model) and (chain := _chain(layer)) is not None:
        for each in chain:
            images, masks = _with_masks(each, images, masks)
        return images, masks
    moves = layer.moves_pixels if isinstance(layer, RandomImageLayer) else None
    if moves:
        both = keras.ops.concatenate([keras.ops.cast(images, "float32"), masks], axis=-1)
        both = layer(both, training=True)
        return both[..., :3], both[..., 3:]
    unchanged = moves is not None or isinstance(layer, keras.layers.Identity)
    return layer(images, training=True), masks if unchanged else keras.ops.full_like(masks, -1.0)


def _chain(model: keras.Model) -> list[keras.Layer] | None:
    """Returns the layers of a model that run one after the other; None where some do not."""
    if isinstance(model, keras.Sequential):
        return list(model.layers)
    layers, tensor = [], model.outputs[0]
    while tensor is not model.inputs[0]:
        operation, node, _ = tensor._keras_history
        inputs = operation._inbound_nodes[node].input_tensors
        if len(inputs) != 1:
            return None
        layers.append(operation)
        tensor = inputs[0]
    return layers[::-1]


def _is_seed(variable: Any) -> bool:
    return variable.name == SEED_STATE


def _states(count: int, key: str, view: int, seed: int) -> np.ndarray:
    """Returns states of `count` random layers, uint32 `(count, 2)`."""
    sequence = np.random.SeedSequence([seed, view, int(key, 16)])
    states = sequence.generate_state(2 * count).reshape(count, 2)
    states[:, 1] = 0  # counts the calls
    return states
