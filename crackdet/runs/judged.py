"""Which row of metrics.json judges a run: that of its test split, or of its cross-validation."""

from collections.abc import Mapping
from typing import Any

TEST = "test"
CROSS_VALIDATION = "cross_validation"  # stands where a split's name does


def judged_split(rows: Mapping[str, Any]) -> str:
    """Returns under which name the figures stand that a run is judged by.

    Args:
        rows: `before`, `after` or `baseline` of metrics.json, or the splits of predictions.csv.
    """
    return CROSS_VALIDATION if CROSS_VALIDATION in rows else TEST


def judged_row(rows: Mapping[str, Any]) -> Any:
    """Returns the figures that a run is judged by; see `judged_split`.

    Example:

    >>> judged_row({"validation": {"recall": 1.0}, "test": {"recall": 0.9}})
    {'recall': 0.9}
    """
    return rows[judged_split(rows)]
