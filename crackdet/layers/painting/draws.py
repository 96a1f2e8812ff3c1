"""Random numbers that belong to an image, wherever and beside whatever it is painted."""

import math
import zlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

# The multipliers of the 32-bit hash "lowbias32" by Chris Wellons (Hash Prospector, 2018).
_FIRST, _SECOND = 0x7FEB352D, 0x846CA68B - 2**32
_MANTISSA = 23


class Draws:
    """Random numbers of each image of a batch, functions of the image's key alone.

    Not of the image's neighbours, nor of the batch size, nor of the backend: a hash of (key, draw,
    element) by 32-bit integers that wrap around, as counter-based generators do (Salmon et al.,
    2011, "Parallel random numbers: as easy as 1, 2, 3"). Draws from one object follow each other;
    `fork` gives an independent stream by name, so that one more draw in one place changes none
    elsewhere.

    Args:
        keys: int32 tensor `(batch, 2)`, any values.

    Example:

    >>> draws = Draws(keras.ops.convert_to_tensor([[1, 2], [3, 4]], "int32"))
    >>> widths = draws.fork("width").log_uniform(0.5, 10.0)
    >>> widths.shape[0]
    2
    """

    def __init__(self, keys: Any) -> None:
        self.keys = keys
        self._drawn = 0

    def fork(self, name: str) -> "Draws":
        """Returns the independent stream of this name; the same each time that it is asked for."""
        return Draws(_mix(keras.ops.bitwise_xor(self.keys, _words(zlib.crc32(name.encode()), 2))))

    def bits(self, shape: Sequence[int] = ()) -> Any:
        """Draws all 32 bits of int32 numbers `(batch, *shape)`."""
        self._drawn += 1
        # Other than any fork's: those hash 32 bits, this one counts from 1 in another order.
        keys = _mix(keras.ops.bitwise_xor(self.keys, _words(-self._drawn, 2)))
        first, second = keys[:, :1], keys[:, 1:]
        elements = _words(0, math.prod(shape))
        bits = _mix(keras.ops.bitwise_xor(first, elements), second)
        return keras.ops.reshape(bits, (-1, *shape))

    def uniform(self, low: Any = 0.0, high: Any = 1.0, shape: Sequence[int] = ()) -> Any:
        """Draws float32 numbers `(batch, *shape)` from between `low` and `high`, without these.

        Args:
            low: Number or tensor that broadcasts to `(batch, *shape)`.
            high: Likewise.
            shape: Shape of one image's draws.
        """
        mantissa = _shifted(self.bits(shape), 32 - _MANTISSA)
        # The middle of each step, so that neither 0 nor 1 comes out and a logarithm is finite.
        unit = (keras.ops.cast(mantissa, "float32") + 0.5) * 2.0**-_MANTISSA
        if isinstance(low, float) and isinstance(high, float):
            return unit if (low, high) == (0.0, 1.0) else unit * (high - low) + low
        low = keras.ops.convert_to_tensor(low, "float32")
        return low + unit * (keras.ops.convert_to_tensor(high, "float32") - low)

    def log_uniform(self, low: Any, high: Any, shape: Sequence[int] = ()) -> Any:
        """Draws numbers whose logarithm is uniform. See `uniform`; both bounds above 0."""
        return keras.ops.exp(self.uniform(_log(low), _log(high), shape))

    def normal(self, shape: Sequence[int] = ()) -> Any:
        """Draws float32 numbers `(batch, *shape)` of mean 0 and variance 1 (Box and Muller)."""
        unit = self.uniform(shape=(2, *shape))
        radius = keras.ops.sqrt(-2.0 * keras.ops.log(unit[:, 0]))
        return radius * keras.ops.cos(2.0 * math.pi * unit[:, 1])

    def chance(self, probability: Any, shape: Sequence[int] = ()) -> Any:
        """Draws float32 numbers `(batch, *shape)` that are 1 with this probability, else 0."""
        return keras.ops.cast(self.uniform(shape=shape) < probability, "float32")

    def choice(self, weights: Any, shape: Sequence[int] = ()) -> Any:
        """Draws int32 indices `(batch, *shape)`, each as often as its weight says.

        Args:
            weights: `(choices,)` or `(batch, choices)`, not all 0; they need not sum to 1.
            shape: Shape of one image's draws.
        """
        weights = keras.ops.convert_to_tensor(weights, "float32")
        weights = keras.ops.reshape(weights, (-1, *(1 for _ in shape), weights.shape[-1]))
        bounds = keras.ops.cumsum(weights, axis=-1)
        drawn = keras.ops.expand_dims(self.uniform(shape=shape), -1) * bounds[..., -1:]
        return keras.ops.sum(keras.ops.cast(drawn >= bounds[..., :-1], "int32"), axis=-1)


def _log(value: Any) -> Any:
    return math.log(value) if isinstance(value, int | float) else keras.ops.log(value)


def _shifted(bits: Any, places: int) -> Any:
    """The bits moved to the right with zeros behind: int32 itself would fill in its sign."""
    moved = keras.ops.right_shift(bits, places)
    return keras.ops.bitwise_and(moved, 2 ** (32 - places) - 1)


def _mix(bits: Any, second_key: Any = None) -> Any:
    """Hashes int32 numbers; where there is a second key, it joins between the two rounds."""
    bits = keras.ops.bitwise_xor(bits, _shifted(bits, 16)) * _FIRST
    bits = keras.ops.bitwise_xor(bits, _shifted(bits, 15))
    bits = (bits if second_key is None else bits + second_key) * _SECOND
    return keras.ops.bitwise_xor(bits, _shifted(bits, 16))


def _words(start: int, count: int) -> np.ndarray:
    """As many words as asked for that have nothing in common: `_mix` of a count, in NumPy."""
    words = np.arange(1, count + 1, dtype="uint32") * np.uint32(0x9E3779B9)
    words = words ^ np.uint32(start % 2**32)
    for shift, factor in ((16, _FIRST), (15, _SECOND % 2**32), (16, 1)):
        words = (words ^ (words >> np.uint32(shift))) * np.uint32(factor)
    return words.view("int32")
