"""Presets: trained classifiers shipped as data, one folder each.

`config.json` holds the arguments of `mobilenet_v2_classifier`, `model.weights.h5` the weights, and
`card.json` the model card: what it was trained on, how well it does, its threshold; and
`model.images.npz` which images these were, by their content, and `model.statistics.npz` what they
looked like to the head.
"""

import contextlib
import os
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from crackdet.errors import CrackdetError
from crackdet.files import atomic_write, read_json, write_json
from crackdet.models.feature_statistics import SUFFIX as STATISTICS_SUFFIX
from crackdet.models.feature_statistics import FeatureStatistics
from crackdet.models.heads import pooling_of
from crackdet.models.known_images import SUFFIX as IMAGES_SUFFIX
from crackdet.models.known_images import KnownImages
from crackdet.models.units import DROPOUT_NAME, backbone, inference_graph

PRESETS_FOLDER = Path(__file__).parent / "presets"
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.weights.h5"
CARD_FILE = "card.json"
IMAGES_FILE = f"model{IMAGES_SUFFIX}"
STATISTICS_FILE = f"model{STATISTICS_SUFFIX}"
FILES = (CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, IMAGES_FILE, STATISTICS_FILE)
_REQUIRED = {CONFIG_FILE, WEIGHTS_FILE, CARD_FILE}

# The kernels of the pointwise convolutions hold nineteen in twenty weights and bear rounding well.
# Rounding the others too (depthwise kernels, BatchNormalization, head) would save 0.3 MB and move
# a trained classifier's logits seven times as far.
_LARGE = 12_000
_COMPRESSION = {"compression": "gzip", "compression_opts": 9, "shuffle": True}


def preset_names() -> list[str]:
    """Returns the names of the shipped presets, sorted.

    Example:

    >>> names = preset_names()
    """
    return sorted(path.parent.name for path in PRESETS_FOLDER.glob(f"*/{CONFIG_FILE}"))


def preset_folder(name: str) -> Path:
    """Returns a preset's folder.

    Raises:
        CrackdetError: If there is no such preset; the sentence lists those there are.
    """
    names = preset_names()
    if name not in names:
        raise CrackdetError(
            f"There is no preset {name!r}: the presets are {', '.join(names) or '(none)'}."
        )
    return PRESETS_FOLDER / name


def preset_config(name: str) -> dict[str, Any]:
    """Returns the arguments of `mobilenet_v2_classifier` that a preset was built with."""
    return read_json(preset_folder(name) / CONFIG_FILE)


def preset_card(name: str) -> dict[str, Any]:
    """Returns a preset's model card.

    Args:
        name: One of `preset_names()`.

    Returns:
        What `save_preset` was given: data, split, figures, licences, date; `threshold`, the
        probability of class 1 from which an image counts as positive, and `operating_points`, what
        others promise; `stress` and `detection`, its figures under stress and by crack width;
        `limits`, in words; and `elsewhere`, its figures on sites that it was not trained on.

    Raises:
        CrackdetError: If there is no such preset.

    Example:

    >>> cards = {name: preset_card(name) for name in preset_names()}
    """
    return read_json(preset_folder(name) / CARD_FILE)


def save_preset(
    model: keras.Model,
    directory: str | Path,
    card: dict[str, Any],
    *,
    alpha: float = 1.0,
    images: KnownImages | None = None,
    statistics: FeatureStatistics | None = None,
) -> Path:
    """Saves a classifier as a preset: 4.7 MB at `alpha` 1.0.

    Large kernels are stored in float16, which moves probabilities by less than 2e-3; in memory
    they are float32 again. Augmentation is not kept: it is no part of a trained classifier.

    Args:
        model: A model of `mobilenet_v2_classifier`.
        directory: The preset's folder, `<presets>/<name>`; a preset that stands there is replaced.
        card: The model card, of values that JSON can hold.
        alpha: The width multiplier that the model was built with.
        images: What it was trained, tuned and tested on, `crackdet.models.known_images(run)`.
            Without them nobody is kept from measuring it on its own training images.
        statistics: What its training images looked like to its head,
            `crackdet.models.feature_statistics(run)`: 0.3 MB. Without them `adapt` forgets more.

    Returns:
        The preset's folder.

    Raises:
        ValueError: If the model has another `alpha`.
        CrackdetError: If a weight does not fit into float16, or something else than a preset stands
            in the folder, which is left as it is.

    Example:

    >>> model = mobilenet_v2_classifier((96, 96), weights=None, alpha=0.35)
    >>> save_preset(model, "presets/tiny", {"threshold": 0.5}, alpha=0.35).name
    'tiny'
    """
    directory = Path(directory)
    _check_replaceable(directory)
    _check_alpha(model, alpha)
    config = {
        "image_size": list(model.input_shape[1:3]),
        "num_classes": model.output_shape[-1],
        "dropout": model.get_layer(DROPOUT_NAME).rate,
        "alpha": alpha,
        "pooling": pooling_of(model),
    }
    with atomic_write(directory) as folder:
        folder.mkdir()
        write_json(folder / CONFIG_FILE, config)
        write_json(folder / CARD_FILE, card)
        if images is not None:
            images.write(folder / IMAGES_FILE)
        if statistics is not None:
            statistics.write(folder / STATISTICS_FILE)
        inference_graph(model).save_weights(folder / WEIGHTS_FILE)
        _shrink(folder / WEIGHTS_FILE)
        _remove(directory)
    return directory


def _check_replaceable(directory: Path) -> None:
    """Refuses a path at which something stands that `save_preset` has not made."""
    if not os.path.lexists(directory):
        return
    if directory.is_symlink() or not directory.is_dir():
        raise CrackdetError(f"{directory} is no folder: name another one for the preset.")
    held = sorted(path.name for path in directory.iterdir())
    if held and not _REQUIRED <= set(held) <= set(FILES):
        more = ", …" if len(held) > 4 else ""
        raise CrackdetError(
            f"{directory} is no preset, it holds {', '.join(held[:4])}{more}: name another folder, "
            "or empty this one."
        )


def _remove(directory: Path) -> None:
    """Removes a preset: a folder cannot be renamed onto another one that holds files."""
    for name in FILES:
        (directory / name).unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        directory.rmdir()


def _check_alpha(model: keras.Model, alpha: float) -> None:
    expected = keras.applications.MobileNetV2(
        input_shape=(32, 32, 3), include_top=False, weights=None, alpha=alpha
    )
    if backbone(model).count_params() != expected.count_params():
        raise ValueError(
            "`alpha` must be the width multiplier that the model was built with. "
            f"Received: alpha={alpha!r}"
        )


def _shrink(path: Path) -> None:
    """Rewrites a file of Keras weights with its large kernels in float16; Keras reads it as any."""
    # The newest layout of HDF5 spends the least on the headers of hundreds of small arrays.
    with (
        atomic_write(path) as shrunk,
        h5py.File(path) as source,
        h5py.File(shrunk, "w", libver="latest") as target,
    ):
        target.attrs.update(source.attrs)

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                copied = target.require_group(name)
            else:
                copied = target.create_dataset(
                    name, data=_stored(item[()], name), **_COMPRESSION if item.size > 1 else {}
                )
            copied.attrs.update(item.attrs)

        source.visititems(copy)


def _stored(array: np.ndarray, name: str) -> np.ndarray:
    if array.size < _LARGE:
        return array
    with np.errstate(over="ignore"):
        halved = array.astype("float16")
    if not np.isfinite(halved).all():
        raise CrackdetError(f"The weight {name} is not finite in float16, so it cannot be saved.")
    return halved
