"""The symmetries of the square, drawn at random."""

from typing import Any

import keras

from crackdet.layers.random_image_layer import RandomImageLayer


@keras.saving.register_keras_serializable(package="crackdet")
class RandomDihedral(RandomImageLayer):
    """Turns and mirrors each image by one of the 8 symmetries of the square.

    A crack seen from any side is a crack, so all eight views are alike likely. Pixels are moved,
    never interpolated, and no corner is left to fill, unlike after a rotation by other angles.

    Images that are not square, or whose height or width is not known when the graph is built, get
    the four symmetries that keep any shape: as is, mirrored either way, turned by 180°.

    Args:
        seed: Integer for random draws that repeat to the bit, or None.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        `(batch, height, width, channels)` or `(height, width, channels)`, integer or float.

    Output shape:
        That of the input, and its dtype (floats: the layer's compute dtype).

    Example:

    >>> images = np.random.randint(0, 256, (4, 96, 96, 3), "uint8")
    >>> turned = RandomDihedral(seed=1)(images, training=True)
    >>> bool(keras.ops.all(keras.ops.sum(turned, (1, 2)) == keras.ops.sum(images, (1, 2))))
    True
    """

    moves_pixels = True

    def augment(self, images: Any) -> Any:
        batch, height, width = keras.ops.shape(images)[:3]
        # Three fair coins make the eight symmetries alike likely.
        coins = keras.random.uniform((3, batch), seed=self.seed_generator) < 0.5
        images = _choose(coins[0], keras.ops.flip(images, axis=1), images)
        images = _choose(coins[1], keras.ops.flip(images, axis=2), images)
        if isinstance(height, int) and height == width:
            images = _choose(coins[2], keras.ops.transpose(images, (0, 2, 1, 3)), images)
        return images


def _choose(coins: Any, heads: Any, tails: Any) -> Any:
    """Takes image i from `heads` where coin i is True, else from `tails`.

    As `keras.ops.where`, which TensorFlow's broadcasting makes several times slower.
    """
    batch = keras.ops.shape(tails)[0]
    rows = keras.ops.arange(batch, dtype="int32") + batch * keras.ops.cast(coins, "int32")
    return keras.ops.take(keras.ops.concatenate([tails, heads]), rows, axis=0)
