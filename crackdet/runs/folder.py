"""A run's folder: whether a command may go on in it, and what each stage has taken."""

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from crackdet.errors import CrackdetError
from crackdet.files import atomic_write, is_partial, read_json, write_json
from crackdet.names import escaped
from crackdet.runs import files
from crackdet.runs.files import CONFIG, SECONDS
from crackdet.runs.record import flag


def open_folder(out: str, options: Mapping[str, Any]) -> Path:
    """Returns the run's folder when it is new, or was made with the same options.

    Args:
        out: The folder. It need not exist.
        options: What the command was asked for. Options that the folder's earlier command did
            not have, such as those of a fit after a search alone, are free.

    Raises:
        CrackdetError: If the folder holds other things, or a run with other options, or has a name
            that TensorBoard cannot write to.
    """
    folder = Path(out)
    if escaped(out) != out:
        raise CrackdetError(f"--out {out} is no name in UTF-8: give the run's folder another one.")
    check_out(folder, CONFIG, "run")
    if not (folder / CONFIG).exists():
        return folder
    earlier = read_json(folder / CONFIG)["options"]
    changes = [
        f"{flag(name)} was {_word(earlier[name])} and is {_word(value)}"
        for name, value in options.items()
        if name in earlier and earlier[name] != value
    ]
    if changes:
        raise CrackdetError(
            f"{out} holds a run with other options: {'; '.join(changes)}. "
            "Give the same options to go on with it, or another --out."
        )
    return folder


def check_out(folder: Path, mark: str, results: str) -> None:
    """Refuses a place for results that holds something else, which they would stand among.

    Args:
        folder: It need not exist.
        mark: The file that earlier results of the same kind hold.
        results: What these are called, such as "run".

    Raises:
        CrackdetError: If the folder is a file or would be in one, or holds other things.
    """
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir():
        what = "is a file" if there == folder else f"cannot be made, since {there} is a file"
        raise CrackdetError(f"--out {folder} {what}: name a folder.")
    if not folder.is_dir() or (folder / mark).exists():
        return
    # A run that was stopped while its data loaded leaves its seconds alone.
    if any(path.name != SECONDS and not is_partial(path) for path in folder.iterdir()):
        raise CrackdetError(
            f"--out {folder} holds files but no {results} ({mark} is missing): name a new folder."
        )


def is_new(folder: Path, fingerprint: str, options: Mapping[str, Any]) -> bool:
    """Returns whether the folder's record lacks the images or some of the options.

    Raises:
        CrackdetError: If the folder's run was made from other images.
    """
    if not (folder / CONFIG).exists():
        return True
    record = read_json(folder / CONFIG)
    earlier = record["data"]["fingerprint"]
    if earlier != fingerprint:
        raise CrackdetError(
            f"The images have changed since {folder} was begun (fingerprint {earlier[:12]}, now "
            f"{fingerprint[:12]}): name another --out."
        )
    return not options.keys() <= record["options"].keys()


def is_evaluated(folder: Path) -> bool:
    """Returns whether a run's evaluation has ended and all that it wrote still stands."""
    return all((folder / name).exists() for name in files.OF_EVALUATION)


@contextlib.contextmanager
def undone_on_failure(folder: Path) -> Iterator[None]:
    """Takes the folder's record back when a command fails before it has anything to show.

    Its options may be what was wrong, and a recorded option cannot be given otherwise again. A
    command that is stopped, with Ctrl-C say, keeps its record.
    """
    config, search = folder / CONFIG, folder / files.SEARCH
    before, searched = config.read_bytes() if config.exists() else None, search.exists()
    results = _results(folder)
    try:
        yield
    except Exception:
        if _results(folder) == results:
            if not searched:  # it would hold the same options, and no trial
                shutil.rmtree(search, ignore_errors=True)
            if before is None:
                config.unlink(missing_ok=True)
            else:
                with atomic_write(config) as temporary:
                    temporary.write_bytes(before)
        raise


def _results(folder: Path) -> list[str]:
    return [name for name in files.RESULTS if (folder / name).exists()]


@contextlib.contextmanager
def timed(folder: Path, stage: str) -> Iterator[None]:
    """Adds the seconds of a block to the stage's sum in seconds.json, stopped runs included."""
    start = time.perf_counter()
    try:
        yield
    finally:
        sums = seconds(folder)
        sums[stage] = round(sums.get(stage, 0.0) + time.perf_counter() - start, 2)
        write_json(folder / SECONDS, sums)


def seconds(folder: Path) -> dict[str, float]:
    """Returns the seconds that each stage has taken so far."""
    path = folder / SECONDS
    return dict(read_json(path)) if path.exists() else {}


def _word(value: Any) -> str:
    return "none" if value is None else str(value)
