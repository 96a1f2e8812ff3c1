"""Tables of features: whole or absent, never served damaged."""

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crackdet.errors import CrackdetError
from crackdet.features.store import table as tables
from crackdet.features.store.table import FeatureTable
from crackdet.locks import exclusive, is_held

META = {"rows": 20, "row_shapes": [[6]], "prefix": "abc"}


def values(rows: np.ndarray) -> np.ndarray:
    return np.broadcast_to(rows[:, None], (len(rows), 6)).astype(np.float32)


@pytest.fixture
def table(tmp_path: Path) -> FeatureTable:
    return FeatureTable.open(tmp_path / "one", META)


def test_rows_are_there_once_written(table: FeatureTable) -> None:
    assert not table.done().any()
    rows = np.array([17, 3, 4])
    table.write(rows, values(rows))
    again = FeatureTable.open(table.folder, META)
    assert np.flatnonzero(again.done()).tolist() == [3, 4, 17]
    np.testing.assert_array_equal(again.values()[rows], values(rows))
    with pytest.raises(ValueError, match="read-only"):
        again.values()[0] = 1


@pytest.mark.parametrize("damage", ["short rows", "short marks", "no marks", "bad json", "other"])
def test_a_damaged_table_is_begun_again(table: FeatureTable, damage: str) -> None:
    rows = np.arange(20)
    table.write(rows, values(rows))
    if damage == "short rows":
        (table.folder / "rows.f16").write_bytes(b"\0" * 100)
    elif damage == "short marks":
        (table.folder / "done").write_bytes(b"\1" * 19)
    elif damage == "no marks":
        (table.folder / "done").unlink()
    elif damage == "bad json":
        (table.folder / "table.json").write_text("{")
    else:
        (table.folder / "table.json").write_text(json.dumps({**META, "prefix": "xyz"}))
    again = FeatureTable.open(table.folder, META)
    assert not again.done().any()
    again.write(rows, values(rows))
    assert [path.name for path in table.folder.parent.iterdir()] == ["one"], "nothing lies around"


def test_what_float16_cannot_hold_is_refused(table: FeatureTable) -> None:
    for bad in (1e6, np.nan):
        with pytest.raises(CrackdetError, match="not finite"):
            table.write(np.array([1]), np.full((1, 6), bad))
    with pytest.raises(ValueError, match="Expected rows"):
        table.write(np.array([1, 2]), np.zeros((1, 6)))
    assert not table.done().any()


def test_a_full_disk_is_told_and_leaves_rows_undone(
    table: FeatureTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables.os, "fsync", full)
    with pytest.raises(CrackdetError, match="No space left on device"):
        table.write(np.array([1]), np.zeros((1, 6)))
    assert not table.done().any()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CrackdetError, match="choose another folder"):
        FeatureTable.open(tmp_path / "file" / "table", META)


def test_many_open_and_fill_one_table_at_once(tmp_path: Path) -> None:
    def work(start: int) -> None:
        table = FeatureTable.open(tmp_path / "shared", META)
        rows = (np.arange(12) + start) % 20
        table.write(rows, values(rows))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(0, 40, 5)))
    table = FeatureTable.open(tmp_path / "shared", META)
    assert table.done().all()
    np.testing.assert_array_equal(table.values(), values(np.arange(20)))
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_removed_while_a_table_is_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, make, removed = tmp_path / "universe" / "one", tables.tempfile.mkdtemp, []

    def make_after_removal(**options: Any) -> str:
        if not removed:
            removed.append(folder.parent)
            folder.parent.rmdir()  # as another process does that finds it empty
        return make(**options)

    monkeypatch.setattr(tables.tempfile, "mkdtemp", make_after_removal)
    assert FeatureTable.open(folder, META).values().shape == (20, 6)
    assert removed


def test_a_table_that_may_be_read_alone_is_read(
    table: FeatureTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.arange(20)
    table.write(rows, values(rows))
    opened = os.open

    def read_only(path: Any, flags: int, *mode: int) -> int:
        if flags & (os.O_RDWR | os.O_WRONLY):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", read_only)
    again = FeatureTable.find(table.folder, META)
    assert again is not None
    np.testing.assert_array_equal(again.values(), values(rows))
    assert is_held(table.folder / "lock")
    with (
        pytest.raises(CrackdetError, match=r"Cannot write to .*Permission denied"),
        exclusive(table.folder / "filling"),
    ):
        pass


def test_what_float16_would_make_zero_is_refused(table: FeatureTable) -> None:
    """As the features of random weights are, 1e-8 and less: a search over zeros names a best."""
    with pytest.raises(CrackdetError, match=r"4\.0e-08 at most, are too small .*trained weights"):
        table.write(np.array([1, 2]), np.array([[1.0] * 6, [4e-8] * 6], np.float32))
    assert not table.done().any()
    table.write(np.array([1, 2]), np.array([[1.0, 4e-8] * 3, [0.0] * 6], np.float32))
    assert table.done()[1:3].all(), "small ones beside large ones, and none at all, are features"
