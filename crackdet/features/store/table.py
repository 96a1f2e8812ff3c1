"""Float16 tables on disk, one row an image, filled bit by bit and never half right."""

import math
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
from crackdet.locks import hold_shared, open_touched

LOCK, MARKS, ROWS, RECORD = "lock", "done", "rows.f16", "table.json"
LABELS, MASKS = "labels.i32", "masks.f16"

# Of making a table that another process may be removing at the same moment.
ATTEMPTS = 10

# The smallest number that float16 holds with all its digits.
SMALLEST = float(np.finfo(np.float16).tiny)


class FeatureTable:
    """Rows of features on disk with a mark for each row that is done.

    `table.json` says what the rows are, `rows.f16` holds them, `labels.i32` their labels where a
    view has labels of its own, `masks.f16` where in them cracks were painted, `done` holds one byte
    for each row, and `lock` is locked by every process that has the table open, so that nobody
    removes it under another's hands; its time is that of the last use. A row is marked only after
    its values have reached the disk, so a process killed in between leaves it undone, not wrong.
    Several processes may fill one table: a row's values are the same whoever writes them.

    Rows are written by calls that report a full disk, and read through a memory map. Where several
    tensors cross a boundary, a row holds them flat, one after the other.

    Args:
        folder: The table's folder.
        meta: What names the table; of it are read `rows`, the number of rows; `row_shapes`, the
            shape of each tensor of a row; `labels`, whether rows have labels; and `masks`, the rows
            and columns of a row's mask where there are masks.
        locks: Whether to hold the lock while the table is open.
    """

    def __init__(self, folder: Path, meta: dict[str, Any], *, locks: bool = True):
        self.folder = folder
        self.meta = meta
        self.count = int(meta["rows"])
        self.row_shapes = [tuple(shape) for shape in meta["row_shapes"]]
        self.row_size = row_size(meta)
        self.row_bytes = row_bytes(meta)
        self.has_labels = bool(meta.get("labels"))
        self.mask_shape = mask_shape(meta)
        self._locks = locks

    @classmethod
    def find(
        cls, folder: Path, meta: dict[str, Any], *, locks: bool = True
    ) -> "FeatureTable | None":
        """Opens the table in `folder`; None when there is no whole one for `meta`."""
        table = cls(folder, meta, locks=locks)
        return table if table._is_whole() and table._hold() else None

    @classmethod
    def open(cls, folder: Path, meta: dict[str, Any], *, locks: bool = True) -> "FeatureTable":
        """Opens the table in `folder`, or makes an empty one when there is none for `meta`."""
        for _ in range(ATTEMPTS):
            table = cls.find(folder, meta, locks=locks)
            if table is not None:
                return table
            cls(folder, meta)._create()
        raise CrackdetError(f"Cannot make a cache in {folder}: other processes keep removing it.")

    def __reduce__(self) -> tuple:
        return _reopen, (self.folder, self.meta, self._locks)

    def done(self) -> np.ndarray:
        """Returns for each row whether it is there, bool `(count,)`."""
        return np.fromfile(self.folder / MARKS, np.uint8).astype(bool)

    def values(self) -> np.ndarray:
        """Returns all rows as a read-only memory map, float16 `(count, row_size)`."""
        shape = (self.count, self.row_size)
        return np.memmap(self.folder / ROWS, np.float16, "r", shape=shape)

    def labels(self) -> np.ndarray | None:
        """Returns the label of each row, int32 `(count,)`; None where rows have none."""
        return np.fromfile(self.folder / LABELS, np.int32) if self.has_labels else None

    def masks(self) -> np.ndarray | None:
        """Returns the mask of each row as a read-only memory map; None where rows have none."""
        shape = (self.count, *self.mask_shape)
        return np.memmap(self.folder / MASKS, np.float16, "r", shape=shape) if shape[1:] else None

    def tensors(self, values: np.ndarray) -> list[np.ndarray]:
        """Returns some rows, `(any, row_size)`, as the tensors that they consist of."""
        ends = np.cumsum([math.prod(shape) for shape in self.row_shapes])[:-1]
        parts = np.split(values, ends, axis=1) if len(ends) else [values]
        return [
            part.reshape(len(values), *shape)
            for part, shape in zip(parts, self.row_shapes, strict=True)
        ]

    def write(
        self,
        rows: Sequence[int] | np.ndarray,
        values: np.ndarray,
        labels: np.ndarray | None = None,
        masks: np.ndarray | None = None,
    ) -> None:
        """Stores rows and marks them as done.

        Args:
            rows: Indices of the rows.
            values: Array of shape `(len(rows), row_size)`; rounded to float16.
            labels: The label of each row, where the table has labels.
            masks: The mask of each row, where the table has masks.

        Raises:
            CrackdetError: If the values are too large or too small for float16, or the disk is
                full.
        """
        rounded = self._rounded(values)
        if rounded.shape != (len(rows), self.row_size):
            raise ValueError(f"Expected rows of {self.row_size}. Received: {rounded.shape}")
        if self.has_labels != (labels is not None):
            raise ValueError("Expected labels of the rows where the table has labels, else None.")
        if bool(self.mask_shape) != (masks is not None):
            raise ValueError("Expected masks of the rows where the table has masks, else None.")
        try:
            self._write_rows(ROWS, rows, rounded)
            if labels is not None:
                self._write_rows(LABELS, rows, np.asarray(labels, np.int32))
            if masks is not None:
                self._write_rows(MASKS, rows, np.ascontiguousarray(masks, np.float16))
            self._mark(rows)
        except OSError as error:
            raise CrackdetError(
                f"Cannot write cached features to {self.folder}: {error.strerror}. Free disk "
                "space or choose another folder."
            ) from error

    def _rounded(self, values: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", under="ignore"):
            rounded = np.ascontiguousarray(values, np.float16)
        if not np.isfinite(rounded).all():
            raise CrackdetError("The model's features are not finite in float16: do not cache it.")
        largest = np.abs(values).max(axis=1, initial=0.0)
        vanished = (largest > 0) & (largest < SMALLEST)
        if vanished.any():
            raise CrackdetError(
                f"The model's features, {largest[vanished].min():.1e} at most, are too small for "
                "the float16 of the cache: its weights are random, perhaps. Start from trained "
                "weights, or train without cached features: views=None, or --views none."
            )
        return rounded

    def _write_rows(self, name: str, rows: Sequence[int] | np.ndarray, values: np.ndarray) -> None:
        """Writes rows into a file, and waits until they are on the disk."""
        with open(self.folder / name, "r+b") as file:
            for row, value in zip(rows, values, strict=True):
                file.seek(int(row) * value.nbytes)
                file.write(value.tobytes())
            file.flush()
            os.fsync(file.fileno())

    def _mark(self, rows: Sequence[int] | np.ndarray) -> None:
        with open(self.folder / MARKS, "r+b") as file:
            for row in rows:
                file.seek(int(row))
                file.write(b"\x01")

    def _hold(self) -> bool:
        """Locks the table for as long as this object lives, unless it was removed meanwhile."""
        lock = self.folder / LOCK
        descriptor = hold_shared(lock) if self._locks else open_touched(lock)
        if descriptor is None:
            return False
        weakref.finalize(self, os.close, descriptor)
        return self._is_whole()

    def _is_whole(self) -> bool:
        """Whether the files are there, belong to `meta` and have their full lengths."""
        try:
            return read_json(self.folder / RECORD) == self.meta and all(
                os.path.getsize(self.folder / name) == size for name, size in self._sizes().items()
            )
        except (OSError, ValueError):
            return False

    def _sizes(self) -> dict[str, int]:
        """Returns the length of each file."""
        sizes = {ROWS: self.count * 2 * self.row_size, MARKS: self.count}
        if self.has_labels:
            sizes[LABELS] = 4 * self.count
        if self.mask_shape:
            sizes[MASKS] = 2 * self.count * math.prod(self.mask_shape)
        return sizes

    def _create(self) -> None:
        # Made aside and renamed, so that another process finds it whole or not at all. Rows are a
        # sparse file, which takes disk space only as it fills.
        aside = None
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.", dir=self.folder.parent))
            for name, size in self._sizes().items():
                with open(aside / name, "wb") as file:
                    file.truncate(size)
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


def row_size(meta: dict[str, Any]) -> int:
    """Returns the numbers in a row of a table."""
    return sum(math.prod(shape) for shape in meta["row_shapes"])


def row_bytes(meta: dict[str, Any]) -> int:
    """Returns the bytes that a row of a table takes."""
    beside = (4 if meta.get("labels") else 0) + 2 * math.prod(mask_shape(meta) or (0,))
    return 2 * row_size(meta) + beside


def mask_shape(meta: dict[str, Any]) -> tuple[int, ...]:
    """Returns the rows and columns of the masks of a table; nothing where it has none."""
    return tuple(meta.get("masks") or ())


def _reopen(folder: Path, meta: dict[str, Any], locks: bool) -> FeatureTable:
    table = FeatureTable.find(folder, meta, locks=locks)
    if table is None:
        raise CrackdetError(f"The cached features in {folder} are gone; compute them again.")
    return table
