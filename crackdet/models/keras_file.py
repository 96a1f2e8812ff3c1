"""A `.keras` file: read in Keras' safe mode, or refused with what it is."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from crackdet.errors import CrackdetError

# The parts of a `.keras` file, as Keras names them.
_METADATA, _CONFIG = "metadata.json", "config.json"
# Whose classes Keras finds by itself; others it takes only where they are registered.
_KERAS_OWN = ("keras", "keras_hub", "keras_cv", "keras_nlp")
_FUNCTIONS = (keras.activations, keras.initializers, keras.constraints, keras.regularizers)


def read_model(path: Path) -> keras.Model:
    """Loads a `.keras` file in Keras' safe mode, which runs no code from the file.

    Raises:
        CrackdetError: If the file is missing or holds no Keras model, or one that cannot be
            loaded here; the sentence says what it is.
    """
    check_exists(path)
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise CrackdetError(f"{path} is not a Keras model: expected a whole .keras file.")
    try:
        # Not compiled: the optimizer of another backend would import that backend.
        return keras.models.load_model(path, safe_mode=True, compile=False)
    except Exception as error:  # of many types, with many lines
        raise CrackdetError(f"{path} {_what_it_is(path, error)}.") from error


def check_exists(path: Path) -> None:
    """Raises CrackdetError unless there is such a file."""
    if not path.is_file():
        raise CrackdetError(f"{path} was not found: check the path.")


def _what_it_is(path: Path, error: Exception) -> str:
    """Returns why a file could not be loaded, the surest reason first."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
            config = json.loads(archive.read(_CONFIG))
            metadata = json.loads(archive.read(_METADATA))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError):
        broken = path.name
    if broken is not None:
        return "is damaged: copy it again"
    # What an optimizer or a loss needs does not matter: the model is not compiled.
    parts = list(_serialized({**config, "compile_config": None}))
    if any(part["class_name"] in ("Lambda", "__lambda__") for part in parts):
        return (
            "holds a Lambda layer, which is refused for safety: it could run code of its own. "
            "Save the model anew with a layer of Keras, or with a registered class, in its place"
        )
    if unknown := sorted({name for part in parts if (name := _unregistered(part))}):
        return (
            f"holds what is not registered with Keras here: {', '.join(unknown)}. "
            "Import the module that defines it first"
        )
    version = metadata.get("keras_version")
    if version != keras.__version__:
        return (
            f"was written by Keras {version}, this is {keras.__version__}: install that version, "
            "or save the model anew with this one"
        )
    return f"could not be loaded ({_first_sentence(error)}): save or copy it again"


def _serialized(config: Any) -> Iterator[dict[str, Any]]:
    """Yields each object of a model's configuration: layers, functions and what they hold."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        config = list(config.values())
    if isinstance(config, list):
        for each in config:
            yield from _serialized(each)


def _unregistered(part: dict[str, Any]) -> str | None:
    """Returns the name of a class or function that Keras will not find; None if it will."""
    class_name, module = part["class_name"], part.get("module")
    if class_name.startswith("__") or "module" not in part:  # a tensor or a number
        return None
    if class_name == "function":
        name = registered = part["config"]
        keras_own = any(hasattr(place, name) for place in _FUNCTIONS)
    else:
        name, registered = class_name, part.get("registered_name") or class_name
        keras_own = (module or "").partition(".")[0] in _KERAS_OWN
    if keras_own or keras.saving.get_registered_object(registered) is not None:
        return None
    return f"{name} of {module}" if module not in (None, "builtins") else str(registered)


def _first_sentence(error: Exception) -> str:
    """Returns the cause in what Keras says, which may go on for pages before and after it."""
    words = " ".join(str(error).split())
    for introduction in ("Exception encountered: ", "error message for object "):
        words = words.rpartition(introduction)[2]
    return words.partition(". ")[0][:200].rstrip(".") or type(error).__name__
