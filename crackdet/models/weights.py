"""Where a classifier's weights come from: ImageNet, a preset, or a file."""

import contextlib
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras

from crackdet.errors import CrackdetError
from crackdet.files import sha256_file
from crackdet.models import preset
from crackdet.models.keras_file import check_exists, read_model
from crackdet.models.units import backbone, inference_graph

IMAGENET_ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
_IMAGENET_ADDRESS = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
_FILE_SUFFIXES = (".keras", ".weights.h5")
# The layer that tells a pooling: its class in a `.keras` file, its group in one of weights.
_MARKS = {
    "local": ("TopKPooling2D", "top_k_pooling2d"),
    "gem": ("GeneralizedMeanPooling2D", "generalized_mean_pooling2d"),
    "average": ("GlobalAveragePooling2D", "global_average_pooling2d"),
}


def check_weights(
    weights: str | Path | None, alpha: float, num_classes: int, pooling: str | None = None
) -> None:
    """Raises where `weights` cannot belong to the other arguments, before anything is built."""
    if weights is None:
        return
    if not isinstance(weights, str | Path):
        raise ValueError(
            "`weights` must be 'imagenet', a preset's name, the path of a .keras or .weights.h5 "
            f"file, or None. Received: weights={weights!r}"
        )
    if is_file_name(weights):
        check_exists(Path(weights))
    _check_pooling(weights, pooling)
    if is_file_name(weights):
        return
    if weights == "imagenet":
        expected: dict[str, tuple] = {"alpha": IMAGENET_ALPHAS}
    else:
        config = preset.preset_config(str(weights))
        expected = {name: (config[name],) for name in ("alpha", "num_classes")}
    received = {"alpha": alpha, "num_classes": num_classes}
    for argument, values in expected.items():
        if received[argument] not in values:
            raise ValueError(
                f"weights={weights!r} exist for {argument} {' or '.join(map(str, values))}. "
                f"Received: {argument}={received[argument]!r}"
            )


def pooling_in(weights: str | Path | None) -> str | None:
    """Returns the `pooling` of a head that `weights` carry; None where there is none or another.

    Args:
        weights: As in `mobilenet_v2_classifier`, checked with `check_weights`.
    """
    if weights is None or weights == "imagenet":
        return None
    if not is_file_name(weights):
        return preset.preset_config(str(weights)).get("pooling", "average")
    return _pooling_in_file(Path(weights))


def load_initial_weights(model: keras.Model, weights: str | Path | None, alpha: float) -> None:
    """Loads weights into a fresh classifier.

    Args:
        model: The classifier, changed in place.
        weights: As in `mobilenet_v2_classifier`, checked with `check_weights`.
        alpha: The backbone's width multiplier, which chooses the file of ImageNet weights.

    Raises:
        CrackdetError: If the weights cannot be found, downloaded or read, or do not fit.
    """
    if weights is None:
        return
    if weights == "imagenet":
        _load_imagenet(model, alpha)
    elif not is_file_name(weights):
        _load_weights_file(model, preset.preset_folder(str(weights)) / preset.WEIGHTS_FILE)
    elif Path(weights).suffix == ".keras":
        _copy_weights(model, Path(weights))
    else:
        _load_weights_file(model, Path(weights))


def weights_record(weights: str | Path | None) -> str | None:
    """Returns what a record says of starting weights: the name of their file, and its content.

    Equal records mean equal weights, wherever the file lies; a path would not say that it changed.
    ImageNet's weights are what their name says.

    Args:
        weights: As in `mobilenet_v2_classifier`. A file that is missing is recorded by its name,
            and so is what other classifiers may take.

    Example:

    >>> weights_record("imagenet")
    'imagenet'
    """
    if weights is None:
        return None
    if is_file_name(weights):
        name, file = Path(weights).name, Path(weights)
    elif weights in preset.preset_names():
        name, file = str(weights), preset.preset_folder(str(weights)) / preset.WEIGHTS_FILE
    else:
        return str(weights)
    return f"{name}, sha256 {sha256_file(file)}" if file.is_file() else str(weights)


def is_file_name(weights: str | Path) -> bool:
    """Whether `weights` means a file rather than a name."""
    return isinstance(weights, Path) or weights.endswith(_FILE_SUFFIXES)


def _check_pooling(weights: str | Path, pooling: str | None) -> None:
    own = pooling_in(weights)
    if pooling is not None and own is not None and pooling != own:
        raise ValueError(
            f"weights={str(weights)!r} exist for pooling {own!r}: leave pooling out, or start from "
            f"others, such as 'imagenet'. Received: pooling={pooling!r}"
        )


def _pooling_in_file(path: Path) -> str | None:
    """Returns the pooling that a file's layers are of; None where it holds none, or is broken."""
    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                layers = json.loads(archive.read("config.json"))["config"]["layers"]
            found = {layer["class_name"] for layer in layers}
        else:
            with h5py.File(path) as file:
                found = set(file["layers"])
    # Whoever loads it says what is wrong with it.
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        return None
    return next((pooling for pooling, marks in _MARKS.items() if found & set(marks)), None)


def _load_imagenet(model: keras.Model, alpha: float) -> None:
    name = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_224_no_top.h5"
    try:
        path = keras.utils.get_file(
            name,
            _IMAGENET_ADDRESS + name,
            cache_dir=os.environ.get("KERAS_HOME"),
            cache_subdir="models",
        )
    # keras.utils.get_file raises bare Exceptions when a download fails.
    except Exception as error:
        raise CrackdetError(
            f"The ImageNet weights could not be downloaded: put {name} into $KERAS_HOME/models "
            "(~/.keras/models unless set), or start from weights=None or a preset."
        ) from error
    with _one_sentence(f"{path} holds no ImageNet weights for alpha={alpha}, delete it"):
        backbone(model).load_weights(path)


def _load_weights_file(model: keras.Model, path: Path) -> None:
    with _one_sentence(f"{path} holds no weights for a classifier of this alpha and num_classes"):
        inference_graph(model).load_weights(path)


def _copy_weights(model: keras.Model, path: Path) -> None:
    saved = read_model(path)
    with _one_sentence(f"{path} holds no classifier of this alpha and num_classes"):
        inference_graph(model).set_weights(inference_graph(saved).get_weights())


@contextlib.contextmanager
def _one_sentence(problem: str) -> Iterator[None]:
    """Turns what Keras raises about a file, of many types and many lines, into one sentence."""
    try:
        yield
    except Exception as error:
        raise CrackdetError(f"{problem}.") from error
