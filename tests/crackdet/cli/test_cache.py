"""`crackdet cache list|clear`, and the budget of the commands that fill a cache."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crackdet import models
from crackdet.features.store import FeatureStore, FeatureTable
from crackdet.features.store.store import FILLING_LOCK
from tests.crackdet.cli.conftest import TINY, TINY_FIT, Outcome
from tests.standin import standin_classifier

Command = Callable[..., Outcome]


def make_table(directory: Path, depth: int, rows: int = 3) -> FeatureTable:
    meta = {
        "universe": "ab" * 12, "image_size": [64, 64], "preprocessing": 1, "view": 1,
        "augmentation": None, "rows": 5, "depth": depth, "prefix": "x", "row_shapes": [[50_000]],
    }  # fmt: skip
    table = FeatureStore(directory).open(meta)
    table.write(np.arange(rows), np.ones((rows, 50_000), np.float32))
    (directory / FILLING_LOCK).touch()
    return table


def test_the_list_says_what_is_there(crackdet: Command, tmp_path: Path) -> None:
    make_table(tmp_path, 2)
    make_table(tmp_path, 6, rows=5)
    outcome = crackdet("cache", "list", "--cache-dir", tmp_path)
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert len(lines) == 5
    assert {tuple(line.split()[:8]) for line in lines[2:4]} == {
        ("abababab", "64x64", "2", "1", "3", "of", "5", "0.000"),
        ("abababab", "64x64", "6", "1", "5", "of", "5", "0.001"),
    }
    assert lines[4] == "  total 0.001 GB in 2 tables"


def test_the_list_starts_without_keras(tmp_path: Path) -> None:
    make_table(tmp_path, 2)
    code = (
        "import sys; from crackdet.cli import main\n"
        f"main(['cache', 'list', '--cache-dir', {str(tmp_path)!r}])\n"
        "print('keras' in sys.modules, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False False", done.stderr


def test_clear_removes_tables_and_nothing_else(crackdet: Command, tmp_path: Path) -> None:
    make_table(tmp_path, 2)
    used = make_table(tmp_path, 6)
    (tmp_path / "notes.txt").write_text("mine")
    inside = used.folder.parent / "mine"
    inside.mkdir()
    (inside / "table.json").write_text("{}")  # a record that does not name its folder
    outcome = crackdet("cache", "clear", "--cache-dir", tmp_path)
    assert outcome.code == 0
    assert "removed 1 tables" in outcome.out
    assert "kept 64x64 pixels, depth 6, view 1: a running command uses it" in outcome.out
    assert used.folder.exists()
    del used
    assert "removed 1 tables" in crackdet("cache", "clear", "--cache-dir", tmp_path).out
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        FILLING_LOCK, "notes.txt", "table.json",
    ]  # fmt: skip


def test_a_table_with_a_strangers_file_in_it_keeps_that(crackdet: Command, tmp_path: Path) -> None:
    folder = make_table(tmp_path, 2).folder
    (folder / "mine.txt").write_text("mine")
    crackdet("cache", "clear", "--cache-dir", tmp_path)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_caches_below_the_current_folder_are_found(
    crackdet: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = crackdet("cache", "list")
    assert outcome.code == 1
    assert "name one with --cache-dir" in outcome.err
    for name in ("a", "b"):
        make_table(tmp_path / "runs" / name / "cache", 1)
    assert crackdet("cache", "list").out.count("total 0.000 GB in 1 tables") == 2


def test_what_is_no_cache_is_refused(crackdet: Command, tmp_path: Path) -> None:
    for word in ("list", "clear"):
        outcome = crackdet("cache", word, "--cache-dir", tmp_path)
        assert outcome.code == 1
        assert "holds no cached features" in outcome.err


def test_a_run_without_room_for_features_still_ends(
    crackdet: Command, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "new_classifier", standin_classifier)
    monkeypatch.setattr("crackdet.report.report.draw", lambda run: [])  # takes seconds
    small = ("--cache-gb", "0.00001")
    outcome = crackdet(
        "train", "--data", folder, "--out", tmp_path / "run", *TINY, *TINY_FIT, *small
    )
    assert outcome.code == 0, outcome.err
    (line,) = [line for line in outcome.err.splitlines() if "trains without it" in line]
    assert line.startswith("crackdet: ")
    assert "give more with --cache-gb" in line
    assert (tmp_path / "run" / "report.html").exists()
