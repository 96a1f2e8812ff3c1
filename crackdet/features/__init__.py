"""Frozen features: what no training changes is computed once for each image, and kept.

`store` holds the tables and needs no Keras; the rest is imported when it is asked for.
"""

import importlib
from typing import Any

_HOMES = {
    "CacheTooSmall": "crackdet.features.store",
    "CachedFeatures": "crackdet.features.batches",
    "FeatureBatches": "crackdet.features.batches",
    "FeatureCache": "crackdet.features.cache",
    "NotCached": "crackdet.features.uncached",
    "Uncached": "crackdet.features.uncached",
    "head_inputs": "crackdet.features.before_head",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackdet.features' has no attribute {name!r}")
