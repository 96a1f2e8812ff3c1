"""Float16 tables on disk, one row an image, filled bit by bit and never half right."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crackdet.errors import CrackdetError
from crackdet.files import read_json, write_json
from crackdet.training.locks import share

LOCK, MARKS, ROWS, RECORD = "lock", "done", "rows.f16", "table.json"

# Of making a table that another process may be removing at the same moment.
ATTEMPTS = 10


class FeatureTable:
    """Rows of features on disk with a mark for each row that is done.

    `table.json` says what the rows are, `rows.f16` holds them, `done` holds one byte for each row,
    and `lock` is locked by every process that has the table open, so that nobody removes it under
    another's hands; its time is that of the last use. A row is marked only after its values have
    reached the disk, so a process killed in between leaves it undone, not wrong. Several processes
    may fill one table: a row's values are the same whoever writes them.

    Rows are written by calls that report a full disk, and read through a memory map.
    """

    def __init__(self, folder: Path, meta: dict[str, Any]):
        self.folder = folder
        self.meta = meta
        self.count = int(meta["rows"])
        self.row_shape = tuple(meta["row_shape"])

    @classmethod
    def find(cls, folder: Path, meta: dict[str, Any]) -> "FeatureTable | None":
        """Opens the table in `folder`; None when there is no whole one for `meta`."""
        table = cls(folder, meta)
        return table if table._is_whole() and table._hold() else None

    @classmethod
    def open(cls, folder: Path, meta: dict[str, Any]) -> "FeatureTable":
        """Opens the table in `folder`, or makes an empty one when there is none for `meta`."""
        for _ in range(ATTEMPTS):
            table = cls.find(folder, meta)
            if table is not None:
                return table
            cls(folder, meta)._create()
        raise CrackdetError(f"Cannot make a cache in {folder}: other processes keep removing it.")

    def __reduce__(self) -> tuple:
        return _reopen, (self.folder, self.meta)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all rows together."""
        return (self.count, *self.row_shape)

    @property
    def row_size(self) -> int:
        """Numbers in one row."""
        return int(np.prod(self.row_shape))

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return 2 * self.row_size

    def done(self) -> np.ndarray:
        """Returns for each row whether it is there, bool `(count,)`."""
        return np.fromfile(self.folder / MARKS, np.uint8).astype(bool)

    def values(self) -> np.ndarray:
        """Returns all rows as a read-only memory map, float16."""
        return np.memmap(self.folder / ROWS, np.float16, "r", shape=self.shape)

    def write(self, rows: Sequence[int] | np.ndarray, values: np.ndarray) -> None:
        """Stores rows and marks them as done.

        Args:
            rows: Indices of the rows.
            values: Array of shape `(len(rows), *row_shape)`; rounded to float16.

        Raises:
            CrackdetError: If the values do not fit in float16, or the disk is full.
        """
        with np.errstate(over="ignore"):
            rounded = np.ascontiguousarray(values, np.float16)
        if rounded.shape != (len(rows), *self.row_shape):
            raise ValueError(f"Expected rows of {self.row_shape}. Received: {rounded.shape}")
        if not np.isfinite(rounded).all():
            raise CrackdetError("The model's features are not finite in float16: do not cache it.")
        try:
            with open(self.folder / ROWS, "r+b") as file:
                for row, value in zip(rows, rounded, strict=True):
                    file.seek(int(row) * self.row_bytes)
                    file.write(value.tobytes())
                file.flush()
                os.fsync(file.fileno())
            with open(self.folder / MARKS, "r+b") as file:
                for row in rows:
                    file.seek(int(row))
                    file.write(b"\x01")
        except OSError as error:
            raise CrackdetError(
                f"Cannot write cached features to {self.folder}: {error.strerror}. Free disk "
                "space or choose another folder."
            ) from error

    def _hold(self) -> bool:
        """Locks the table for as long as this object lives, unless it was removed meanwhile."""
        descriptor = share(self.folder / LOCK)
        if descriptor is None:
            return False
        weakref.finalize(self, os.close, descriptor)
        return self._is_whole()

    def _is_whole(self) -> bool:
        """Whether the files are there, belong to `meta` and have their full lengths."""
        try:
            return (
                read_json(self.folder / RECORD) == self.meta
                and os.path.getsize(self.folder / ROWS) == self.count * self.row_bytes
                and os.path.getsize(self.folder / MARKS) == self.count
            )
        except (OSError, ValueError):
            return False

    def _create(self) -> None:
        # Made aside and renamed, so that another process finds it whole or not at all. Rows are a
        # sparse file, which takes disk space only as it fills.
        aside = None
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.", dir=self.folder.parent))
            with open(aside / ROWS, "wb") as file:
                file.truncate(self.count * self.row_bytes)
            (aside / MARKS).write_bytes(bytes(self.count))
            write_json(aside / RECORD, self.meta)
            # Who removes tables takes one without a lock for one that nobody opens.
            (aside / LOCK).touch()
            if self.folder.exists() and not self._is_whole():
                os.rename(self.folder, aside / "damaged")
            os.rename(aside, self.folder)  # fails where another process was first
            shutil.rmtree(self.folder / "damaged", ignore_errors=True)
        except OSError as error:
            if aside is not None:
                shutil.rmtree(aside, ignore_errors=True)
            # What is not found was there a moment ago: another process removed a folder that it
            # found empty. `open` tries again.
            if not isinstance(error, FileNotFoundError) and not self._is_whole():
                raise CrackdetError(
                    f"Cannot make a cache in {self.folder}: {error.strerror}. Free disk space or "
                    "choose another folder."
                ) from error


def _reopen(folder: Path, meta: dict[str, Any]) -> FeatureTable:
    table = FeatureTable.find(folder, meta)
    if table is None:
        raise CrackdetError(f"The cached features in {folder} are gone; compute them again.")
    return table
