"""Tables of features on disk, how much of it they take, and which go first. No Keras."""

from crackdet.features.store.store import (
    CacheTooSmall,
    FeatureStore,
    StoredTable,
    find_caches,
    is_cache,
)
from crackdet.features.store.table import FeatureTable

__all__ = [
    "CacheTooSmall",
    "FeatureStore",
    "FeatureTable",
    "StoredTable",
    "find_caches",
    "is_cache",
]
