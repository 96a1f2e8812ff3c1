"""What a classifier's training looked like to its head, and from where on it is unsure."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from crackdet.data import ImageSplit
from crackdet.features import (
    CachedFeatures,
    CacheTooSmall,
    FeatureBatches,
    FeatureCache,
    NotCached,
    Uncached,
)
from crackdet.models.feature_statistics import FeatureStatistics
from crackdet.models.out_of_distribution import (
    SHARE,
    STRESS_SHARE,
    limit_of,
    mahalanobis,
    with_limit,
)
from crackdet.models.units import head_inputs_at, surface_at, unfreeze_depth, with_surface

Features = NDArray[np.float32]

# Covariances are known well by so many images; more would only take memory.
MOST = 10_000
# Lower down there is little else than edges and colours.
_DEEPEST = 10


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
    statistics = _of_some(training, seed)
    return with_limit(statistics, mahalanobis(statistics)(validation))


def surface_depth(model: keras.Model) -> int | None:
    """Returns the depth of `with_familiar_surface` for a trained classifier.

    None where training moved nothing below the head, or more than the upper ten units.
    """
    depth = unfreeze_depth(model)
    return depth if 0 < depth <= _DEEPEST else None


def with_familiar_surface(
    statistics: FeatureStatistics,
    depth: int,
    training: Sequence[tuple[Features, ArrayLike]],
    validation: Features,
    stress: tuple[Features, ArrayLike],
    families: Sequence[str],
    *,
    seed: int = 0,
) -> FeatureStatistics:
    """Returns statistics that judge what is familiar by features that training did not move.

    Training deep on painted views leaves hardly anything else in what the head takes than whether
    there is a crack: strange pictures are like all others there
    (`examples/benchmarks/unlike_training.py`). The stress validation is part of what is familiar:
    it is concrete, if hard to judge. So that other sites are familiar too, each of its families is
    judged by statistics that leave it out. Of the two limits, that of 1 % of validation and that of
    5 % of the stress validation judged so, the larger one stands.

    Args:
        statistics: Of what the head takes.
        depth: The boundary of the features, `surface_depth(model)`.
        training: `surface` of training images, `(n, channels)`, and their classes: as they are, and
            painted.
        validation: `surface` of validation images.
        stress: That of the stress validation, and its classes.
        families: What each picture of the stress validation shows.
        seed: As in `familiar_statistics`.
    """
    known = _some_of(training, seed)
    pictures, labels = stress[0], np.asarray(stress[1], np.int64)

    def with_stress(part: NDArray[np.bool_]) -> FeatureStatistics:
        return _together([*known, (pictures[part], labels[part])])

    left_out, family_of = np.empty(len(pictures)), np.asarray(families)
    for family in np.unique(family_of):
        own = family_of == family
        left_out[own] = mahalanobis(with_stress(~own))(pictures[own])
    found = with_stress(np.ones(len(pictures), bool))
    whole = statistics.with_surface(found, depth)
    looks = ((mahalanobis(found)(validation), SHARE), (left_out, STRESS_SHARE))
    return max((with_limit(whole, scores, share) for scores, share in looks), key=limit_of)


def features_to_judge(
    model: keras.Model,
    split: ImageSplit,
    predictor: FeatureCache | Uncached,
    inputs: Features,
    depth: int | None,
) -> Features:
    """Returns by what a classifier is unsure of images, `(n, channels)`.

    What its head takes, `inputs`, or at a depth `surface`: see `OutOfDistribution.depth`.
    """
    return inputs if depth is None else surface(model, split, predictor, depth)[0]


def surface(
    model: keras.Model,
    split: ImageSplit,
    predictor: FeatureCache | Uncached,
    depth: int,
    **view: Any,
) -> tuple[Features, NDArray[np.int64]]:
    """Returns what surfaces are made of, `(n, channels)`, and the labels of what was shown.

    Args:
        model: A classifier of `crackdet.models`.
        split: The images.
        predictor: A `FeatureCache`, or what stands for none.
        depth: The boundary, see `crackdet.models.units.surface_at`.
        **view: `view`, `seed` and `painting` of a view that is kept.
    """
    try:
        kept = predictor.features(model, depth, split, **view)
    except (NotCached, CacheTooSmall):
        if view:
            raise
        features = with_surface(model, depth).predict(split.in_order(), verbose=0)[1]
        return np.asarray(features, np.float32), split.labels.astype(np.int64)
    return _at_boundary(surface_at(model, depth), kept, split)


def _of_some(training: Sequence[tuple[Features, ArrayLike]], seed: int) -> FeatureStatistics:
    return _together(_some_of(training, seed))


def _together(parts: Sequence[tuple[Features, NDArray[np.int64]]]) -> FeatureStatistics:
    features, labels = (np.concatenate(each) for each in zip(*parts, strict=True))
    return FeatureStatistics.of(features, labels)


def _some_of(
    training: Sequence[tuple[Features, ArrayLike]], seed: int
) -> list[tuple[Features, NDArray[np.int64]]]:
    random = np.random.default_rng(seed)
    return [_at_most(MOST // len(training), *part, random) for part in training]


def _at_most(
    count: int, features: Features, labels: ArrayLike, random: np.random.Generator
) -> tuple[Features, NDArray[np.int64]]:
    y = np.asarray(labels, np.int64)
    if y.size <= count:
        return features, y
    chosen = random.choice(y.size, count, replace=False)
    return features[chosen], y[chosen]


def cross_fitted_statistics(
    views: Sequence[tuple[Features, ArrayLike]], fold_of: NDArray[np.int64], *, seed: int = 0
) -> FeatureStatistics:
    """Returns the statistics of images without a validation split.

    1 % of the images as they are exceed the limit, each fold's judged by the others. Painted views
    are part of what is familiar, and none of what the limit is set by: nobody meets them.

    Args:
        views: What the head takes of all images, `(n, channels)`, and their classes, `(n,)`: of the
            images as they are and, where it was trained on them, of painted views of each.
        fold_of: The fold of each image, from 0, `(n,)`.
        seed: As in `familiar_statistics`.
    """
    images, _ = views[0]
    scores = np.empty(len(images))
    for number in range(int(fold_of.max()) + 1):
        own = fold_of == number
        others = [(features[~own], np.asarray(labels)[~own]) for features, labels in views]
        scores[own] = mahalanobis(_of_some(others, seed))(images[own])
    return with_limit(_of_some(views, seed), scores)


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
    return _at_boundary(head_inputs_at(model, depth), view, train)


def _at_boundary(
    network: keras.Model, view: CachedFeatures, split: ImageSplit
) -> tuple[Features, NDArray[np.int64]]:
    """Returns what a network makes of features that are kept, and the labels of that view."""
    batches = FeatureBatches([view], split.labels, batch_size=split.batch_size)
    features = network.predict(batches, verbose=0)
    images = np.arange(len(view))
    labels = batches.labels(images, np.zeros_like(images))
    return np.asarray(features, np.float32), labels.astype(np.int64)
