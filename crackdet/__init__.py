"""Keras-native detection of cracks in photographs of concrete."""

import importlib
import importlib.abc
import importlib.util
import sys
from types import ModuleType
from typing import Any

from crackdet.devices import share_gpu_memory

__version__ = "0.1.0"

_SUBPACKAGES = (
    "data",
    "engines",
    "evaluation",
    "features",
    "inference",
    "layers",
    "models",
    "report",
    "runs",
    "training",
)
_FUNCTIONS = {
    "load_data": "crackdet.data",
    "load_model": "crackdet.models",
    "predict": "crackdet.inference",
}
_REGISTERS_IN = {
    "keras": "crackdet.layers",
    "tensorflow_datasets": "tfds_builder.concrete_cracks",
}

__all__ = ["__version__", *_SUBPACKAGES, *_FUNCTIONS]


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"crackdet.{name}")
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name]), name)
    raise AttributeError(f"module 'crackdet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


class _RegisterOnImport(importlib.abc.MetaPathFinder):
    """Registers crackdet's layers and data set as soon as Keras or TFDS is imported.

    Importing both libraries takes seconds, and `crackdet --help` needs neither; so where one is
    not imported yet, registration waits for that import.
    """

    _searching: str | None = None

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> Any:
        if fullname not in _REGISTERS_IN or self._searching == fullname:
            return None
        self._searching = fullname
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._searching = None
        if spec is None or spec.loader is None:
            return None
        run_module = spec.loader.exec_module

        def run_module_and_register(module: ModuleType) -> None:
            run_module(module)
            importlib.import_module(_REGISTERS_IN[fullname])

        spec.loader.exec_module = run_module_and_register  # type: ignore[method-assign]
        return spec


share_gpu_memory()
for _library, _module in _REGISTERS_IN.items():
    if _library in sys.modules:
        importlib.import_module(_module)
sys.meta_path.insert(0, _RegisterOnImport())
