"""What libraries say of themselves, kept from who gives a command: it says nothing to them.

A command of the command line shows crackdet's own warnings, each as a sentence, and no library's:
those name paths and lines of code, as Pillow's do on metadata that it does not need. `--debug`
shows all. In Python warnings are left as they are.
"""

import contextlib
import importlib.abc
import importlib.util
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from crackdet.errors import CrackdetWarning
from crackdet.names import printable

# Set by a command for the processes that it starts.
COMMAND = "CRACKDET_COMMAND"


@contextlib.contextmanager
def only_own_warnings() -> Iterator[None]:
    """Shows crackdet's warnings as sentences and no others, here and in processes started here."""
    before = os.environ.get(COMMAND), logging.lastResort
    os.environ[COMMAND] = "1"
    with warnings.catch_warnings():
        _show_own()
        try:
            yield
        finally:
            logging.lastResort = before[1]
            if before[0] is None:
                del os.environ[COMMAND]


def in_process_of_command() -> None:
    """Does the same for good in a process that a command has started, and nothing in others."""
    if COMMAND in os.environ:
        _show_own()


@contextlib.contextmanager
def stderr_aside() -> Iterator[None]:
    """Keeps what a block writes to stderr, past Python's too, and shows it only if it fails."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            aside.seek(0)
            os.write(stderr, aside.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@contextlib.contextmanager
def warnings_aside() -> Iterator[None]:
    """Keeps back the warnings of a block that are said after it anyway, unless it fails."""
    caught: list[warnings.WarningMessage] | None = None
    try:
        with warnings.catch_warnings(record=True) as caught:
            yield
    except BaseException:
        for each in caught or ():
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
        raise


def quiet_tensorflow() -> None:
    """Keeps back the lines of TensorFlow's start-up, whoever imports it, and its Python warnings.

    TensorFlow 2.21 logs some before it reads TF_CPP_MIN_LOG_LEVEL. On other backends TFDS imports
    it, to write its files.
    """
    # Of its Python side and TFDS's: retracing, folders of unfinished builds.
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)
    known = any(isinstance(finder, _TensorFlowAside) for finder in sys.meta_path)
    if "tensorflow" not in sys.modules and not known:
        sys.meta_path.insert(0, _TensorFlowAside())


def _show_own() -> None:
    warnings.showwarning = _show
    # What prints log messages of libraries that have set up no logging.
    logging.lastResort = logging.NullHandler()  # type: ignore[assignment]


def _show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if issubclass(category, CrackdetWarning):
        sentence = printable(" ".join(str(message).split()))
        print(f"crackdet: {sentence}", file=sys.stderr, flush=True)


class _TensorFlowAside(importlib.abc.MetaPathFinder):
    """Has `import tensorflow` run with stderr aside."""

    _searching = False

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> Any:
        if fullname != "tensorflow" or self._searching:
            return None
        self._searching = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._searching = False
        if spec is None or spec.loader is None:
            return None
        run_module = spec.loader.exec_module

        def run_module_aside(module: ModuleType) -> None:
            with stderr_aside():
                run_module(module)

        spec.loader.exec_module = run_module_aside  # type: ignore[method-assign]
        return spec
