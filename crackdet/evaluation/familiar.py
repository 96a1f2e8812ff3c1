"""What a classifier's training looked like to its head, and from where on it is unsure."""

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from crackdet.data import ImageSplit
from crackdet.features import FeatureBatches, FeatureCache
from crackdet.models.feature_statistics import FeatureStatistics
from crackdet.models.out_of_distribution import mahalanobis, with_limit
from crackdet.models.units import head_inputs_at, unfreeze_depth

Features = NDArray[np.float32]

# Covariances are known well by so many images; more would only take memory.
MOST = 10_000


def familiar_statistics(
    training: Sequence[tuple[Features, ArrayLike]],
    validation: Features,
    *,
    seed: int = 0,
) -> FeatureStatistics:
    """Returns the statistics of training images, with the limit that 1 % of validation exceeds.

    Args:
        training: What the head takes of training images, `(n, channels)`, and their classes,
            `(n,)`: of the images as they are and, where it was trained on others, such as painted
            views, of those too.
        validation: The same of images that it was not trained on, `(m, channels)`.
        seed: Seed of the choice of training images where there are more than 10,000.

    Returns:
        What `FeatureStatistics.write` puts beside a model, and `load_classifier` reads.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(300, 4)).astype("float32")
    >>> statistics = familiar_statistics([(x[:200], np.arange(200) % 2)], x[200:])
    """
    random = np.random.default_rng(seed)
    parts = [_at_most(MOST // len(training), *part, random) for part in training]
    features, labels = (np.concatenate(each) for each in zip(*parts, strict=True))
    statistics = FeatureStatistics.of(features, labels)
    return with_limit(statistics, mahalanobis(statistics)(validation))


def _at_most(
    count: int, features: Features, labels: ArrayLike, random: np.random.Generator
) -> tuple[Features, NDArray[np.int64]]:
    y = np.asarray(labels, np.int64)
    if y.size <= count:
        return features, y
    chosen = random.choice(y.size, count, replace=False)
    return features[chosen], y[chosen]


def cross_fitted_statistics(
    features: Features, labels: ArrayLike, fold_of: NDArray[np.int64]
) -> FeatureStatistics:
    """Returns the statistics of images without a validation split.

    The limit stands on the distances of each fold from the others.

    Args:
        features: What the head takes of all images, `(n, channels)`.
        labels: Their classes, `(n,)`.
        fold_of: The fold of each image, from 0, `(n,)`.
    """
    y = np.asarray(labels)
    scores = np.empty(y.size)
    for number in range(int(fold_of.max()) + 1):
        own = fold_of == number
        scores[own] = mahalanobis(FeatureStatistics.of(features[~own], y[~own]))(features[own])
    return with_limit(FeatureStatistics.of(features, y), scores)


def painted_inputs(
    model: keras.Model,
    train: ImageSplit,
    cache: FeatureCache,
    painting: keras.Layer,
    seed: int,
) -> tuple[Features, NDArray[np.int64]]:
    """Returns what the head takes of painted views of train, `(n, channels)`, and their labels.

    They are the first painted views that training has seen, where it had the same seed.
    """
    depth = unfreeze_depth(model)
    view = cache.features(model, depth, train, view=1, seed=seed, painting=painting)
    batches = FeatureBatches([view], train.labels, batch_size=train.batch_size)
    features = head_inputs_at(model, depth).predict(batches, verbose=0)
    labels = batches.labels(*_all_of(len(view)))
    return np.asarray(features, np.float32), labels.astype(np.int64)


def _all_of(images: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns all images, in the first of the views that batches hold."""
    return np.arange(images), np.zeros(images, np.int64)
