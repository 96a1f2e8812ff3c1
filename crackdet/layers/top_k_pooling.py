"""Pooling over the few positions that say most."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="crackdet")
class TopKPooling2D(keras.layers.Layer):
    """Pools each channel by the mean of its largest values, a share of all positions.

    Global max pooling takes one position, which noise can win; global average pooling takes all,
    in which a hairline is lost. Between them stands the mean of the largest few, as in multiple
    instance learning (Li and Vasconcelos, "Multiple instance learning for soft bags via top
    instances", CVPR 2015). Its gradient reaches the positions that were taken.

    Args:
        share: Share of the positions that is taken, above 0 and at most 1, rounded to whole ones
            and at least one: 8 of a map of 14x14 at 0.04. 1 is global average pooling.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras' setting.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch, height, width, channels)`, or `(batch, channels, height, width)` channels-first;
        height and width must be known.

    Output shape:
        `(batch, channels)`, float, the layer's compute dtype.

    Raises:
        ValueError: If `share` or `data_format` is not one of the above, or height or width is not
            known.

    Example:

    >>> crack_map = keras.random.normal((4, 14, 14, 1))
    >>> tuple(TopKPooling2D(share=0.04)(crack_map).shape)
    (4, 1)
    """

    def __init__(self, share: float = 0.04, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 < share <= 1:
            raise ValueError(f"`share` must be above 0 and at most 1. Received: share={share!r}")
        data_format = data_format or keras.config.image_data_format()
        if data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                "`data_format` must be 'channels_last' or 'channels_first'. "
                f"Received: data_format={data_format!r}"
            )
        self.share = share
        self.data_format = data_format
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        height, width = self._sides(input_shape)
        if height is None or width is None:
            raise ValueError(
                "TopKPooling2D takes a share of the positions of a map of known height and width. "
                f"Received: input of shape {tuple(input_shape)}"
            )
        self.built = True

    def call(self, features: Any) -> Any:
        ops = keras.ops
        height, width = self._sides(features.shape)
        if self.data_format == "channels_last":
            features = ops.transpose(features, (0, 3, 1, 2))
        # The static number of channels: with an unknown batch, only one -1 can stand for a size.
        values = ops.reshape(features, (-1, features.shape[1], height * width))
        count = max(1, round(self.share * height * width))
        # In float32, so that a sum over many positions loses nothing in half precision.
        largest, _ = ops.top_k(ops.cast(values, "float32"), count, sorted=False)
        return ops.cast(ops.mean(largest, axis=-1), self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        channel_axis = 3 if self.data_format == "channels_last" else 1
        return (input_shape[0], input_shape[channel_axis])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "share": self.share, "data_format": self.data_format}

    def _sides(self, shape: Any) -> tuple[Any, Any]:
        first = 1 if self.data_format == "channels_last" else 2
        return shape[first], shape[first + 1]
