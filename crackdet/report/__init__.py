"""The report of a run: pictures and one self-contained page, made from the run's files alone."""

import importlib
from typing import Any

__all__ = ["write_report", "write_search_pictures"]


def __getattr__(name: str) -> Any:
    # They import Matplotlib, which the words for a terminal do not need.
    if name in __all__:
        return getattr(importlib.import_module("crackdet.report.report"), name)
    raise AttributeError(f"module 'crackdet.report' has no attribute {name!r}")
