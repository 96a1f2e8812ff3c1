"""Tiny data and models that several folders of tests train on."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.models import mobilenet_v2_classifier
from tests.standin import standin_classifier

SIZE = 32


def part(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise, with a dark bar across half of the images."""
    rng = np.random.default_rng(seed)
    images = rng.integers(120, 200, (count, SIZE, SIZE, 3), dtype=np.uint8)
    labels = np.arange(count) % 2
    images[labels == 1, :, 12:18] = 20
    return images, labels


@pytest.fixture(scope="session")
def data() -> CrackData:
    return CrackData.from_arrays(
        train=part(70, 0), validation=part(20, 1), test=part(18, 2), batch_size=16
    )


@pytest.fixture(scope="session")
def make_model() -> Callable[..., keras.Model]:
    """Makes the same stand-in at each call: `make_model(unfreeze_depth, augmentation=…)`."""

    def make(
        unfreeze_depth: int = 0, augmentation: keras.Layer | None = None, **options: object
    ) -> keras.Model:
        return standin_classifier(
            SIZE, unfreeze_depth=unfreeze_depth, augment=augmentation, **options
        )

    return make


@pytest.fixture(scope="session")
def make_mobilenet() -> Callable[..., keras.Model]:
    """Makes the same untrained MobileNetV2, lively enough to tell images apart."""
    weights: list[np.ndarray] = []

    def make(unfreeze_depth: int = 0, **options: object) -> keras.Model:
        keras.utils.set_random_seed(0)
        settings = {"alpha": 0.35, "weights": None, "dropout": 0.2, "seed": 0, **options}
        model = mobilenet_v2_classifier((SIZE, SIZE), unfreeze_depth=unfreeze_depth, **settings)
        if not weights:
            weights.extend(_enliven(model))
        model.set_weights(weights)
        return model

    return make


def _enliven(model: keras.Model) -> list[np.ndarray]:
    """Returns weights under which every image has features of its own.

    Untrained, images come out nearly alike; so batch normalization takes its statistics from them.
    """
    images, _ = part(70, 0)
    normalizations = [
        layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)
    ]
    for layer in normalizations:
        layer.trainable, layer.momentum = True, 0.0
    model(images, training=True)
    for layer in normalizations:
        layer.trainable, layer.momentum = False, 0.999
    return model.get_weights()
