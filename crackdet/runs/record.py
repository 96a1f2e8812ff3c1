"""What a run was made of: config.json."""

import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import crackdet
from crackdet.files import read_json, write_json
from crackdet.runs.files import CONFIG


class HasFacts(Protocol):
    """Data that tell what they are, such as `crackdet.data.CrackData`."""

    def facts(self) -> dict[str, Any]: ...


def run_record(
    options: Mapping[str, Any],
    data: HasFacts | None = None,
    made_with: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns what is needed to repeat a run and to know what it was made of.

    Args:
        options: Every choice, seeds included. Paths become text.
        data: The data set, if one is used.
        made_with: What else the run's figures hang on, but may differ where it goes on, such as
            the trials at once.

    Returns:
        A dictionary that JSON can hold: `options`, `made_with`, `data` (name, fingerprint, class
        names, counts, notes; or None), `versions` (python, crackdet, keras, the backend, numpy),
        `platform`, `git_revision` (of the working folder; None outside a checkout) and `date`.

    Example:

    >>> run_record({"seed": 0})["options"]
    {'seed': 0}
    """
    return {
        "options": {name: _plain(value) for name, value in options.items()},
        "made_with": {name: _plain(value) for name, value in (made_with or {}).items()},
        "data": None if data is None else data.facts(),
        "versions": versions(),
        "platform": {
            "system": platform.platform(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
        },
        "git_revision": git_revision(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def versions() -> dict[str, str]:
    """Returns the versions of Python, crackdet, Keras, its backend and NumPy."""
    import keras

    backend = keras.backend.backend()
    return {
        "python": platform.python_version(),
        "crackdet": crackdet.__version__,
        "keras": keras.__version__,
        "backend": backend,
        backend: importlib.metadata.version(backend),
        "numpy": importlib.metadata.version("numpy"),
    }


def write_config(
    run_dir: str | os.PathLike[str],
    options: Mapping[str, Any],
    data: HasFacts | None = None,
    made_with: Mapping[str, Any] | None = None,
) -> Path:
    """Writes `run_record(options, data, made_with)` to config.json in a run's folder.

    Returns:
        The path of config.json.
    """
    path = Path(run_dir) / CONFIG
    write_json(path, run_record(options, data, made_with))
    return path


def made_with(run_dir: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns what config.json says that the run was made with; nothing where there is none."""
    path = Path(run_dir) / CONFIG
    return dict(read_json(path).get("made_with", {})) if path.exists() else {}


def amend_config(run_dir: str | os.PathLike[str], **made_with: Any) -> None:
    """Adds to what config.json says that the run was made with."""
    path = Path(run_dir) / CONFIG
    config = read_json(path)
    write_json(path, {**config, "made_with": {**config.get("made_with", {}), **made_with}})


def command(config: Mapping[str, Any], out: str | os.PathLike[str]) -> str:
    """Returns the command that makes a run again.

    Args:
        config: The content of config.json.
        out: The run's folder, for `--out`.

    Example:

    >>> command({"options": {"data": "demo", "epochs": 3, "weights": None}}, "runs/demo")
    'crackdet train --out runs/demo --data demo --epochs 3 --weights none'
    """
    if "command" in config:
        return str(config["command"])
    options = config["options"]
    words = ["crackdet", "run" if "max_trials" in options else "train", "--out", os.fspath(out)]
    for name, value in options.items():
        words += [flag(name), spelled(value)]
    for name, value in config.get("made_with", {}).items():
        if value is True:
            words.append(flag(name))
        elif value not in (None, False):
            words += [flag(name), spelled(value)]
    return shlex.join(words)


def git_revision(folder: str | os.PathLike[str] = ".") -> str | None:
    """Returns the revision checked out in `folder`, or None where there is no git checkout."""
    try:
        result = subprocess.run(
            ["git", "-C", os.fspath(folder), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None if result.returncode == 0 else None


def flag(name: str) -> str:
    """Returns how an option is spelled on the command line, say `--image-size`."""
    return "--" + name.replace("_", "-")


def spelled(value: Any) -> str:
    """Returns a value as the command line takes it: yes, no or none for words, commas in lists."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ",".join(map(spelled, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
