"""Groups and leaks on the command line: --group-by, --groups, --no-audit, --strict."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crackdet.data import load_data


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six flat tiles of each of five photos a class; every tile has a grey of its own."""
    for number in range(10):
        for tile in range(6):
            label = ("crack", "sound")[number % 2]
            path = tmp_path / "photos" / label / f"IMG{number}_{tile}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (16, 16), 6 * number + tile).save(path)
    return tmp_path / "photos"


def groups_of(path: Path) -> dict[str, str]:
    with open(path, newline="", encoding="utf-8") as file:
        return {row["path"]: row["group"] for row in csv.DictReader(file)}


def partition(groups: dict[str, Any]) -> set[frozenset[str]]:
    return {
        frozenset(key for key, each in groups.items() if each == group)
        for group in set(groups.values())
    }


def test_tiles_of_one_photo_that_share_no_pixel_stay_together(
    crackdet: Callable[..., Any], photos: Path
) -> None:
    info = crackdet("data", "info", photos, "--group-by", r"(IMG\d+)_", "--verbose", "0")
    assert info.code == 0, info.err
    assert "60 pictures into 10 groups" in info.out
    counts = [line.split() for line in info.out.splitlines() if " images in " in line]
    assert [(int(c[1]), int(c[4])) for c in counts] == [(36, 6), (12, 2), (12, 2)]


def test_the_table_of_data_group_is_taken_back(
    crackdet: Callable[..., Any], photos: Path, tmp_path: Path
) -> None:
    """Its column of paths was called key, and nothing read it."""
    table, again = tmp_path / "groups.csv", tmp_path / "again.csv"
    quiet = ("--no-audit", "--verbose", "0")
    grouped = crackdet("data", "group", photos, "--group-by", r"(IMG\d+)_", *quiet, "--out", table)
    assert grouped.code == 0, grouped.err
    assert f"--groups {table}" in grouped.out
    assert crackdet("data", "group", photos, "--groups", table, *quiet, "--out", again).code == 0
    assert partition(groups_of(again)) == partition(groups_of(table))
    assert len(set(groups_of(table).values())) == 10
    data = load_data(photos, groups=table, audit=False, verbose=0)
    loaded = {
        key: group
        for split in data.splits.values()
        for key, group in zip(split.keys, split.groups, strict=True)
    }
    assert partition(loaded) == partition(groups_of(table))


@pytest.mark.parametrize(
    ("group_by", "message"),
    [("(IMG", "no regular expression"), ("IMG", "has no group"), ("(XYZ)", "matches none")],
)
def test_an_expression_that_says_nothing_is_bad_usage(
    crackdet: Callable[..., Any], photos: Path, group_by: str, message: str
) -> None:
    for what in ("info", "check"):
        outcome = crackdet("data", what, photos, "--group-by", group_by, "--verbose", "0")
        assert outcome.code == 2
        assert message in outcome.err
        assert len(outcome.err.splitlines()) == 1


def test_info_tells_what_a_folder_holds_that_cannot_be_cut(
    crackdet: Callable[..., Any], photos: Path
) -> None:
    options = ("--group-by", "(sound|IMG.)", "--verbose", "0")
    info = crackdet("data", "info", photos, *options)
    assert info.code == 0, info.err
    assert "60 images in 6 groups" in info.out
    assert "30 pictures in 1 group. Add pictures of other walls" in info.out
    cut = ("--folds", "none", *options)
    refused = crackdet("train", "--data", photos, "--out", photos.parent / "run", *cut)
    assert refused.code == 1
    assert "cannot be cut into splits that each hold whole groups" in refused.err


def test_info_counts_test_images_that_are_known_from_train(
    crackdet: Callable[..., Any], leaking: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(leaking, tmp_path / "leaking")
    for grey, label in enumerate(("cracked", "sound")):
        (folder / "val" / label).mkdir(parents=True)
        Image.new("L", (16, 16), grey).save(folder / "val" / label / "flat.png")
    for damaged in ("cut", "empty"):
        (folder / "test" / "sound" / f"{damaged}.jpg").unlink()
    info = crackdet("data", "info", folder, "--verbose", "0")
    assert info.code == 0, info.err
    assert (
        "3 of 4 test images are known from train: 1 as exact copies, 1 as twins (mirrored, rotated "
        "or compressed again), 1 as overlapping crops." in info.out
    )
    quick = crackdet("data", "info", folder, "--verbose", "0", "--no-audit")
    assert "1 of 4 test images is known from train: 1 as exact copies." in quick.out
    assert "were not looked for" in quick.out


def test_strict_makes_any_finding_an_error(crackdet: Callable[..., Any], photos: Path) -> None:
    rough = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)
    Image.fromarray(rough).save(photos / "crack" / "twice.png")
    strict = ("--strict", "--verbose", "0")
    for what in ("info", "check"):
        assert crackdet("data", what, photos, *strict).code == 0
    Image.fromarray(rough).save(photos / "sound" / "twice.png")
    for what in ("info", "check"):
        outcome = crackdet("data", what, photos, *strict)
        assert outcome.code == 1
        assert "crack/twice.png = sound/twice.png" in outcome.out + outcome.err
    assert crackdet("data", "check", photos, "--verbose", "0").code == 0
    (photos / "sound" / "twice.png").write_bytes(b"no picture")
    for what in ("info", "check"):
        outcome = crackdet("data", what, photos, *strict)
        assert outcome.code == 1
        assert "twice.png" in outcome.out + outcome.err


def test_check_joins_the_groups_that_are_given(
    crackdet: Callable[..., Any], photos: Path, tmp_path: Path
) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("path,group\ncrack/IMG0_0.png,a\ncrack/IMG2_0.png,a\n", "utf-8")
    options = ("--group-by", r"(IMG\d+)_", "--groups", table, "--verbose", "0")
    outcome = crackdet("data", "check", photos, *options)
    assert outcome.code == 0, outcome.err
    assert "9 groups, the largest of 12 images" in outcome.out


def test_check_knows_given_groups_across_splits(
    crackdet: Callable[..., Any], tmp_path: Path
) -> None:
    names = ("train/crack/IMG0_0", "train/sound/IMG1_0", "test/crack/IMG0_1", "test/sound/IMG2_0")
    for grey, name in enumerate(names):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16), grey).save(path)
    strict = ("--strict", "--verbose", "0")
    assert crackdet("data", "check", tmp_path, *strict).code == 0
    outcome = crackdet("data", "check", tmp_path, *strict, "--group-by", r"(IMG\d+)_")
    assert outcome.code == 1
    assert "1 of 2 test images is known from train: 1 by their group." in outcome.out
