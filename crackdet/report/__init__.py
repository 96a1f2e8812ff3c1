"""Pictures and one self-contained page of a run, or of a classifier on other sites.

They are made from the files of its folder alone.
"""

import importlib
from typing import Any

_HOMES = {
    "write_report": "crackdet.report.report",
    "write_search_pictures": "crackdet.report.report",
    "write_sites_report": "crackdet.report.sites",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    # They import Matplotlib, which the words for a terminal do not need.
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'crackdet.report' has no attribute {name!r}")
