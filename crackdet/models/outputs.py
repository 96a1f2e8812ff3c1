"""Whether what a model returns are probabilities."""

import numpy as np
from numpy.typing import NDArray

from crackdet.errors import CrackdetError

# Half-precision outputs of two classes add up to 1 within this.
_ROUNDING = 0.01


def check_probabilities(rows: NDArray[np.floating], name: str) -> None:
    """Raises unless each row holds probabilities that add up to 1.

    Raw logits would else pass for probabilities whenever they happen to lie near 0 and 1, and be
    compared with a threshold that means something else.

    Args:
        rows: A model's outputs, shape `(images, classes)`.
        name: What the message calls the model.

    Raises:
        CrackdetError: If a value is no number, lies outside of 0..1, or a row adds up to another
            sum.
    """
    inside = (rows >= -_ROUNDING) & (rows <= 1 + _ROUNDING)  # NaN is not
    wrong = ~(inside.all(axis=1) & (np.abs(rows.sum(axis=1) - 1) <= _ROUNDING))
    if wrong.any():
        first = ", ".join(f"{value:.4g}" for value in rows[np.argmax(wrong)])
        raise CrackdetError(
            f"{name} returns no probabilities, which lie in 0..1 and add up to 1 for each image, "
            f"but [{first}]: put a softmax at its end."
        )
