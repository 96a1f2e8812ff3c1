"""Search of the classifier's hyperparameters with KerasTuner."""

from tuning.hypermodel import CrackHyperModel
from tuning.searching import SearchResult, search
from tuning.space import SearchSpace

__all__ = ["CrackHyperModel", "SearchResult", "SearchSpace", "search"]
