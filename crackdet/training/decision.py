"""What a classifier decides from, and the weights that decide, as arrays.

From a crack map's features at each of its positions where there is a map, else from what the head
takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from crackdet.data import ImageSplit
from crackdet.features import FeatureCache
from crackdet.features.before_head import head_inputs_of
from crackdet.layers import RandomCrack, augmentation
from crackdet.models.units import CRACK_MAP_NAME, EVIDENCE_NAME, HEAD_NAME, has_crack_map

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Places:
    """Features of images at the places that a decision is taken from.

    Attributes:
        features: `(images, places, channels)`: what a crack map takes at each of its positions; the
            head's inputs as a single place where there is no map.
        pooled: What the head takes beside the map's evidence, `(images, channels)`, or None.
    """

    features: NDArray[np.floating]
    pooled: NDArray[np.floating] | None = None

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, images: NDArray[np.int64]) -> "Places":
        pooled = None if self.pooled is None else self.pooled[images]
        return Places(self.features[images], pooled)


# Of several views of the same images, each with the labels that are right for it.
Views = Sequence[tuple[Places, Ints]]


@dataclass(frozen=True)
class Head:
    """The weights that decide between two classes, as log-odds of class 1.

    Attributes:
        kernel: Of the head, `(channels,)`.
        bias: Of the head.
        crack_map: `(map_channels,)`, the weights of the crack map whose evidence is the last of the
            head's inputs; None where the head's inputs are what is adapted.
        map_bias: Of the crack map.
        count: At how many places the map sees its evidence.
    """

    kernel: Floats
    bias: float
    crack_map: Floats | None = None
    map_bias: float = 0.0
    count: int = 1

    @classmethod
    def of(cls, model: keras.Model) -> "Head":
        """Returns a classifier's.

        Raises:
            ValueError: If it has another number of classes than two.
        """
        kernel, bias = _log_odds_of_head(model)
        if not decides_by_map(model):
            return cls(kernel, bias)
        of_map, map_bias = model.get_layer(CRACK_MAP_NAME).get_weights()
        layer = model.get_layer(EVIDENCE_NAME)
        count = max(1, round(layer.share * int(np.prod(layer.input.shape[1:3]))))
        return cls(kernel, bias, np.asarray(of_map, np.float64).ravel(), float(map_bias[0]), count)

    def put_into(self, model: keras.Model) -> None:
        """Gives these weights to the classifier that they were made from."""
        if self.crack_map is not None:
            layer = model.get_layer(CRACK_MAP_NAME)
            kernel = self.crack_map.astype(np.float32).reshape(layer.kernel.shape)
            layer.set_weights([kernel, np.array([self.map_bias], np.float32)])
        halves = np.array([-0.5, 0.5], np.float32)
        model.get_layer(HEAD_NAME).set_weights([np.outer(self.kernel, halves), self.bias * halves])

    @property
    def at_places(self) -> Floats:
        """What a place's features are weighed with in the log-odds, `(channels,)`."""
        return self.kernel if self.crack_map is None else self.kernel[-1] * self.crack_map

    def log_odds(self, places: Places) -> Floats:
        """Returns the log-odds of class 1 of images, `(images,)`."""
        found = self.seen(places) @ self.at_places + self.bias + self._of_map_bias
        return found if places.pooled is None else found + places.pooled @ self.kernel[:-1]

    def seen(self, places: Places) -> Floats:
        """Returns the mean features of the places where most speaks for a crack.

        `(images, channels)`: the evidence of the map is linear in them.
        """
        features = places.features
        if features.shape[1] <= self.count:
            return features.mean(axis=1, dtype=np.float64)
        scores = features.astype(np.float32) @ self.at_places.astype(np.float32)
        taken = np.argpartition(-scores, self.count - 1, axis=1)[:, : self.count, None]
        return np.take_along_axis(features, taken, axis=1).mean(axis=1, dtype=np.float64)

    def probabilities(self, places: Places) -> NDArray[np.float32]:
        """Returns the probabilities of both classes, float32 `(images, 2)`."""
        return class_probabilities(self.log_odds(places))

    def moved(self, scale: float, shift: float, change: Floats) -> "Head":
        """Returns the head of other log-odds: `scale * old + shift + change @ seen`."""
        bias = scale * (self.bias + self._of_map_bias) + shift
        if self.crack_map is None:
            return replace(self, kernel=scale * self.kernel + change, bias=bias)
        # The evidence keeps its scale, by which the statistics of training images know it; but its
        # sign in any case, since the map looks where it is high.
        trust, part = self.kernel[-1], scale if scale > 0 else 1.0
        return replace(
            self,
            kernel=np.append(scale * self.kernel[:-1], part * trust),
            bias=bias - part * self._of_map_bias,
            crack_map=(scale * self.crack_map + change / trust) / part,
        )

    @property
    def _of_map_bias(self) -> float:
        return 0.0 if self.crack_map is None else float(self.kernel[-1]) * self.map_bias


def decides_by_map(model: keras.Model) -> bool:
    """Whether a classifier decides by a crack map too, and takes what it says as it is meant.

    A map starts out speaking for cracks; no training must leave it so.
    """
    return has_crack_map(model) and _log_odds_of_head(model)[0][-1] > 0


def class_probabilities(log_odds: Floats) -> NDArray[np.float32]:
    """Returns the probabilities of both classes for log-odds of class 1, float32 `(images, 2)`."""
    return np.stack([expit(-log_odds), expit(log_odds)], axis=1).astype(np.float32)


def places_of(
    model: keras.Model, split: ImageSplit, cache: FeatureCache, **view: Any
) -> tuple[Places, Ints]:
    """Returns what a classifier decides from, and the labels of what was shown.

    Args:
        model: A classifier of `crackdet.models` with two classes.
        split: The images.
        cache: Where features are kept.
        **view: `view`, `augmentation`, `seed` and `painting` as `FeatureCache.features` takes them.

    Raises:
        CacheTooSmall: As `FeatureCache.features`.
        CrackdetError: As `FeatureCache.features`.
    """
    kept = cache.features(model, 0, split, **view)
    labels = (split.labels if kept.labels is None else kept.labels).astype(np.int64)
    if not decides_by_map(model):
        return Places(head_inputs_of(model, kept)[:, None]), labels
    positions, pooled = kept.tensors(np.arange(len(kept)))
    return Places(positions.reshape(len(kept), -1, positions.shape[-1]), pooled), labels


def painted_views(
    model: keras.Model, images: ImageSplit, cache: FeatureCache, count: int, seed: int = 0
) -> Views:
    """Returns what a classifier decides from of so many views of patches, with their labels.

    Cracks are painted on every second of the site's own sound patches, and all are augmented: see
    `crackdet.layers`.
    """
    ways = {"painting": RandomCrack(rate=0.5), "augmentation": augmentation(seed=0), "seed": seed}
    return [places_of(model, images, cache, view=number, **ways) for number in range(1, count + 1)]


def _log_odds_of_head(model: keras.Model) -> tuple[Floats, float]:
    kernel, bias = (
        np.asarray(each, np.float64) for each in model.get_layer(HEAD_NAME).get_weights()
    )
    if kernel.shape[1] != 2:
        raise ValueError(
            f"Only classifiers of two classes are adapted. Received: {kernel.shape[1]} classes"
        )
    return kernel[:, 1] - kernel[:, 0], float(bias[1] - bias[0])
