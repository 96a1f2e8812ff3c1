"""The scores of validation that a model was calibrated on, kept beside it in a few kilobytes.

Another threshold than the model's own can then be chosen without the images: one that finds 99 %
of the cracks, or one that raises an alarm on 1 % of the sound patches.
"""

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from crackdet.errors import CrackdetError

# Logits are kept in whole steps: a probability moves by 0.00025 at most.
STEP = 1 / 1024
# Beyond this logit float32 probabilities cannot be told from 1, and nobody needs them below.
END = 17 * 1024


@dataclass(frozen=True)
class ValidationScores:
    """Sorted logits of calibrated scores by class, in whole steps of `STEP` from `-END` to `END`.

    Rounded so that no choice made from them promises too much: those of cracked images down, those
    of sound ones up.

    Attributes:
        chosen_on: What the images were, in words.
        negative: Of sound images, int64, ascending.
        positive: Of cracked images, int64, ascending.

    Example:

    >>> stored = ValidationScores.of([0, 0, 1], [0.1, 0.2, 0.9], "validation").stored()
    >>> ValidationScores.read(stored).positive
    array([2249])
    """

    chosen_on: str
    negative: NDArray[np.int64]
    positive: NDArray[np.int64]

    @classmethod
    def of(cls, labels: ArrayLike, scores: ArrayLike, chosen_on: str) -> "ValidationScores":
        """Returns what is kept of scores.

        Args:
            labels: Integers of shape `(n,)`, 0 or 1.
            scores: Calibrated probabilities of the positive class, shape `(n,)`.
            chosen_on: What the images were, in words.
        """
        y, s = np.asarray(labels), np.asarray(scores, np.float64)
        with np.errstate(divide="ignore"):
            steps = np.clip(logit(s) / STEP, -END, END)
        return cls(
            chosen_on,
            np.sort(np.ceil(steps[y == 0]).astype(np.int64)),
            np.sort(np.floor(steps[y == 1]).astype(np.int64)),
        )

    def stored(self) -> dict[str, str]:
        """Returns the scores as they stand in a JSON file."""
        return {
            "chosen_on": self.chosen_on,
            "negative": _packed(self.negative),
            "positive": _packed(self.positive),
        }

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "ValidationScores":
        """Returns what `stored` has made, from a file.

        Raises:
            CrackdetError: If it is broken.
        """
        try:
            negative, positive = _unpacked(stored["negative"]), _unpacked(stored["positive"])
            return cls(str(stored["chosen_on"]), negative, positive)
        except (TypeError, KeyError, ValueError, zlib.error) as error:
            raise CrackdetError(
                f"the validation scores beside the model are broken ({error}): copy the model's "
                "record again, or say the threshold yourself."
            ) from error


def _packed(steps: NDArray[np.int64]) -> str:
    # Differences of sorted numbers are small, and many are alike.
    differences = np.diff(steps, prepend=-END).astype("<u2")
    return base64.b64encode(zlib.compress(differences.tobytes(), 9)).decode("ascii")


def _unpacked(text: str) -> NDArray[np.int64]:
    differences = np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), "<u2")
    return np.cumsum(differences, dtype=np.int64) - END
