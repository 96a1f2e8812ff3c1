"""What a classifier's head takes of each image: the last thing that no training of it changes."""

import keras
import numpy as np
from numpy.typing import NDArray

from crackdet.data.splits import ImageSplit
from crackdet.features.batches import CachedFeatures, FeatureBatches
from crackdet.features.cache import FeatureCache
from crackdet.models.units import head_inputs_at

_BATCH = 256


def head_inputs(model: keras.Model, split: ImageSplit, cache: FeatureCache) -> NDArray[np.float32]:
    """Returns what a classifier's head takes of a split's images, computing what the cache lacks.

    Args:
        model: A classifier of `crackdet.models`.
        split: The images.
        cache: Where pooled features are kept.

    Returns:
        float32 `(images, channels)`, in the order of `split.labels`.

    Raises:
        CacheTooSmall: As `FeatureCache.features`.
        CrackdetError: As `FeatureCache.features`.

    Example:

    >>> data = crackdet.load_data("demo")
    >>> model = crackdet.load_model("concrete")
    >>> head_inputs(model, data.test, crackdet.features.FeatureCache("cache")).shape
    (200, 1281)
    """
    return head_inputs_of(model, cache.features(model, 0, split))


def head_inputs_of(model: keras.Model, kept: CachedFeatures) -> NDArray[np.float32]:
    """Returns what a classifier's head takes, `(images, channels)`, of features kept at depth 0."""
    batches = FeatureBatches([kept], np.zeros(len(kept), np.int32), batch_size=_BATCH)
    network = head_inputs_at(model)
    parts = [network.predict_on_batch(batches[number][0]) for number in range(len(batches))]
    return np.concatenate([np.asarray(part, np.float32) for part in parts])
