"""Training: `fit` in two phases, and `fit_heads` for many heads side by side."""

from crackdet.features import FeatureCache
from crackdet.training.fitting import fit
from crackdet.training.heads import fit_heads

__all__ = ["FeatureCache", "fit", "fit_heads"]
