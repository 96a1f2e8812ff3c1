"""A small lively model and a small data set that it can learn."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.models import mobilenet_v2_classifier

SIZE = 32


def enliven(model: keras.Model) -> list[np.ndarray]:
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


@pytest.fixture(scope="session")
def make_model() -> Callable[..., keras.Model]:
    """Makes the same untrained model at each call: `make_model(unfreeze_depth, augmentation=…)`."""
    weights: list[np.ndarray] = []

    def make(unfreeze_depth: int = 0, **options: object) -> keras.Model:
        keras.utils.set_random_seed(0)
        settings = {"alpha": 0.35, "weights": None, "dropout": 0.2, "seed": 0, **options}
        model = mobilenet_v2_classifier((SIZE, SIZE), unfreeze_depth=unfreeze_depth, **settings)
        if not weights:
            weights.extend(enliven(model))
        model.set_weights(weights)
        return model

    return make


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
