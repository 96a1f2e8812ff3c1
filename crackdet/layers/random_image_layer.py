"""What every random layer for images shares."""

from typing import Any

import keras


class RandomImageLayer(keras.layers.Layer):
    """Base of layers that change each image of a batch at random, in training only.

    A subclass implements `augment(images)` on a batch; this class keeps the random state, takes
    single images too, and hands the images through untouched when `training=False`. Like those of
    Keras, the layers augment unless told otherwise, so that `dataset.map(layer)` does.

    Args:
        seed: Integer for random draws that repeat to the bit (0 is a seed like any other), or None.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        `(batch, height, width, channels)` or `(height, width, channels)`, integer or float. Inside
        `tf.data`, the TensorFlow backend is needed.

    Output shape:
        That of the input. Integers keep their dtype; floats take the layer's compute dtype.

    Attributes:
        moves_pixels: Whether what `augment` does moves pixels, and so a mask of the images too; one
            that does takes any number of channels. None where that is not said.
    """

    moves_pixels: bool | None = None

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def augment(self, images: Any) -> Any:
        """Changes a batch `(batch, height, width, channels)`; keeps its shape and dtype."""
        raise NotImplementedError

    def call(self, images: Any, training: bool | None = True) -> Any:
        if not training:
            return images
        if len(images.shape) == 3:
            return keras.ops.squeeze(self.augment(keras.ops.expand_dims(images, 0)), 0)
        return self.augment(images)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def compute_output_spec(self, images: Any, training: bool | None = True) -> Any:
        if len(images.shape) not in (3, 4):
            raise ValueError(
                f"{type(self).__name__} takes images (height, width, channels) or batches of them. "
                f"Received: shape {images.shape}"
            )
        return keras.KerasTensor(images.shape, images.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}
