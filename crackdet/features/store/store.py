"""What stands in a cache's folder, how much disk it may take, and what goes first."""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crackdet.errors import CrackdetError
from crackdet.features.store.table import LABELS, LOCK, MARKS, MASKS, RECORD, ROWS, FeatureTable
from crackdet.files import read_json
from crackdet.locks import exclusive, is_held, try_exclusive

GB = 1e9

# Locked by the process that computes; a folder that holds it is a cache.
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
        return is_held(self.folder / LOCK)

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
            with try_exclusive(LOCK, place) as ours:
                if not ours:
                    return not (self.folder / RECORD).exists()
                # The record goes after what takes space, so that a killed removal is found again.
                for name in (MARKS, ROWS, LABELS, MASKS, RECORD, LOCK):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=place)
        except PermissionError:  # the folder is another user's
            return False
        finally:
            os.close(place)
        remove_if_empty(self.folder)
        remove_if_empty(self.folder.parent)
        return True


class FeatureStore:
    """The tables in a folder, within a budget of disk.

    Args:
        directory: The folder.
        max_bytes: Bytes of disk that the tables may take. None for a quarter of what the disk would
            have free without them, as found at first use.
        locks: Whether processes lock what they use. Without locks nothing is ever removed, since
            nobody knows what others have open.
    """

    def __init__(self, directory: Path, *, max_bytes: int | None = None, locks: bool = True):
        self.directory = directory
        self.locks = locks
        self._limit = max_bytes

    @property
    def max_bytes(self) -> int:
        """Bytes of disk that the tables may take."""
        if self._limit is None:
            stored_bytes = sum(table.size for table in self.tables())
            self._limit = int(SHARE_OF_FREE_DISK * (self._free() + stored_bytes))
        return self._limit

    def folder_of(self, meta: dict[str, Any]) -> Path:
        """Returns the folder of a table: a digest of all that decides its content."""
        return self.directory / meta["universe"] / text_digest(json.dumps(meta, sort_keys=True))

    def find(self, meta: dict[str, Any]) -> FeatureTable | None:
        """Opens a table; None when there is no whole one for `meta`."""
        return FeatureTable.find(self.folder_of(meta), meta, locks=self.locks)

    def open(self, meta: dict[str, Any]) -> FeatureTable:
        """Opens a table, or makes an empty one when there is none for `meta`."""
        return FeatureTable.open(self.folder_of(meta), meta, locks=self.locks)

    def tables(self) -> list[StoredTable]:
        """Returns the tables in the folder, the least recently used first.

        A folder counts as a table only if its record has the digest that it is named by: nothing
        else is ever taken for one.
        """
        tables = [self._stored(path.parent) for path in self.directory.glob(f"*/*/{RECORD}")]
        return sorted(filter(None, tables), key=lambda table: table.last_use)

    def filling(self, on_wait: Callable[[], None]) -> AbstractContextManager[None]:
        """Lets one process after the other compute, in a folder that is made when missing.

        Args:
            on_wait: Called once before waiting for another process.

        Raises:
            CrackdetError: If the folder cannot be made or written.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CrackdetError(
                f"Cannot make a cache in {self.directory}: {error.strerror}. Choose another folder."
            ) from error
        if not self.locks:
            (self.directory / FILLING_LOCK).touch()
            return contextlib.nullcontext()
        return exclusive(self.directory / FILLING_LOCK, on_wait)

    def check_room(self, needed: int, what: str) -> None:
        """Raises unless bytes can be had, by removing what is idle if need be: the one judgement.

        Args:
            needed: Bytes.
            what: What they are for, in words that begin a sentence.

        Raises:
            CacheTooSmall: If they cannot.
        """
        available = self._available_bytes() if needed else 0
        if needed > available:
            raise CacheTooSmall(
                f"{what} need {needed / GB:.3g} GB, and the cache has room for "
                f"{available / GB:.3g} of its {self.max_bytes / GB:.3g} GB: give more with "
                "--cache-gb (max_gb), or another --cache-dir."
            )

    def make_room(self, needed: int, what: str) -> None:
        """Removes the least recently used tables until bytes fit; none if they cannot.

        Raises:
            CacheTooSmall: As `check_room`.
        """
        self.check_room(needed, what)
        tables = self.tables()
        stored_bytes = sum(table.size for table in tables)
        allowed = min(self.max_bytes, stored_bytes + self._free())
        for table in tables:
            if stored_bytes + needed <= allowed:
                return
            if self.locks and table.remove():
                stored_bytes -= table.size

    def clear(self) -> list[StoredTable]:
        """Removes the tables that no living process has open, and nothing else.

        Returns:
            The tables that are still there.
        """
        kept = [table for table in self.tables() if not table.remove()]
        with try_exclusive(self.directory / FILLING_LOCK) as ours:
            if ours:
                self.sweep()
        return kept

    def sweep(self) -> None:
        """Deletes what killed processes left half made; while no other is making a table."""
        for path in self.directory.glob("*/.*"):
            if _ASIDE.fullmatch(path.name) and re.fullmatch(r"[0-9a-f]{24}", path.parent.name):
                shutil.rmtree(path, ignore_errors=True)

    def _available_bytes(self) -> int:
        tables = self.tables()
        stored_bytes = sum(table.size for table in tables)
        bytes_in_use = sum(table.size for table in tables if not self.locks or table.in_use())
        return max(0, min(self.max_bytes, stored_bytes + self._free()) - bytes_in_use)

    def _stored(self, folder: Path) -> StoredTable | None:
        try:
            meta = read_json(folder / RECORD)
            if self.folder_of(meta) != folder:
                return None
            sizes = [_size(folder / name) for name in (ROWS, MARKS, LABELS, MASKS)]
            marks = folder / MARKS
            done = sum(marks.read_bytes()) if marks.exists() else 0
            used = folder / (LOCK if (folder / LOCK).exists() else RECORD)
            return StoredTable(folder, meta, sum(sizes), done, used.stat().st_mtime)
        except (OSError, ValueError, TypeError, KeyError):
            return None  # no table, or one that another process is removing

    def _free(self) -> int:
        directory = self.directory
        while not directory.exists():
            directory = directory.parent
        return shutil.disk_usage(directory).free


def find_caches(folder: Path) -> list[Path]:
    """Returns the folders of all caches below a folder, sorted."""
    return sorted(path.parent for path in folder.rglob(FILLING_LOCK))


def is_cache(directory: Path) -> bool:
    """Returns whether a folder is a cache, an empty one included."""
    return (directory / FILLING_LOCK).exists() or bool(FeatureStore(directory).tables())


def text_digest(text: str) -> str:
    """Returns 24 hexadecimal digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def remove_if_empty(folder: Path) -> None:
    """Removes a folder that holds nothing; one that holds anything stays."""
    try:
        folder.rmdir()
    except OSError:
        return


def _size(path: Path) -> int:
    """Returns the bytes that a file takes on disk: rows are a sparse file."""
    return path.stat().st_blocks * 512 if path.exists() else 0
