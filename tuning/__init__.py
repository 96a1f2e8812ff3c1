"""Search of the classifier's hyperparameters with KerasTuner.

What needs Keras is imported when it is asked for, so that executors start their processes before.
"""

import importlib
from typing import Any

_HOMES = {
    "CrackHyperModel": "tuning.hypermodel",
    "SearchResult": "tuning.result",
    "SearchSpace": "tuning.space",
    "search": "tuning.searching",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tuning' has no attribute {name!r}")
