"""Tiny data and a tiny classifier, enough to run an evaluation from end to end."""

import keras
import numpy as np
import pytest

from crackdet.data import CrackData

SIZE = 16


def cracked_patches(count, seed, *, contrast=90.0, noise=14.0):
    """Grey noise; every second image has a dark vertical line, of a contrast that varies."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = random.normal(170, noise, (count, SIZE, SIZE, 1))
    for image, label in zip(images, labels, strict=True):
        if label:
            column = random.integers(2, SIZE - 2)
            image[:, column] -= contrast * random.random()
    images = np.clip(images, 0, 255).astype(np.uint8).repeat(3, axis=3)
    return images, labels, np.arange(count) // 4 + 1000 * seed


@pytest.fixture
def data():
    return CrackData.from_arrays(
        train=cracked_patches(80, 1),
        validation=cracked_patches(60, 2),
        test=cracked_patches(60, 3),
        name="lines",
        notes="made for a test",
    )


@pytest.fixture
def line_classifier():
    """Makes untrained classifiers: `line_classifier(seed, augmentation)`."""
    return make_line_classifier


def make_line_classifier(seed=0, augmentation=None):
    """The shape of crackdet's classifiers in small: preprocessing, features, softmax head."""
    inputs = x = keras.Input((SIZE, SIZE, 3), name="image")
    if augmentation is not None:
        x = augmentation(x)
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, name="preprocessing")(x)
    x = keras.layers.Conv2D(
        4, 3, activation="relu", name="Conv1", kernel_initializer=keras.initializers.HeNormal(seed)
    )(x)
    x = keras.layers.GlobalMaxPooling2D(name="pooling")(x)
    x = keras.layers.Dense(
        2,
        activation="softmax",
        name="predictions",
        kernel_initializer=keras.initializers.GlorotUniform(seed),
    )(x)
    return keras.Model(inputs, x, name="line_classifier")
