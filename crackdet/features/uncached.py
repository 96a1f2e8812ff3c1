"""What stands where no features are kept."""

from collections.abc import Iterable
from typing import Any

import keras

from crackdet.data import CrackData, ImageSplit


class NotCached(Exception):  # noqa: N818 - it names what is so
    """No features are kept: train on images."""


class Uncached:
    """Stands for a `FeatureCache` where no features are kept: models run on images."""

    def prepare(self, model: keras.Model, depths: Iterable[int], *_: Any, **__: Any) -> list[int]:
        """Computes nothing; no depth is complete."""
        return []

    def read_only(self, depths: Iterable[int]) -> "Uncached":
        """Returns itself, which computes nothing anyway."""
        return self

    def training_features(self, model: keras.Model, depth: int, data: CrackData, *_: Any) -> Any:
        """Raises NotCached."""
        raise NotCached

    def features(self, model: keras.Model, depth: int, split: ImageSplit, *_: Any) -> Any:
        """Raises NotCached."""
        raise NotCached

    def predict(self, model: keras.Model, split: ImageSplit) -> Any:
        """Returns the model's probabilities in the order of `split.labels`.

        Those of all its outputs, in a list, where it has several.
        """
        return model.predict(split.in_order(), verbose=0)
