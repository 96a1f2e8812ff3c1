"""A head that is adapted to a new site by a few labelled patches, without forgetting the old ones.

The network below the head stays as it is, so that what a patch is to the head is computed once and
an adaptation is a convex problem of a second: logistic regression on the features, held near the
old head, with features replayed as the old training images had them.
"""

from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from crackdet.models import FeatureStatistics
from crackdet.models.units import HEAD_NAME

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# How far the new head's logits may go beyond what scaling and shifting the old ones does: about so
# many, as the standard deviation that is expected beforehand. The few patches of one site say too
# little to choose it anew for each: `examples/benchmarks/adapting.py --pseudo` compares strengths
# on sites that are made of validation patches.
STRENGTH = 2.0
# What is expected beforehand of the old logits' scale, around 1, and of their shift, around 0.
_SCALE, _SHIFT = 1.0, 3.0
# Features of each class that are drawn for the replay. Together they weigh as much as the patches.
REPLAYED = 128
# Channels that hardly vary would count most: each is taken to vary by this share of the mean one.
_LEAST_VARIANCE = 0.05
_MOST_STEPS, _MOST_HALVINGS, _SMALL = 60, 20, 1e-7


@dataclass(frozen=True)
class Head:
    """The linear layer before the softmax of two classes.

    Attributes:
        kernel: `(channels, 2)`.
        bias: `(2,)`.
    """

    kernel: Floats
    bias: Floats

    @classmethod
    def of(cls, model: keras.Model) -> "Head":
        """Returns a classifier's head.

        Raises:
            ValueError: If it has another number of classes than two.
        """
        kernel, bias = (
            np.asarray(each, np.float64) for each in model.get_layer(HEAD_NAME).get_weights()
        )
        if kernel.shape[1] != 2:
            raise ValueError(
                f"Only classifiers of two classes are adapted. Received: {kernel.shape[1]} classes"
            )
        return cls(kernel, bias)

    def put_into(self, model: keras.Model) -> None:
        """Gives a classifier this head."""
        weights = [each.astype(np.float32) for each in (self.kernel, self.bias)]
        model.get_layer(HEAD_NAME).set_weights(weights)

    def log_odds(self, features: ArrayLike) -> Floats:
        """Returns the log-odds of class 1 for features `(images, channels)`."""
        weights, shift = self.kernel[:, 1] - self.kernel[:, 0], self.bias[1] - self.bias[0]
        return np.asarray(features, np.float64) @ weights + shift

    def probabilities(self, features: ArrayLike) -> NDArray[np.float32]:
        """Returns the probabilities of both classes, float32 `(images, 2)`."""
        return class_probabilities(self.log_odds(features))


@dataclass(frozen=True)
class Adaptation:
    """What every fit of one adaptation shares; make it with `prepare`.

    Attributes:
        old: The head that is adapted.
        labels: Of the new patches, and then of what is replayed.
        weights: How much each counts.
        new: How many of them are new patches.
        old_odds: What the old head says of them.
        coordinates: Their features, standardized, in as many coordinates as there are rows at most;
            a typical row's have the length of the strength.
        axes: From a coordinate back to channels, `(coordinates, channels)`.
        centre: Features at which all coordinates are 0.
    """

    old: Head
    labels: Ints
    weights: Floats
    new: int
    old_odds: Floats
    coordinates: Floats
    axes: Floats
    centre: Floats

    def fit(self, rows: Ints) -> Head:
        """Returns the head that suits some of the new patches.

        Its log-odds are `scale * old + shift + change`: the change is linear in the standardized
        features, with a Gaussian prior whose standard deviation for a typical patch is the
        strength. The most probable values minimize the log loss of the patches, that of the replay,
        which weighs as much, and the squares that the priors give (Evgeniou & Pontil, "Regularized
        Multi-Task Learning", KDD 2004, hold a new model near the old one so; Li, Grandvalet &
        Davoine, ICML 2018, call it L2-SP).

        Args:
            rows: Which of the new patches.
        """
        chosen = np.concatenate([rows, np.arange(self.new, self.labels.size)])
        odds, coordinates = self.old_odds[chosen], self.coordinates[chosen]
        # Coefficients are in units of what is expected beforehand.
        columns = [_SCALE * odds, np.full(odds.size, _SHIFT), *coordinates.T]
        weights = self.weights[chosen]
        weights[rows.size :] *= rows.size / self.new
        found = _logistic(np.stack(columns, axis=1), self.labels[chosen], weights, odds)
        scale, shift = 1 + _SCALE * found[0], _SHIFT * found[1]
        change = found[2:] @ self.axes
        half = np.stack([-change, change], axis=1) / 2
        moved = shift - change @ self.centre
        return Head(
            scale * self.old.kernel + half,
            scale * self.old.bias + np.array([-moved, moved]) / 2,
        )


def class_probabilities(log_odds: Floats) -> NDArray[np.float32]:
    """Returns the probabilities of both classes for log-odds of class 1, float32 `(images, 2)`."""
    return np.stack([expit(-log_odds), expit(log_odds)], axis=1).astype(np.float32)


def prepare(
    old: Head,
    features: ArrayLike,
    labels: ArrayLike,
    statistics: FeatureStatistics | None = None,
    *,
    strength: float = STRENGTH,
    replayed: int = REPLAYED,
    seed: int = 0,
) -> Adaptation:
    """Returns what the fits of an adaptation share.

    Args:
        old: The head that is adapted.
        features: What it takes of the new patches, `(patches, channels)`.
        labels: 0 or 1 each, `(patches,)`.
        statistics: What its training images were to it, from which features are replayed; None
            replays nothing.
        strength: How far logits may go from the old ones, scaled and shifted: the standard
            deviation that is expected beforehand. 0 only scales and shifts them.
        replayed: Features of each class that are replayed.
        seed: Seed of their draw.

    Raises:
        ValueError: If shapes do not fit.

    Example:

    >>> model = crackdet.load_model("concrete")
    >>> features = np.random.default_rng(0).uniform(0, 1, (40, 1281))
    >>> adaptation = prepare(Head.of(model), features, np.arange(40) % 2)
    >>> adaptation.fit(np.arange(40)).put_into(model)
    """
    x, y = np.asarray(features, np.float64), np.asarray(labels, np.int64)
    channels = old.kernel.shape[0]
    if x.shape != (y.size, channels):
        raise ValueError(
            f"features must have shape ({y.size}, {channels}), one row a label; received {x.shape}."
        )
    new, weights = y.size, np.ones(y.size)
    if statistics is None:
        variance = x.var(axis=0)
    else:
        drawn = [statistics.draw(label, replayed, seed) for label in (0, 1)]
        x = np.concatenate([x, *drawn])
        y = np.concatenate([y, np.repeat([0, 1], replayed)])
        weights = np.concatenate([weights, np.full(2 * replayed, new / (2 * replayed))])
        variance = np.mean(
            np.square(statistics.directions).sum(axis=1) + statistics.residuals, axis=0
        )
    spread = np.sqrt(variance + _LEAST_VARIANCE * variance.mean() + 1e-12)
    centre = np.average(x, axis=0, weights=weights)
    standard = (x - centre) / spread
    # A typical patch has length 1, so that a prior on the change is one on log-odds.
    size = np.sqrt(np.average(np.square(standard).sum(axis=1), weights=weights)) or 1.0
    left, lengths, right = np.linalg.svd(standard / size, full_matrices=False)
    kept = lengths > 1e-6 * lengths[0]
    return Adaptation(
        old,
        y,
        weights,
        new,
        old.log_odds(x),
        strength * left[:, kept] * lengths[kept],
        strength * right[kept] / (size * spread),
        centre,
    )


def _logistic(x: Floats, y: Ints, weights: Floats, offset: Floats) -> Floats:
    """The most probable coefficients of a logistic regression under standard normal priors.

    Newton's method; the loss is convex, so of a full step that overshoots a small enough part
    does not.
    """

    def loss(values: Floats) -> float:
        odds = offset + x @ values
        likelihood = weights @ (np.logaddexp(0.0, odds) - y * odds)
        return float(likelihood + values @ values / 2)

    found = np.zeros(x.shape[1])
    best = loss(found)
    for _ in range(_MOST_STEPS):
        p = expit(offset + x @ found)
        slope = x.T @ (weights * (p - y)) + found
        curvature = (x.T * (weights * p * (1 - p))) @ x
        curvature[np.diag_indices_from(curvature)] += 1.0
        step = np.linalg.solve(curvature, slope)
        part = 1.0
        for _ in range(_MOST_HALVINGS):
            reached = loss(found - part * step)
            if reached <= best:
                break
            part /= 2
        else:
            break
        found, gained, best = found - part * step, best - reached, reached
        if gained < _SMALL:
            break
    return found
