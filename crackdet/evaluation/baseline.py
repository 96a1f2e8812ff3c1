"""The trivial baseline: one threshold on the contrast of the image.

A crack is dark on light, so on clean concrete a patch with a crack varies more than one without.
A model is worth its cost only by what it adds to this.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crackdet.evaluation.filters import CONTRAST, filter_scores
from crackdet.evaluation.threshold import cheapest_threshold

if TYPE_CHECKING:  # Importing it would load Keras.
    from crackdet.data import ImageSplit


def baseline_scores(split: "ImageSplit") -> NDArray[np.float64]:
    """Returns the standard deviation of each image's grey values.

    Args:
        split: A `crackdet.data.ImageSplit` of n images.

    Returns:
        Standard deviations of shape `(n,)`, in grey levels (0 to 127.5); grey is the mean of the
        three channels.

    Example:

    >>> data = crackdet.load_data("demo")
    >>> baseline_scores(data.test)
    """
    return filter_scores(split, [CONTRAST])[CONTRAST]


def fit_baseline(split: "ImageSplit") -> dict[str, Any]:
    """Returns the contrast threshold with the fewest errors on a split, meant to be train.

    Args:
        split: A `crackdet.data.ImageSplit` with both classes.

    Returns:
        `{"threshold": grey levels, "direction": "above" or "below"}`: the side of the threshold
        on which images are called positive.

    Raises:
        ValueError: If a class is absent.

    Example:

    >>> data = crackdet.load_data("demo")
    >>> fit_baseline(data.train)["direction"]
    'above'
    """
    return fit_contrast(np.asarray(split.labels, np.int64), baseline_scores(split))


def fit_contrast(y: NDArray[np.int64], deviations: NDArray[np.float64]) -> dict[str, Any]:
    """The rule of `fit_baseline` for labels and standard deviations, both of shape `(n,)`."""
    fits = {}
    for direction in ("above", "below"):
        s = oriented(deviations, direction)
        # Counted, not expected: train has images enough, and a contrast is no probability that a
        # fit could start from.
        threshold = cheapest_threshold(y, s, miss_cost=1.0, lowest=float(s.min()))
        fits[direction] = int(np.sum((s >= threshold) != y)), threshold
    direction = min(fits, key=lambda name: fits[name][0])
    return {"threshold": abs(fits[direction][1]), "direction": direction}


def contrast_alarms(
    deviations: NDArray[np.float64], baseline: Mapping[str, Any]
) -> NDArray[np.bool_]:
    """Returns which images the threshold on contrast calls positive.

    Args:
        deviations: What `baseline_scores` returned for n images.
        baseline: What `fit_baseline` returned, for these images or others.

    Returns:
        Booleans of shape `(n,)`.

    Example:

    >>> contrast_alarms(np.array([5.0, 20.0]), {"threshold": 9.0, "direction": "above"})
    array([False,  True])
    """
    direction = baseline["direction"]
    least = oriented(np.array(baseline["threshold"]), direction)
    return np.asarray(oriented(deviations, direction) >= least)


def oriented(deviations: NDArray[np.float64], direction: str) -> NDArray[np.float64]:
    """Returns deviations such that larger means more likely positive."""
    return deviations if direction == "above" else -deviations
