"""Training: `fit` in two phases, `fit_averaged` the mean of several, `fit_heads` many heads."""

from crackdet.features import FeatureCache
from crackdet.training.averaging import fit_averaged
from crackdet.training.fitting import fit
from crackdet.training.heads import fit_heads

__all__ = ["FeatureCache", "fit", "fit_averaged", "fit_heads"]
