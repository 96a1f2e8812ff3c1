"""Imports Keras without what backends print that says nothing to a user of crackdet."""

import sys

from crackdet.errors import CrackdetError
from crackdet.quiet import quiet_tensorflow, stderr_aside

BACKENDS = ("tensorflow", "jax", "torch")
# What to install for a module that a backend needs; TensorFlow comes with crackdet.
_INSTALL = {
    "tensorflow": "tensorflow",
    "jax": "'crackdet[jax]'",
    "jaxlib": "'crackdet[jax]'",
    "torch": "'crackdet[torch]'",
}


def import_keras() -> None:
    """Imports Keras and its backend; what they print on stderr is shown only if that fails.

    Raises:
        CrackdetError: If the backend is not installed; the sentence says what to install.
    """
    quiet_tensorflow()
    if "keras" in sys.modules:
        return
    missing: ModuleNotFoundError | ValueError
    with stderr_aside():
        try:
            import keras  # noqa: F401

            return
        except ModuleNotFoundError as error:
            missing = error
            module = (error.name or "").partition(".")[0]
            if module not in _INSTALL:
                raise
            sentence = (
                f"Keras' backend needs {module}, which is not installed: pip install "
                f"{_INSTALL[module]}, or set KERAS_BACKEND to another of {', '.join(BACKENDS)}."
            )
        except ValueError as error:  # Keras knows no such backend
            missing = error
            sentence = f"{error}: set KERAS_BACKEND to one of {', '.join(BACKENDS)}."
    raise CrackdetError(sentence) from missing
