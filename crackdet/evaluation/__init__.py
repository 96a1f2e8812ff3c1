"""Numbers about a classifier: metrics with intervals, calibration, threshold, baselines, one run.

Everything here is binary: label 1 is the positive class (a crack), a score is the probability of
that class, and an image raises an alarm when its score reaches the threshold.
"""

import importlib
from typing import Any

from crackdet.evaluation.baseline import baseline_scores, fit_baseline
from crackdet.evaluation.calibration import (
    apply_temperature,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
)
from crackdet.evaluation.detection import detection_by_width, probability_of_detection
from crackdet.evaluation.filters import FILTERS, filter_scores
from crackdet.evaluation.metrics import METRICS, metrics_row
from crackdet.evaluation.prevalence import precision_at
from crackdet.evaluation.stress import stress_score
from crackdet.evaluation.threshold import ThresholdChoice, choose_threshold
from crackdet.evaluation.trivial import compare_with_trivial

# These import Keras; the rest is NumPy, so that reports are written without loading Keras.
_NEED_KERAS = {
    "Site": "crackdet.evaluation.sites",
    "adapt": "crackdet.evaluation.adaptation",
    "choose_images": "crackdet.evaluation.choice",
    "cross_validate": "crackdet.evaluation.cross_validation",
    "evaluate": "crackdet.evaluation.run",
    "evaluate_run": "crackdet.evaluation.run",
    "familiar_statistics": "crackdet.evaluation.familiar",
    "operating_point": "crackdet.evaluation.operating_points",
    "transfer": "crackdet.evaluation.sites",
}

__all__ = [
    "FILTERS",
    "METRICS",
    "Site",
    "ThresholdChoice",
    "adapt",
    "apply_temperature",
    "baseline_scores",
    "choose_images",
    "choose_threshold",
    "compare_with_trivial",
    "cross_validate",
    "detection_by_width",
    "evaluate",
    "evaluate_run",
    "expected_calibration_error",
    "familiar_statistics",
    "filter_scores",
    "fit_baseline",
    "fit_temperature",
    "metrics_row",
    "operating_point",
    "precision_at",
    "probability_of_detection",
    "reliability_bins",
    "stress_score",
    "transfer",
]


def __getattr__(name: str) -> Any:
    if name in _NEED_KERAS:
        return getattr(importlib.import_module(_NEED_KERAS[name]), name)
    raise AttributeError(f"module 'crackdet.evaluation' has no attribute {name!r}")
