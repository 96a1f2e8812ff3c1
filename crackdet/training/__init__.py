"""Training: `fit` in two phases, the cache of frozen features, and records of a run."""

from crackdet.training.cache import FeatureCache
from crackdet.training.fitting import fit
from crackdet.training.heads import fit_heads
from crackdet.training.records import run_record, write_config
from crackdet.training.seeds import set_seed
from crackdet.training.storage import CacheTooSmall

__all__ = [
    "CacheTooSmall",
    "FeatureCache",
    "fit",
    "fit_heads",
    "run_record",
    "set_seed",
    "write_config",
]
