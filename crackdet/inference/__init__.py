"""A trained classifier with its threshold and class names, and what it says of images."""

from crackdet.inference.classifier import Classifier, load_classifier
from crackdet.inference.judging import judge

__all__ = ["Classifier", "judge", "load_classifier"]
