"""A calibration temperature, folded into a classifier's head."""

import math
from numbers import Real

import keras

from crackdet.models.units import HEAD_NAME


def scale_logits(model: keras.Model, temperature: float) -> keras.Model:
    """Divides a classifier's logits by a temperature (Guo et al., ICML 2017).

    The head's kernel and bias are divided, so softmax(z) becomes softmax(z / T) with no layer
    more. The order of the classes, and so every decision at equal odds, stays.

    Args:
        model: A model of `mobilenet_v2_classifier`, changed in place.
        temperature: T > 0; above 1 it softens overconfident probabilities. Fit it on validation.

    Returns:
        The same model.

    Raises:
        ValueError: If `temperature` is not a finite number above 0.

    Example:

    >>> model = mobilenet_v2_classifier((96, 96), weights=None)
    >>> scale_logits(model, 1.5).name
    'mobilenet_v2_classifier'
    """
    if not isinstance(temperature, Real) or not 0 < temperature < math.inf:
        raise ValueError(
            f"`temperature` must be a finite number above 0. Received: temperature={temperature!r}"
        )
    head = model.get_layer(HEAD_NAME)
    head.set_weights([weight / temperature for weight in head.get_weights()])
    return model
