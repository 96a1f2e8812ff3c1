"""A trained classifier with its threshold and class names, and what it says of pictures."""

from crackdet.inference.classifier import Classifier, load_classifier
from crackdet.inference.judging import Prediction, judge
from crackdet.inference.pictures import find_pictures
from crackdet.inference.prediction import (
    Predictions,
    line_of,
    photo_note,
    predict,
)

__all__ = [
    "Classifier",
    "Prediction",
    "Predictions",
    "find_pictures",
    "judge",
    "line_of",
    "load_classifier",
    "photo_note",
    "predict",
]
