"""Tables in a folder that is bounded: what goes first, what stays, what a removal spares."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crackdet.features import CacheTooSmall, FeatureCache
from crackdet.features.store import FeatureStore, StoredTable
from crackdet.features.store import store as module
from crackdet.features.store.table import LOCK, FeatureTable

ROW = 250_000  # numbers in a row: half a megabyte


def meta(name: str, rows: int = 4) -> dict[str, Any]:
    return {"universe": "ab" * 12, "rows": rows, "row_shapes": [[ROW]], "prefix": name, "depth": 1}


def make_table(directory: Path, name: str, rows: int = 4) -> FeatureTable:
    table = FeatureStore(directory).open(meta(name))
    table.write(np.arange(rows), np.ones((rows, ROW), np.float32))
    return table


def names(directory: Path) -> list[str]:
    return [table.meta["prefix"] for table in FeatureStore(directory).tables()]


def only_table(directory: Path) -> StoredTable:
    (stored,) = FeatureStore(directory).tables()
    return stored


def make_room(directory: Path, needed: int, limit: int) -> None:
    FeatureStore(directory, max_bytes=limit).make_room(needed, "Features")


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    for age, name in enumerate(["new", "old", "oldest"]):
        folder = make_table(tmp_path, name).folder
        os.utime(folder / "lock", (1e9 - age, 1e9 - age))
    assert names(tmp_path) == ["oldest", "old", "new"]
    make_room(tmp_path, 1_900_000, 8_100_000)
    assert names(tmp_path) == ["oldest", "old", "new"], "it fits as it is"
    FeatureStore(tmp_path).find(meta("oldest"))
    assert names(tmp_path)[-1] == "oldest", "reading is a use"
    make_room(tmp_path, 1_900_000, 6_100_000)
    assert names(tmp_path) == ["new", "oldest"]


def test_a_removal_spares_the_table_that_comes_in_the_place_of_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the first file of a table is gone, another process may make it anew."""
    make_table(tmp_path, "one")
    stored = only_table(tmp_path)
    unlink, made = os.unlink, []

    def unlink_slowly(path: Any, **options: Any) -> None:
        unlink(path, **options)
        if not made:
            made.append(None)
            made.append(make_table(tmp_path, "one"))

    monkeypatch.setattr(os, "unlink", unlink_slowly)
    stored.remove()
    monkeypatch.undo()
    assert names(tmp_path) == ["one"]
    assert made[-1].done().all()
    assert only_table(tmp_path).in_use()


def test_a_removal_without_a_lock_spares_the_table_that_comes_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process has just removed it, lock and all."""
    (make_table(tmp_path, "one").folder / LOCK).unlink()
    stored = only_table(tmp_path)
    lock, made = module.try_exclusive, []

    def late(*args: Any) -> Any:
        if not made:
            os.rename(stored.folder, tmp_path / "before")
            made.append(make_table(tmp_path, "one"))
        return lock(*args)

    monkeypatch.setattr(module, "try_exclusive", late)
    stored.remove()
    assert made[0].done().all()
    assert names(tmp_path) == ["one"]


def test_only_rows_that_are_there_count(tmp_path: Path) -> None:
    make_table(tmp_path, "sparse", rows=1)
    stored = only_table(tmp_path)
    assert stored.done == 1
    assert 500_000 <= stored.size < 600_000


def test_what_cannot_fit_is_told_and_evicts_nothing(tmp_path: Path) -> None:
    used = make_table(tmp_path, "used")
    make_table(tmp_path, "idle")
    with pytest.raises(CacheTooSmall, match=r"Features need 0.005 GB.*--cache-gb"):
        make_room(tmp_path, 5_000_000, 6_000_000)
    assert sorted(names(tmp_path)) == ["idle", "used"]
    make_room(tmp_path, 3_000_000, 6_000_000)
    assert names(tmp_path) == ["used"]
    assert used.values()[3, 0] == 1


def test_the_default_budget_is_a_quarter_of_what_would_be_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_table(tmp_path, "one")
    held = only_table(tmp_path).size
    monkeypatch.setattr(FeatureStore, "_free", lambda store: 8 * 10**9 - held)
    assert FeatureCache(tmp_path).max_bytes == 2 * 10**9
    assert FeatureCache(tmp_path, max_gb=0.5).max_bytes == 0.5 * 10**9
    with pytest.raises(ValueError, match="max_gb"):
        FeatureCache(tmp_path, max_gb=0)
