"""How unlike the training images a picture is, by the features that a classifier's head takes.

Scores grow with unlikeness. `examples/benchmarks/unlike_training.py` compares them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from crackdet.models.feature_statistics import FeatureStatistics
from crackdet.models.units import with_head_inputs, with_surface

Floats = NDArray[np.float64]
Score = Callable[[ArrayLike], Floats]

SHARE = 0.01  # of the validation images are called unlike the training ones
STRESS_SHARE = 0.05  # of the stress validation at most, of families that statistics leave out
# Channels that hardly vary in training are taken to vary by this share of what the directions leave
# to the mean channel, or of its whole variance: rounded statistics say nothing finer.
_LEAST, _LEAST_OF_ALL, _TINY = 0.03, 1e-3, 1e-12
_ABOVE = 1.05
_LIMIT = "unsure_limit"


def mahalanobis(statistics: FeatureStatistics) -> Score:
    """Returns the squared Mahalanobis distance to the nearest class, each with its own covariance.

    Lee, Lee, Lee & Shin, "A Simple Unified Framework for Detecting Out-of-Distribution Samples and
    Adversarial Attacks" (NeurIPS 2018), who tie the covariance of the classes; but sound concrete
    varies along other directions than cracks do. The covariance of a class is of low rank with a
    diagonal rest, inverted by Woodbury's identity.

    Args:
        statistics: Of the training images.

    Returns:
        A function of features `(images, channels)`, which returns `(images,)`.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(200, 4)) + 3
    >>> score = mahalanobis(FeatureStatistics.of(x, np.arange(200) % 2, rank=2))
    >>> far, near = score([[9.0, 9, 9, 9], [3, 3, 3, 3]])
    >>> bool(far > near)
    True
    """
    classes = zip(statistics.means, statistics.directions, statistics.residuals, strict=True)
    gaussians = [(mean, _Gaussian.of(*covariance)) for mean, *covariance in classes]
    return lambda features: np.min([g.distance(features, mean) for mean, g in gaussians], axis=0)


def tied_mahalanobis(statistics: FeatureStatistics) -> Score:
    """Returns the distance of `mahalanobis` with one covariance for all classes, as Lee et al.

    Args:
        statistics: As in `mahalanobis`.
    """
    weights = statistics.counts / statistics.counts.sum()
    within = np.concatenate(np.sqrt(weights)[:, None, None] * statistics.directions)
    gaussian = _Gaussian.of(within, weights @ statistics.residuals)
    return lambda features: np.min([gaussian.distance(features, m) for m in statistics.means], 0)


def relative_mahalanobis(statistics: FeatureStatistics) -> Score:
    """Returns by how much the distance of `tied_mahalanobis` exceeds that to all images together.

    Ren, Fort, Liu, Roy, Padhy & Lakshminarayanan, "A Simple Fix to Mahalanobis Distance for
    Improving Near-OOD Detection" (2021).

    Args:
        statistics: As in `mahalanobis`.
    """
    weights = statistics.counts / statistics.counts.sum()
    mean = weights @ statistics.means
    between = np.sqrt(weights)[:, None] * (statistics.means - mean)
    within = np.concatenate(np.sqrt(weights)[:, None, None] * statistics.directions)
    together = _Gaussian.of(np.concatenate([within, between]), weights @ statistics.residuals)
    nearest = tied_mahalanobis(statistics)
    return lambda features: nearest(features) - together.distance(features, mean)


def energy(kernel: ArrayLike, bias: ArrayLike) -> Score:
    """Returns the energy of a head's logits, `-log(sum(exp(logits)))`.

    Liu, Wang, Owens & Li, "Energy-based Out-of-distribution Detection" (NeurIPS 2020).

    Args:
        kernel: Of the head, `(channels, classes)`.
        bias: Of the head, `(classes,)`.
    """
    k, b = np.asarray(kernel, np.float64), np.asarray(bias, np.float64)
    return lambda features: -logsumexp(np.asarray(features, np.float64) @ k + b, axis=1)


def nearest_neighbours(training: ArrayLike, neighbour: int = 1) -> Score:
    """Returns the distance to a near training image, of features scaled to length 1.

    Sun, Ming, Zhu & Li, "Out-of-Distribution Detection with Deep Nearest Neighbors" (ICML 2022).

    Args:
        training: Features of training images, `(images, channels)`; a few hundred do.
        neighbour: Which neighbour counts, 1 for the nearest.
    """
    bank = _unit_length(training)

    def score(features: ArrayLike) -> Floats:
        likeness = np.partition(_unit_length(features) @ bank.T, -neighbour, axis=1)[:, -neighbour]
        return np.sqrt(np.maximum(2 - 2 * likeness, 0))

    return score


def with_limit(
    statistics: FeatureStatistics, scores: Floats, share: float = SHARE
) -> FeatureStatistics:
    """Returns statistics with the limit beyond which a classifier is unsure.

    Args:
        statistics: Of the training images.
        scores: `mahalanobis` of images that they were not made of, `(images,)`: by the statistics
            of surfaces, where they hold these.
        share: The share of these that exceeds the limit.

    Raises:
        ValueError: If there is no such image.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(300, 4))
    >>> statistics = FeatureStatistics.of(x[:200], np.arange(200) % 2, rank=2)
    >>> scores = mahalanobis(statistics)(x[200:])
    >>> detector = OutOfDistribution.of(with_limit(statistics, scores, share=0.1))
    >>> int(detector.unsure(x[200:]).sum())
    10
    """
    if not scores.size:
        raise ValueError("The limit needs validation images, of which there are none.")
    # Of n images floor(share * n) lie beyond it. It stands midway to the next one, or above all, so
    # that features and statistics that were rounded to float16 move no image across it.
    ordered = np.append(np.sort(scores), _ABOVE * scores.max())
    within = scores.size - 1 - int(share * scores.size)
    limit = ordered[within : within + 2].mean()
    return replace(statistics, extra={**statistics.extra, _LIMIT: np.array(limit)})


def limit_of(statistics: FeatureStatistics) -> float:
    """Returns the limit that `with_limit` set."""
    return float(statistics.extra[_LIMIT])


@dataclass(frozen=True)
class OutOfDistribution:
    """Tells pictures that are like nothing in training, of which a classifier cannot judge.

    Attributes:
        score: Of features: how unlike they are.
        limit: The score beyond which they are too unlike.
        depth: Which features: None for what the head takes, else those of
            `crackdet.models.units.surface_at` this depth.
    """

    score: Score
    limit: float
    depth: int | None = None

    @classmethod
    def of(cls, statistics: FeatureStatistics | None) -> "OutOfDistribution | None":
        """Returns the detector that stands beside a model, or None where no limit does."""
        if statistics is None or _LIMIT not in statistics.extra:
            return None
        judging, depth = statistics.surface or (statistics, None)
        return cls(mahalanobis(judging), limit_of(statistics), depth)

    def answers_of(self, model: keras.Model) -> keras.Model:
        """Returns a classifier that answers with its probabilities and the features to judge."""
        return with_head_inputs(model) if self.depth is None else with_surface(model, self.depth)

    def unsure(self, features: ArrayLike) -> NDArray[np.bool_]:
        """Returns which images are too unlike, `(images,)`, by features `(images, channels)`."""
        # What is no number is like nothing.
        return ~(self.score(features) <= self.limit)


@dataclass(frozen=True)
class _Gaussian:
    """A covariance `directions.T @ directions + diag(residuals)`, inverted.

    Attributes:
        scale: Square roots of the residuals, `(channels,)`.
        projection: What is taken off the squared length of scaled features, `(rank, channels)`.
    """

    scale: Floats
    projection: Floats

    @classmethod
    def of(cls, directions: NDArray[Any], residuals: NDArray[Any]) -> "_Gaussian":
        left = float(residuals.mean())
        whole = left + float(np.square(directions).sum()) / residuals.size
        least = max(_LEAST * left, _LEAST_OF_ALL * whole, _TINY)
        scale = np.sqrt(np.maximum(residuals, least, dtype=np.float64))
        scaled = directions / scale
        inner = np.linalg.cholesky(np.eye(len(scaled)) + scaled @ scaled.T)
        return cls(scale, np.linalg.solve(inner, scaled))

    def distance(self, features: ArrayLike, mean: NDArray[Any]) -> Floats:
        """Returns squared Mahalanobis distances from a mean, `(images,)`."""
        x = (np.asarray(features, np.float64) - mean) / self.scale
        return np.asarray(np.square(x).sum(1) - np.square(x @ self.projection.T).sum(1))


def _unit_length(features: ArrayLike) -> Floats:
    x = np.asarray(features, np.float64)
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12))
