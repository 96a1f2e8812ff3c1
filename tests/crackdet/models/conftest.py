"""Small classifiers whose BatchNormalization has work to do."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

from crackdet.models import mobilenet_v2_classifier


@pytest.fixture(scope="session")
def make_classifier() -> Callable[..., keras.Model]:
    """Builds the narrowest classifier for 64 px with random weights and random statistics.

    Fresh BatchNormalization has mean 0 and variance 1, under which the activations of a deep
    network shrink to nothing and every prediction is 0.5; these statistics are such that the
    activations keep their size.
    """

    def make(image_size: int = 64, **kwargs) -> keras.Model:
        arguments = {"alpha": 0.35, "weights": None, "seed": 0, **kwargs}
        model = mobilenet_v2_classifier(image_size, **arguments)
        rng = np.random.default_rng(0)
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                shape = layer.gamma.shape
                layer.gamma.assign(rng.uniform(0.7, 1.3, shape))
                layer.beta.assign(rng.normal(0.5, 0.5, shape))
                layer.moving_mean.assign(rng.normal(0, 0.2, shape))
                layer.moving_variance.assign(rng.uniform(0.05, 0.5, shape))
        return model

    return make


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """Eight images of noise on grey, of contrasts from faint to full, `(8, 64, 64, 3)` uint8."""
    rng = np.random.default_rng(0)
    contrast = np.linspace(5, 120, 8).reshape(8, 1, 1, 1)
    return np.clip(rng.normal(128, contrast, (8, 64, 64, 3)), 0, 255).astype("uint8")
