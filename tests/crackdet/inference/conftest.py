"""A run's folder with a small model."""

from pathlib import Path

import keras
import numpy as np
import pytest

from crackdet.models.record import ModelRecord, write_record


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with a model that calls dark images cracked, and its record."""
    folder = tmp_path_factory.mktemp("run")
    images = keras.Input((8, 8, 3))
    darkness = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(-1 / 255, 1)(images))
    head = keras.layers.Dense(2, activation="softmax")
    model = keras.Model(images, head(darkness))
    head.set_weights([np.array([[-1, 1]] * 3, np.float32), np.array([1.0, -1.0], np.float32)])
    model.save(folder / "model.keras")
    write_record(folder / "model.keras", ModelRecord(("sound", "cracked"), 0.7, patch_side=20))
    return folder
