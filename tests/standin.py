"""A classifier with MobileNetV2's units and little in them, for tests of what surrounds it.

Each of the 18 units is one small convolution with a batch normalization whose statistics tell
images apart, under the names that `crackdet.models.units` knows. It is built in a tenth of the
time of MobileNetV2 and takes the arguments of `crackdet.models.new_classifier`.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from crackdet.layers import Augmentation, augmentation
from crackdet.models.heads import add_head
from crackdet.models.units import PREPROCESSING_NAME, set_unfreeze_depth

CHANNELS = 8
TOP_CHANNELS = 128  # of Conv_1: many features are learned from in few steps
# Units from the images to the head: name, and the stride of its convolution.
UNITS = (
    ("Conv1", 2),
    ("expanded_conv_depthwise", 1),
    *((f"block_{number}_expand", 2 if number in (1, 3) else 1) for number in range(1, 17)),
    ("Conv_1", 1),
)


def standin_classifier(
    image_size: int | Sequence[int] = (32, 32),
    num_classes: int = 2,
    *,
    unfreeze_depth: int = 0,
    dropout: float = 0.2,
    alpha: float = 1.0,
    pooling: str | None = None,
    weights: str | Path | None = None,
    strength: float = 0.0,
    seed: int = 0,
    augment: keras.layers.Layer | None = None,
) -> keras.Model:
    """Returns a classifier; the same at each call with the same seed.

    Args:
        image_size: As in `new_classifier`.
        num_classes: As in `new_classifier`.
        unfreeze_depth: As in `new_classifier`.
        dropout: As in `new_classifier`.
        alpha: Is passed over, as are `weights`.
        pooling: As in `new_classifier`.
        weights: The units' weights are always the same.
        strength: As in `new_classifier`.
        seed: As in `new_classifier`.
        augment: A layer that augments, instead of the default one.
    """
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    x = images = keras.Input((*size, 3), name="image")
    if augment is None and strength:
        augment = augmentation(strength, seed=seed)
    if augment is not None:
        x = Augmentation([augment], name="augmentation")(x)
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name=PREPROCESSING_NAME)(x)
    local = x
    common = np.full(3, 0.25, np.float32)  # of a light grey image
    for number, (name, stride) in enumerate(UNITS):
        x, common = _unit(x, common, name, stride, number)
        local = x if name == "block_13_expand" else local
    x = add_head(
        x,
        local,
        num_classes,
        pooling=pooling or "average",
        dropout=dropout,
        seed=seed,
    )
    return set_unfreeze_depth(keras.Model(images, x, name="standin"), unfreeze_depth)


def _unit(
    x: keras.KerasTensor, common: np.ndarray, name: str, stride: int, number: int
) -> tuple[keras.KerasTensor, np.ndarray]:
    """Adds a unit; returns its output, and what it puts out for an image without any structure.

    The normalization takes away what all images have in common, so that they differ by much.
    """
    stem = {"Conv1": "bn_Conv1", "Conv_1": "Conv_1_bn"}
    channels = TOP_CHANNELS if name == "Conv_1" else CHANNELS
    convolution = keras.layers.Conv2D(
        channels,
        3 if stride > 1 else 1,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.HeNormal(number),
        name=name,
    )
    normalization = keras.layers.BatchNormalization(name=stem.get(name, f"{name}_BN"))
    y = normalization(convolution(x))
    random = np.random.default_rng(number)
    gamma, beta = random.uniform(0.8, 1.2, channels), random.uniform(-0.2, 0.5, channels)
    mean = common @ convolution.get_weights()[0].sum((0, 1))
    # Sparse and small at the top, so that a new head is not sure of what all images share.
    scale, shift = (0.5, -0.6) if name == "Conv_1" else (1.0, 0.0)
    variance = random.uniform(0.4, 0.8, channels)
    normalization.set_weights([scale * gamma, beta + shift, mean, variance])
    relu = keras.layers.ReLU(6.0, name="out_relu" if name == "Conv_1" else f"{name}_relu")
    return relu(y), np.maximum(beta, 0).astype(np.float32)
