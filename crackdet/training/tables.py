"""Float16 tables on disk, one row an image, filled bit by bit and never half right."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crackdet.errors import CrackdetError
from crackdet.files import read_json, write_json


class FeatureTable:
    """Rows of features on disk with a mark for each row that is done.

    Three files: `table.json` says what the rows are, `rows.f16` holds them, `done` holds one byte
    for each row. A row is marked only after its values have reached the disk, so a process killed
    in between leaves it undone, not wrong. Several processes may fill one table: a row's values
    are the same whoever writes them.

    Rows are written by calls that report a full disk, and read through a memory map.
    """

    def __init__(self, folder: Path, meta: dict[str, Any]):
        self.folder = folder
        self.meta = meta
        self.count = int(meta["rows"])
        self.row_shape = tuple(meta["row_shape"])

    @classmethod
    def open(cls, folder: Path, meta: dict[str, Any]) -> "FeatureTable":
        """Opens the table in `folder`, or makes an empty one when there is none for `meta`."""
        table = cls(folder, meta)
        if not table._is_whole():
            table._create()
        return table

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all rows together."""
        return (self.count, *self.row_shape)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return 2 * int(np.prod(self.row_shape))

    def done(self) -> np.ndarray:
        """Returns for each row whether it is there, bool `(count,)`."""
        return np.fromfile(self.folder / "done", np.uint8).astype(bool)

    def values(self) -> np.ndarray:
        """Returns all rows as a read-only memory map, float16."""
        return np.memmap(self.folder / "rows.f16", np.float16, "r", shape=self.shape)

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
            with open(self.folder / "rows.f16", "r+b") as file:
                for row, value in zip(rows, rounded, strict=True):
                    file.seek(int(row) * self.row_bytes)
                    file.write(value.tobytes())
                file.flush()
                os.fsync(file.fileno())
            with open(self.folder / "done", "r+b") as file:
                for row in rows:
                    file.seek(int(row))
                    file.write(b"\x01")
        except OSError as error:
            raise CrackdetError(
                f"Cannot write cached features to {self.folder}: {error.strerror}. Free disk "
                "space or choose another folder."
            ) from error

    def _is_whole(self) -> bool:
        """Whether the files are there, belong to `meta` and have their full lengths."""
        try:
            return (
                read_json(self.folder / "table.json") == self.meta
                and os.path.getsize(self.folder / "rows.f16") == self.count * self.row_bytes
                and os.path.getsize(self.folder / "done") == self.count
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
            with open(aside / "rows.f16", "wb") as file:
                file.truncate(self.count * self.row_bytes)
            (aside / "done").write_bytes(bytes(self.count))
            write_json(aside / "table.json", self.meta)
            if self.folder.exists() and not self._is_whole():
                os.rename(self.folder, aside / "damaged")
            os.rename(aside, self.folder)  # fails where another process was first
            shutil.rmtree(self.folder / "damaged", ignore_errors=True)
        except OSError as error:
            if aside is not None:
                shutil.rmtree(aside, ignore_errors=True)
            if not self._is_whole():
                raise CrackdetError(
                    f"Cannot make a cache in {self.folder}: {error.strerror}. Free disk space or "
                    "choose another folder."
                ) from error
