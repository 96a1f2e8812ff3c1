"""What stands in a cache's folder, how much disk it may take, and what goes first."""

import contextlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crackdet.errors import CrackdetError
from crackdet.files import read_json
from crackdet.training.digests import text_digest
from crackdet.training.locks import alone, is_shared
from crackdet.training.tables import LOCK, MARKS, RECORD, ROWS

GB = 1e9

# Locked by the process that computes.
FILLING_LOCK = "filling.lock"

# A cache takes this share of what the disk would have free without it, unless told otherwise.
SHARE_OF_FREE_DISK = 0.25

# What a process that was killed while it made a table leaves.
_ASIDE = re.compile(r"\.[0-9a-f]{24}\..+")


class CacheTooSmall(CrackdetError):  # noqa: N818 - it names what is wrong
    """Features do not fit in the cache's share of the disk; the caller can do without them."""


@dataclass(frozen=True)
class StoredTable:
    """A table as it stands on disk."""

    folder: Path
    meta: dict[str, Any]
    size: int
    done: int
    last_use: float

    def in_use(self) -> bool:
        """Whether a living process has it open."""
        return is_shared(self.folder / LOCK)

    def remove(self) -> bool:
        """Deletes the table, and nothing that is no part of it, unless it is in use.

        Returns:
            Whether it is gone.
        """
        # By the folder's descriptor: another process may put a new table in its place meanwhile.
        try:
            place = os.open(self.folder, os.O_RDONLY)
        except FileNotFoundError:
            return True
        try:
            with alone(LOCK, place) as ours:
                if not ours:
                    return not (self.folder / RECORD).exists()
                # The record goes after what takes space, so that a killed removal is found again.
                for name in (MARKS, ROWS, RECORD, LOCK):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=place)
        except PermissionError:  # the folder is another user's
            return False
        finally:
            os.close(place)
        remove_if_empty(self.folder)
        remove_if_empty(self.folder.parent)
        return True


def table_folder(directory: Path, meta: dict[str, Any]) -> Path:
    """Returns the folder of a table: a digest of all that decides its content."""
    return directory / meta["universe"] / text_digest(json.dumps(meta, sort_keys=True))


def stored_tables(directory: Path) -> list[StoredTable]:
    """Returns the tables in a folder, the least recently used first.

    A folder counts as a table only if its record has the digest that it is named by: nothing
    else in `directory` is ever taken for one.
    """
    tables = [_stored(directory, path.parent) for path in directory.glob(f"*/*/{RECORD}")]
    return sorted(filter(None, tables), key=lambda table: table.last_use)


def stored_depths(directory: Path, images: dict[str, Any]) -> set[int]:
    """Returns the depths of all tables of the same images and view, whatever the weights.

    Args:
        directory: The cache's folder.
        images: What the tables have in common; see `Wanted.images`.
    """
    return {
        table.meta["depth"]
        for table in stored_tables(directory)
        if all(table.meta.get(name) == value for name, value in images.items())
    }


def make_directory(directory: Path) -> None:
    """Makes a cache's folder unless it stands.

    Raises:
        CrackdetError: If it cannot be made.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CrackdetError(
            f"Cannot make a cache in {directory}: {error.strerror}. Choose another folder."
        ) from error


def default_limit(directory: Path) -> int:
    """Returns the bytes that a cache may take when it is not told."""
    held = sum(table.size for table in stored_tables(directory))
    return int(SHARE_OF_FREE_DISK * (_free(directory) + held))


def room(directory: Path, limit: int) -> int:
    """Returns the bytes that can be had, of `limit` and of the disk, by removing what is idle."""
    tables = stored_tables(directory)
    held = sum(table.size for table in tables)
    used = sum(table.size for table in tables if table.in_use())
    return max(0, min(limit, held + _free(directory)) - used)


def make_room(directory: Path, needed: int, limit: int, what: str) -> None:
    """Removes the least recently used tables until `needed` bytes fit; none if they cannot.

    Raises:
        CacheTooSmall: If they do not fit without what is in use.
    """
    available = room(directory, limit)
    if needed > available:
        raise too_small(what, needed, available, limit)
    tables = stored_tables(directory)
    held = sum(table.size for table in tables)
    most = min(limit, held + _free(directory))
    for table in tables:
        if held + needed <= most:
            return
        if table.remove():
            held -= table.size


def too_small(what: str, needed: int, available: int, limit: int) -> CacheTooSmall:
    """Returns the error that says what does not fit, and the remedy."""
    return CacheTooSmall(
        f"{what} need {needed / GB:.3g} GB, and the cache has room for {available / GB:.3g} of "
        f"its {limit / GB:.3g} GB: give more with --cache-gb (max_gb), or another --cache-dir."
    )


def left_out(what: str) -> CacheTooSmall:
    """Returns the error for features that shall not make room for themselves."""
    return CacheTooSmall(
        f"{what} have no room in the cache beside those of other trainings: give more with "
        "--cache-gb (max_gb), or another --cache-dir."
    )


def clear(directory: Path) -> list[StoredTable]:
    """Removes the tables in a folder that no living process has open, and nothing else.

    Returns:
        The tables that are still there.
    """
    kept = [table for table in stored_tables(directory) if not table.remove()]
    with alone(directory / FILLING_LOCK) as ours:
        if ours:
            sweep(directory)
    return kept


def sweep(directory: Path) -> None:
    """Deletes what killed processes left half made; to be called while no table is being made."""
    for path in directory.glob("*/.*"):
        if _ASIDE.fullmatch(path.name) and re.fullmatch(r"[0-9a-f]{24}", path.parent.name):
            shutil.rmtree(path, ignore_errors=True)


def remove_if_empty(folder: Path) -> None:
    """Removes a folder that holds nothing; one that holds anything stays."""
    try:
        folder.rmdir()
    except OSError:
        return


def _stored(directory: Path, folder: Path) -> StoredTable | None:
    try:
        meta = read_json(folder / RECORD)
        if table_folder(directory, meta) != folder:
            return None
        sizes = [_size(folder / name) for name in (ROWS, MARKS)]
        marks = folder / MARKS
        done = sum(marks.read_bytes()) if marks.exists() else 0
        used = folder / (LOCK if (folder / LOCK).exists() else RECORD)
        return StoredTable(folder, meta, sum(sizes), done, used.stat().st_mtime)
    except (OSError, ValueError, TypeError, KeyError):
        return None  # no table, or one that another process is removing


def _size(path: Path) -> int:
    """Returns the bytes that a file takes on disk: rows are a sparse file."""
    return path.stat().st_blocks * 512 if path.exists() else 0


def _free(directory: Path) -> int:
    while not directory.exists():
        directory = directory.parent
    return shutil.disk_usage(directory).free
