"""The folder of a search: its options, its lock, and the journal that it is resumed from."""

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from crackdet.errors import CrackdetError
from crackdet.files import is_partial, read_json, write_json
from crackdet.locks import exclusive
from crackdet.runs.files import SEARCH_LOCK, SEARCH_OPTIONS

MADE_WITH = "made_with"
TRIALS = "max_trials"


@contextlib.contextmanager
def open_project(
    directory: str | os.PathLike[str],
    options: Mapping[str, Any],
    *,
    made_with: Mapping[str, Any] | None = None,
    resume: bool = True,
    fixed_trials: str = "",
) -> Iterator[Path]:
    """Yields the folder of a search, held against other processes.

    Args:
        directory: The folder. It need not exist.
        options: Every choice that the trials depend on.
        made_with: What else is needed to repeat the search; may differ where it goes on.
        resume: Whether a search that stands there may go on.
        fixed_trials: Why it may not be given more trials (the option `max_trials`); empty where it
            may.

    Raises:
        CrackdetError: If the folder holds something else, a search with other options, or one
            that is running; or if `resume` is False and it is not empty.
    """
    folder = Path(directory)
    if folder.exists() and not folder.is_dir():
        raise CrackdetError(f"{folder} is a file: name a folder for the search.")
    occupied = folder.is_dir() and any(
        path.name != SEARCH_LOCK and not is_partial(path) for path in folder.iterdir()
    )
    if occupied and not resume:
        raise CrackdetError(
            f"{folder} is not empty: name another directory, or pass resume=True to go on with "
            "the search in it."
        )
    if occupied and not (folder / SEARCH_OPTIONS).exists():
        raise CrackdetError(
            f"{folder} holds files but no search ({SEARCH_OPTIONS} is missing): name another "
            "directory."
        )
    wanted = json.loads(json.dumps(options))
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        if (folder / SEARCH_OPTIONS).exists():
            record = read_json(folder / SEARCH_OPTIONS)
            earlier = {name: value for name, value in record.items() if name != MADE_WITH}
            _check_same(folder, earlier, wanted, fixed_trials)
            if earlier != wanted:
                write_json(folder / SEARCH_OPTIONS, {**record, **wanted})
        else:
            write_json(folder / SEARCH_OPTIONS, {**wanted, MADE_WITH: dict(made_with or {})})
        yield folder


def workers_before(directory: str | os.PathLike[str]) -> int | None:
    """Returns with how many workers the search in a folder began; None if there is none.

    What "bayesian" and "hyperband" propose depends on it, while a machine may afford another number
    by the time that a search goes on.
    """
    file = Path(directory) / SEARCH_OPTIONS
    return read_json(file).get(MADE_WITH, {}).get("workers") if file.is_file() else None


def _locked(folder: Path) -> contextlib.AbstractContextManager[None]:
    def refuse() -> None:
        raise CrackdetError(
            f"Another process is searching in {folder}: wait for it or name another directory."
        )

    return exclusive(folder / SEARCH_LOCK, on_wait=refuse)


def _check_same(
    folder: Path, earlier: Mapping[str, Any], wanted: Mapping[str, Any], fixed_trials: str
) -> None:
    changed = [name for name in {**earlier, **wanted} if earlier.get(name) != wanted.get(name)]
    why = ""
    if TRIALS in changed and TRIALS in earlier and TRIALS in wanted:
        if wanted[TRIALS] < earlier[TRIALS]:
            why = f" ({TRIALS} can only be raised: its trials are drawn already)"
        elif fixed_trials:
            why = f" ({TRIALS} cannot be raised here: {fixed_trials})"
        else:
            changed.remove(TRIALS)
    if changed:
        changes = [f"{name} was {earlier.get(name)} and is {wanted.get(name)}" for name in changed]
        raise CrackdetError(
            f"{folder} holds a search with other options: {'; '.join(changes)}{why}. Give the same "
            "options to go on with it, or name another directory."
        )


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what goes wrong while a search writes, a full disk say, into a sentence."""
    try:
        yield
    except Exception as error:
        # KerasTuner writes through TensorFlow where that is the backend, whose errors are its own.
        if not isinstance(error, OSError) and not type(error).__module__.startswith("tensorflow"):
            raise
        reason = getattr(error, "strerror", None) or getattr(error, "message", None) or error
        raise CrackdetError(
            f"Cannot write {path}: {reason}. Mend that and give the same options again: the "
            "search goes on where it stopped."
        ) from error


class Journal:
    """The starts and ends of trials, in their order, each written before the search goes on.

    What a killed process left half-written at the end is cut off.

    Args:
        path: The file, one JSON object a line.
    """

    def __init__(self, path: Path):
        self._path = path
        self.events: list[dict[str, Any]] = []
        content = path.read_bytes() if path.exists() else b""
        whole = 0
        for line in content.splitlines(keepends=True):
            event = _event(line)
            if event is None:
                break
            self.events.append(event)
            whole += len(line)
        if whole < len(content):
            os.truncate(path, whole)

    def begun(self) -> dict[str, dict[str, Any]]:
        """Returns the hyperparameters of every trial that was started."""
        return {e["trial"]: e["values"] for e in self.events if e["event"] == "start"}

    def append(self, event: Mapping[str, Any]) -> None:
        """Writes an event to the disk, with the time.

        Raises:
            CrackdetError: If the disk is full or the file cannot be written.
        """
        event = {**event, "time": round(time.time(), 3)}
        with writing(self._path), open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.events.append(event)


def _event(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
