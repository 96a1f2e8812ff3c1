"""Another threshold than a model's own, from the validation scores that stand beside it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from crackdet.errors import CrackdetError
from crackdet.models.validation_scores import END, STEP, ValidationScores


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it does on the images that it was chosen on.

    Attributes:
        threshold: In [0, 1]; an image raises an alarm when `score >= threshold`.
        recall: Share of the cracked images that reach it.
        false_alarm_rate: Share of the sound images that reach it.
        source: Where it comes from, in words.
    """

    threshold: float
    recall: float
    false_alarm_rate: float
    source: str


def operating_point(
    scores: ValidationScores, *, recall: float | None = None, false_alarm_rate: float | None = None
) -> OperatingPoint:
    """Returns the threshold that keeps a promise on validation and costs the least beside it.

    For `recall`: of all thresholds that find at least this share of the cracks, those with the
    fewest false alarms. For `false_alarm_rate`: of all that raise an alarm on at most this share of
    the sound images, those that find the most cracks. They form an interval from the score of a
    sound image to that of a cracked one; its middle on the logit scale is taken. On other images it
    keeps the promise as well as these are like validation.

    Args:
        scores: What the model stores.
        recall: The least share of the cracks, above 0 and at most 1; or
        false_alarm_rate: the largest share of the sound images, 0 to 1. One of both.

    Returns:
        An `OperatingPoint`.

    Raises:
        CrackdetError: If too many sound images score 1 for any threshold.
        ValueError: If not just one is given, it is out of range or its class has no image.

    Example:

    >>> scores = ValidationScores.of([0, 0, 1, 1], [0.1, 0.5, 0.4, 0.9], "validation")
    >>> point = operating_point(scores, recall=0.5)
    >>> round(point.threshold, 2), point.recall, point.false_alarm_rate
    (0.75, 0.5, 0.0)
    """
    negative, positive = scores.negative, scores.positive
    if (recall is None) == (false_alarm_rate is None):
        raise ValueError(
            "Give `recall` or `false_alarm_rate`, one of both. "
            f"Received: recall={recall!r}, false_alarm_rate={false_alarm_rate!r}"
        )
    if recall is not None:
        _check(recall, "recall", positive, lowest_is_open=True)
        needed = int(np.ceil(recall * positive.size - 1e-9))
        high = positive[positive.size - needed]
        below = negative[negative < high]
        low = below[-1] if below.size else None
        asked = f"--recall {recall:g}"
    else:
        assert false_alarm_rate is not None
        _check(false_alarm_rate, "false_alarm_rate", negative)
        allowed = int(np.floor(false_alarm_rate * negative.size + 1e-9))
        low = negative[negative.size - allowed - 1] if allowed < negative.size else None
        if low is not None and low >= END:
            raise CrackdetError(
                f"no threshold keeps false alarms at {false_alarm_rate:g}: {allowed + 1} or more "
                f"of the {negative.size} sound images of {scores.chosen_on} score 1. Allow more."
            )
        above = positive if low is None else positive[positive > low]
        high = above[0] if above.size else None
        asked = f"--false-alarm-rate {false_alarm_rate:g}"
    place = _between(low, high)
    found, alarms = np.mean(positive >= place), np.mean(negative >= place)
    return OperatingPoint(
        0.0 if place <= -END else _as_score(expit(place * STEP)),
        float(found),
        float(alarms),
        f"{asked}: of the {scores.chosen_on} scores that the model stores it finds {found:.1%} of "
        f"{positive.size:,} cracked images, with alarms on {alarms:.1%} of {negative.size:,} "
        "sound ones",
    )


def _check(share: float, name: str, steps: NDArray[np.int64], lowest_is_open: bool = False) -> None:
    if not (0 < share <= 1 or (share == 0 and not lowest_is_open)):
        low = "above 0" if lowest_is_open else "0"
        raise ValueError(f"`{name}` must be from {low} to 1. Received: {name}={share!r}")
    if not steps.size:
        raise ValueError(f"`{name}` needs images of its class, of which there are none.")


def _as_score(threshold: float) -> float:
    """The least float32 from a threshold up: scores are float32, and NumPy compares as such."""
    nearest = np.float32(threshold)
    return float(nearest if float(nearest) >= threshold else np.nextafter(nearest, np.float32(1)))


def _between(low: int | None, high: int | None) -> float:
    """Returns a place above one score and not above another one; None stands for no score."""
    if low is None:
        return float(-END if high is None else high)
    # Just above, and below the next step: no image is in between.
    return low + 0.5 if high is None else (low + high) / 2
