"""Pooling between the mean and the maximum."""

import math
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="crackdet")
class GeneralizedMeanPooling2D(keras.layers.Layer):
    """Pools each channel by its generalized mean with a learned exponent (GeM).

    `y = mean(max(x, 1e-6) ** p) ** (1 / p)` over height and width (Radenović, Tolias and Chum,
    "Fine-tuning CNN image retrieval with no human annotation", TPAMI 2018). p = 1 is the average of
    the positive part; towards infinity it becomes the maximum, so a crack that crosses few cells of
    the feature map is not averaged away.

    Args:
        p: The exponent to start from, above 0. It is learned unless `trainable=False`, as log p, so
            that it stays above 0.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras' setting.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `trainable`.

    Input shape:
        `(batch, height, width, channels)`, or `(batch, channels, height, width)` channels-first.

    Output shape:
        `(batch, channels)`, float, the layer's compute dtype.

    Raises:
        ValueError: If `p` or `data_format` is not one of the above.

    Example:

    >>> features = keras.random.uniform((4, 7, 7, 320))
    >>> tuple(GeneralizedMeanPooling2D()(features).shape)
    (4, 320)
    """

    def __init__(self, p: float = 3.0, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 < p < math.inf:
            raise ValueError(f"`p` must be a finite number above 0. Received: p={p!r}")
        data_format = data_format or keras.config.image_data_format()
        if data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                "`data_format` must be 'channels_last' or 'channels_first'. "
                f"Received: data_format={data_format!r}"
            )
        self.p = p
        self.data_format = data_format
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # Without autocast: in float16, log p would be off in the fourth digit.
        self.log_p = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(math.log(self.p)),
            autocast=False,
            name="log_p",
        )
        self.built = True

    def call(self, features: Any) -> Any:
        axes = (1, 2) if self.data_format == "channels_last" else (2, 3)
        p = keras.ops.exp(self.log_p)
        # In float32 and relative to the largest value, so that no power over- or underflows.
        x = keras.ops.maximum(keras.ops.cast(features, "float32"), 1e-6)
        largest = keras.ops.max(x, axis=axes, keepdims=True)
        mean = keras.ops.mean((x / largest) ** p, axis=axes)
        pooled = keras.ops.squeeze(largest, axes) * mean ** (1 / p)
        return keras.ops.cast(pooled, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        channel_axis = 3 if self.data_format == "channels_last" else 1
        return (input_shape[0], input_shape[channel_axis])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "p": self.p, "data_format": self.data_format}
