"""Keras layers for pictures of cracks, usable in any Keras model.

Each file holds one layer; `random_image_layer.py` is the base of those that augment. Those that
paint stand in `painting/`.
"""

from crackdet.layers.augmentation import Augmentation, augmentation
from crackdet.layers.generalized_mean_pooling import GeneralizedMeanPooling2D
from crackdet.layers.painting.painting import Painting, painting
from crackdet.layers.painting.random_camera import RandomCamera
from crackdet.layers.painting.random_crack import RandomCrack
from crackdet.layers.painting.random_distractor import DISTRACTORS, RandomDistractor
from crackdet.layers.painting.random_zoom_out import RandomZoomOut
from crackdet.layers.random_dihedral import RandomDihedral
from crackdet.layers.random_illumination import RandomIllumination
from crackdet.layers.random_image_layer import RandomImageLayer
from crackdet.layers.random_similarity import RandomSimilarity
from crackdet.layers.temperature_scaling import TemperatureScaling
from crackdet.layers.top_k_pooling import TopKPooling2D

__all__ = [
    "DISTRACTORS",
    "Augmentation",
    "GeneralizedMeanPooling2D",
    "Painting",
    "RandomCamera",
    "RandomCrack",
    "RandomDihedral",
    "RandomDistractor",
    "RandomIllumination",
    "RandomImageLayer",
    "RandomSimilarity",
    "RandomZoomOut",
    "TemperatureScaling",
    "TopKPooling2D",
    "augmentation",
    "painting",
]
