"""Probabilities that mean what they say."""

import math
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="crackdet")
class TemperatureScaling(keras.layers.Layer):
    """Divides logits by one temperature T > 0, before the softmax.

    The simplest calibration of a network (Guo et al., "On calibration of modern neural networks",
    ICML 2017): above 1, T softens overconfident probabilities; the order of the classes stays.
    T is fitted on validation data, after training, with everything else frozen: it is kept as
    log T, a weight that only `trainable=True` lets `fit` change.

    Args:
        temperature: T to start from, above 0.
        trainable: Whether `fit` learns T.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        Logits of any shape, `(..., classes)`, or of one class, `(..., 1)`, before a sigmoid.

    Output shape:
        That of the input, in the layer's compute dtype.

    Raises:
        ValueError: If `temperature` is not a finite number above 0.

    Example:

    >>> logits = keras.ops.array([[2.0, 0.0]])
    >>> probabilities = keras.ops.softmax(TemperatureScaling(2.0)(logits))
    >>> keras.ops.convert_to_numpy(probabilities).tolist()
    [[0.731..., 0.268...]]
    """

    def __init__(self, temperature: float = 1.0, trainable: bool = False, **kwargs: Any) -> None:
        super().__init__(trainable=trainable, **kwargs)
        if not 0 < temperature < math.inf:
            raise ValueError(
                "`temperature` must be a finite number above 0. "
                f"Received: temperature={temperature!r}"
            )
        self.temperature = temperature

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # Without autocast: in float16, log T would be off in the fourth digit.
        self.log_temperature = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(math.log(self.temperature)),
            autocast=False,
            name="log_temperature",
        )
        self.built = True

    def call(self, logits: Any) -> Any:
        scaled = keras.ops.cast(logits, "float32") * keras.ops.exp(-self.log_temperature)
        return keras.ops.cast(scaled, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}
