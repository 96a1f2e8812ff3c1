"""Arrays as pictures: shape and range are as documented, or the array is refused.

A network answers whatever it is given. An array in another range than it was trained on, or with
its axes in another order, gets a probability like any other, and a wrong one.
"""

import numpy as np
from numpy.typing import NDArray

from crackdet.errors import CrackdetError

# Interpolation leaves values a little outside of a range: of 0..255, and of 0..1.
_OVERSHOOT = 0.5
_SCALED = 2.0


def as_pixels(array: NDArray, name: str) -> NDArray[np.uint8]:
    """Returns an array of one picture or several as pixels.

    Args:
        array: Shape `(height, width, 3)` or `(images, height, width, 3)`, RGB, integers or floats
            from 0 to 255; floats are rounded.
        name: What the message calls it.

    Returns:
        uint8 `(images, height, width, 3)`.

    Raises:
        CrackdetError: If shape, type or range are others. Floats of which none exceeds 1 are
            refused, for they are scaled or preprocessed; integers may be as dark as they are.
    """
    _check_shape(array.shape, name)
    if array.dtype != np.uint8:
        _check_values(array, name)
        array = np.clip(np.rint(array), 0, 255).astype(np.uint8)
    return array if array.ndim == 4 else array[None]


def _check_shape(shape: tuple[int, ...], name: str) -> None:
    if len(shape) in (3, 4) and shape[-1] == 3 and 0 not in shape[-3:]:
        return
    if len(shape) == 2 or shape[-1:] == (1,):
        remedy = "a grey picture needs its channel three times, np.stack([grey] * 3, axis=-1)"
    elif shape[-3:-2] == (3,):
        remedy = "put the channels last, np.moveaxis(array, -3, -1)"
    elif shape[-1:] == (4,):
        remedy = "leave out the fourth channel, array[..., :3]"
    else:
        remedy = "give one picture, or pictures of one size"
    raise CrackdetError(
        f"{name} has the shape {shape}, expected (height, width, 3) or (images, height, width, 3) "
        f"in RGB: {remedy}."
    )


def _check_values(array: NDArray, name: str) -> None:
    """Raises unless values are numbers that can be those of a picture in 0..255."""
    kind = array.dtype.kind
    if kind not in "iuf":
        raise CrackdetError(f"{name} holds {array.dtype}, expected numbers from 0 to 255.")
    if array.size == 0:
        return
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise CrackdetError(
            f"{name} holds NaN or infinite values, expected numbers from 0 to 255: find out where "
            "they come from."
        )
    span = f"{low:.4g} to {high:.4g}"
    if kind == "f" and low >= -_SCALED and high <= _SCALED:
        scaled = "multiply by 255" if low >= -0.01 else "undo it"
        raise CrackdetError(
            f"{name} holds floats from {span}, scaled or preprocessed already, expected 0 to 255: "
            f"the model does that itself, so {scaled}."
        )
    if low < -_OVERSHOOT or high > 255 + _OVERSHOOT:
        raise CrackdetError(
            f"{name} holds values from {span}, expected 0 to 255: scale them to 8 bits, without "
            "preprocessing."
        )
