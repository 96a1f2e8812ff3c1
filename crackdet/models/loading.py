"""A model by its file, its run or its preset's name."""

from collections.abc import Callable
from pathlib import Path

import keras

from crackdet.errors import CrackdetError
from crackdet.models import preset
from crackdet.models.feature_statistics import FeatureStatistics, statistics_file
from crackdet.models.keras_file import read_model
from crackdet.models.known_images import KnownImages, images_file
from crackdet.models.mobilenet_v2 import mobilenet_v2_classifier
from crackdet.models.weights import is_file_name
from crackdet.runs import files


def load_model(path_or_preset: str | Path) -> keras.Model:
    """Loads a classifier.

    Args:
        path_or_preset: A `.keras` file, a run folder (its `model.keras` is loaded), or the name of
            a preset, such as `"concrete"`. A folder is preferred to a preset of the same name.

    Returns:
        The model. Files are read in Keras' safe mode: they run no code of their own.

    Raises:
        CrackdetError: If there is no such file, run or preset, or the file holds no Keras model
            that can be loaded here: it is damaged, of another version of Keras, or holds a Lambda
            layer or a class that no imported module registers.

    Example:

    >>> mobilenet_v2_classifier((96, 96), weights=None).save("model.keras")
    >>> load_model("model.keras").output_shape
    (None, 2)
    """
    path = Path(path_or_preset)
    if path.is_dir():
        return read_model(path / files.MODEL)
    if path.exists() or is_file_name(path_or_preset):
        return read_model(path)
    name = str(path_or_preset)
    if name not in preset.preset_names():
        known = ", ".join(preset.preset_names()) or "none"
        raise CrackdetError(
            f"{name!r} is no .keras file, no run folder and no preset (presets: {known})."
        )
    return mobilenet_v2_classifier(**preset.preset_config(name), weights=name)


def known_images(path_or_preset: str | Path) -> KnownImages | None:
    """Returns the images that a model was trained, tuned and tested on.

    Args:
        path_or_preset: A `.keras` file, a run's folder or a preset's name, as in `load_model`.

    Returns:
        The images, or None where nothing stands beside the model that says it.

    Raises:
        CrackdetError: If the file that says it is broken.

    Example:

    >>> known = known_images("concrete")
    >>> len(known.keys["train"])  # of 32,000 files, some of which are copies
    30725
    """
    file = _beside(path_or_preset, preset.IMAGES_FILE, images_file)
    return KnownImages.read(file) if file.is_file() else None


def feature_statistics(path_or_preset: str | Path) -> FeatureStatistics | None:
    """Returns what a model's training images looked like to its head.

    Args:
        path_or_preset: A `.keras` file, a run's folder or a preset's name, as in `load_model`.

    Returns:
        The statistics, or None where none stand beside the model.

    Raises:
        CrackdetError: If their file is broken.

    Example:

    >>> statistics = feature_statistics("concrete")
    """
    file = _beside(path_or_preset, preset.STATISTICS_FILE, statistics_file)
    return FeatureStatistics.read(file) if file.is_file() else None


def _beside(path_or_preset: str | Path, of_preset: str, of_model: Callable[[Path], Path]) -> Path:
    """Returns where a file stands that belongs to a model."""
    path = Path(path_or_preset)
    if not path.exists() and str(path_or_preset) in preset.preset_names():
        return preset.preset_folder(str(path_or_preset)) / of_preset
    return of_model(path / files.MODEL if path.is_dir() else path)
