"""Turns, mirror images and zooms in one resampling."""

import math
from typing import Any

import keras

from crackdet.layers.random_image_layer import RandomImageLayer


@keras.saving.register_keras_serializable(package="crackdet")
class RandomSimilarity(RandomImageLayer):
    """Turns, mirrors and zooms each image about its middle: one of the similarity transformations.

    One of the 8 symmetries of the square, a small turn and a small zoom, in one bilinear
    interpolation: several layers in a row would blur hairlines more, and take as many times longer.
    What lies beyond the image's edges is its mirror image, so that no black corner can be learned.

    Images that are not square get the four symmetries that keep any shape: as is, mirrored either
    way, turned by 180°.

    Args:
        turn: Turns are drawn from [-turn, turn], in degrees; from 0 to 180.
        zoom: Sizes are drawn from 1 / [1 - zoom, 1 + zoom]; in [0, 1).
        seed: Integer for random draws that repeat to the bit, or None.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        `(batch, height, width, channels)` or `(height, width, channels)`, integer or float. Height
        and width are known beforehand.

    Output shape:
        That of the input, and its dtype (integers: rounded; floats: the layer's compute dtype).

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> images = np.full((4, 96, 96, 3), 120, "uint8")
    >>> turned = RandomSimilarity(turn=10, zoom=0.1, seed=1)(images, training=True)
    >>> bool(keras.ops.all(turned == images))
    True
    """

    moves_pixels = True

    def __init__(
        self, turn: float = 10.0, zoom: float = 0.1, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        if not 0 <= turn <= 180:
            raise ValueError(f"`turn` must be from 0 to 180 degrees. Received: turn={turn!r}")
        if not 0 <= zoom < 1:
            raise ValueError(f"`zoom` must be in [0, 1). Received: zoom={zoom!r}")
        self.turn = turn
        self.zoom = zoom
        # TensorFlow's XLA knows no resampling of images.
        self.supports_jit = keras.backend.backend() != "tensorflow"

    def augment(self, images: Any) -> Any:
        dtype = keras.backend.standardize_dtype(images.dtype)
        height, width = images.shape[1:3]
        turned = keras.ops.image.affine_transform(
            keras.ops.cast(images, "float32"),
            self._transforms(keras.ops.shape(images)[0], height, width),
            interpolation="bilinear",
            fill_mode="reflect",
            data_format="channels_last",
        )
        return keras.ops.cast(keras.ops.round(turned) if "int" in dtype else turned, dtype)

    def _transforms(self, batch: Any, height: int, width: int) -> Any:
        """Where each pixel comes from, `(batch, 8)`, as Keras' `affine_transform` has it."""
        draws = keras.random.uniform((batch, 5), seed=self.seed_generator)
        angle = math.radians(self.turn) * (2 * draws[:, 0] - 1)
        size = 1 + self.zoom * (2 * draws[:, 1] - 1)
        cos, sin = size * keras.ops.cos(angle), size * keras.ops.sin(angle)
        matrix = keras.ops.reshape(keras.ops.stack([cos, -sin, sin, cos], axis=1), (-1, 2, 2))
        # Three fair coins make the eight symmetries alike likely.
        coins = draws[:, 2:] < 0.5
        matrix = matrix * (1 - 2 * keras.ops.cast(coins[:, None, :2], "float32"))
        if height == width:
            matrix = keras.ops.where(coins[:, 2:, None], keras.ops.flip(matrix, axis=2), matrix)
        middle = keras.ops.convert_to_tensor([[(width - 1) / 2], [(height - 1) / 2]], "float32")
        rows = keras.ops.concatenate([matrix, middle - keras.ops.matmul(matrix, middle)], axis=2)
        return keras.ops.pad(keras.ops.reshape(rows, (-1, 6)), [(0, 0), (0, 2)])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "turn": self.turn, "zoom": self.zoom}
