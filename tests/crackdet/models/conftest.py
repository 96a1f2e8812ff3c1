"""Small classifiers whose BatchNormalization has work to do."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

from crackdet.models import mobilenet_v2_classifier
from crackdet.models.units import backbone


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """Eight images of noise on grey, of contrasts from faint to full, `(8, 64, 64, 3)` uint8."""
    rng = np.random.default_rng(0)
    contrast = np.linspace(5, 120, 8).reshape(8, 1, 1, 1)
    return np.clip(rng.normal(128, contrast, (8, 64, 64, 3)), 0, 255).astype("uint8")


@pytest.fixture(scope="session")
def make_classifier(images) -> Callable[..., keras.Model]:
    """Builds the narrowest classifier for 64 px, equal random weights each time.

    Fresh BatchNormalization has mean 0 and variance 1, under which the activations of a deep
    random network shrink to nothing and every prediction is 0.5. So its statistics are taken
    from `images`, once, and gamma and beta are drawn at random.
    """
    calibrated: list[np.ndarray] = []

    def calibrate(model: keras.Model) -> None:
        rng = np.random.default_rng(0)
        for layer in _normalizations(model):
            layer.gamma.assign(rng.uniform(0.7, 1.3, layer.gamma.shape))
            layer.beta.assign(rng.normal(0.3, 0.3, layer.beta.shape))
            layer.trainable, layer.momentum = True, 0.0
        model(images, training=True)
        for layer in _normalizations(model):
            layer.trainable, layer.momentum = False, 0.999
        calibrated.extend(backbone(model).get_weights())

    def make(image_size: int = 64, **kwargs) -> keras.Model:
        keras.utils.set_random_seed(0)
        arguments = {"alpha": 0.35, "weights": None, "seed": 0, **kwargs}
        if not calibrated:
            calibrate(mobilenet_v2_classifier(64, alpha=0.35, weights=None))
        model = mobilenet_v2_classifier(image_size, **arguments)
        backbone(model).set_weights(calibrated)
        return model

    return make


def _normalizations(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
