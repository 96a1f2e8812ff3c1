"""The classifier as trials and the final fit train it, with the default augmentation."""

from pathlib import Path

import keras

from crackdet.images import ImageSize
from crackdet.layers import augmentation
from crackdet.models.mobilenet_v2 import mobilenet_v2_classifier


def new_classifier(
    image_size: ImageSize,
    num_classes: int = 2,
    *,
    unfreeze_depth: int,
    dropout: float,
    alpha: float = 1.0,
    pooling: str | None = None,
    weights: str | Path | None = "imagenet",
    strength: float = 1.0,
    seed: int = 0,
) -> keras.Model:
    """Returns an untrained classifier, the same in a trial and in the final fit.

    Args:
        image_size: As in `mobilenet_v2_classifier`.
        num_classes: Number of classes.
        unfreeze_depth: As in `mobilenet_v2_classifier`.
        dropout: As in `mobilenet_v2_classifier`.
        alpha: As in `mobilenet_v2_classifier`.
        pooling: As in `mobilenet_v2_classifier`.
        weights: As in `mobilenet_v2_classifier`.
        strength: Strength of `crackdet.layers.augmentation`; 0 for none.
        seed: Seed of the head's weights, of dropout and of the augmentation.

    Example:

    >>> model = new_classifier(96, unfreeze_depth=2, dropout=0.3, weights="concrete")
    """
    return mobilenet_v2_classifier(
        image_size,
        num_classes,
        unfreeze_depth=unfreeze_depth,
        dropout=dropout,
        alpha=alpha,
        pooling=pooling,
        weights=weights,
        augmentation=augmentation(strength, seed=seed) if strength else None,
        seed=seed,
    )
