"""MobileNetV2 classifiers: built, frozen by units, cut in two, saved, loaded, calibrated."""

from crackdet.models.assembling import new_classifier
from crackdet.models.crack_map import crack_map_model
from crackdet.models.feature_statistics import FeatureStatistics
from crackdet.models.known_images import KnownImages
from crackdet.models.loading import feature_statistics, known_images, load_model
from crackdet.models.mobilenet_v2 import mobilenet_v2_classifier, replace_head
from crackdet.models.preset import preset_card, preset_names, save_preset
from crackdet.models.temperature import scale_logits
from crackdet.models.units import MAX_DEPTH, set_unfreeze_depth, split_at, unfreeze_depth

__all__ = [
    "MAX_DEPTH",
    "FeatureStatistics",
    "KnownImages",
    "crack_map_model",
    "feature_statistics",
    "known_images",
    "load_model",
    "mobilenet_v2_classifier",
    "new_classifier",
    "preset_card",
    "preset_names",
    "replace_head",
    "save_preset",
    "scale_logits",
    "set_unfreeze_depth",
    "split_at",
    "unfreeze_depth",
]
