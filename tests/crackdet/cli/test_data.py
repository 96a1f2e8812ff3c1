"""`crackdet data`: build, info, group and check."""

import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crackdet.files import read_csv
from tfds_builder import grouping
from tfds_builder.concrete_cracks import concrete_cracks_dataset_builder
from tfds_builder.concrete_cracks.procedural import demo_photo


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_check_finds_what_is_wrong_with_a_folder(
    crackdet: Callable[..., Any], leaking: Path, tmp_path: Path
) -> None:
    outcome = crackdet("data", "check", leaking, "--out", tmp_path / "found.csv", "--verbose", "0")
    assert outcome.code == 0, outcome.err
    assert "10 readable images, 2 unreadable files" in outcome.out
    assert "1 exact copies (9 distinct files)" in outcome.out
    assert "3 pairs in different splits" in outcome.out
    assert "test images, cracked: 66.7% have a twin in train, 100.0% a twin or" in outcome.out
    assert "test images, sound: 0.0% have a twin in train, 0.0% a twin or" in outcome.out

    found = {(row["finding"], row["first"], row["second"]) for row in rows(tmp_path / "found.csv")}
    assert {
        ("unreadable", "test/sound/cut.jpg", ""),
        ("unreadable", "test/sound/empty.jpg", ""),
        ("copy", "test/cracked/copy.jpg", "train/cracked/1.jpg"),
        ("twin", "test/cracked/mirrored.jpg", "train/cracked/3.jpg"),
        ("overlap", "test/cracked/shifted.jpg", "train/cracked/5.jpg"),
    } == found
    (overlap,) = [r for r in rows(tmp_path / "found.csv") if r["finding"] == "overlap"]
    assert (abs(int(overlap["dy"])), abs(int(overlap["dx"]))) == (60, 40)
    assert (overlap["first_split"], overlap["second_split"]) == ("test", "train")


def test_strict_fails_on_leakage_only(
    crackdet: Callable[..., Any], leaking: Path, tmp_path: Path
) -> None:
    assert crackdet("data", "check", leaking, "--strict", "--verbose", "0").code == 1
    clean = tmp_path / "clean"
    shutil.copytree(leaking / "train", clean / "train")
    (clean / "test" / "sound").mkdir(parents=True)
    pixels = demo_photo(30, height=200, width=200, seed=5, cracked=False)[0]
    Image.fromarray(pixels).save(clean / "test" / "sound" / "0.jpg")
    assert crackdet("data", "check", clean, "--strict", "--verbose", "0").code == 0


def test_check_reads_a_folder_without_classes_or_splits(
    crackdet: Callable[..., Any], leaking: Path, tmp_path: Path
) -> None:
    for path in (leaking / "train" / "cracked").iterdir():
        shutil.copy(path, tmp_path / path.name)
    with Image.open(tmp_path / "1.jpg") as image:
        image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.tif")
    outcome = crackdet("data", "check", tmp_path, "--verbose", "0")
    assert outcome.code == 0, outcome.err
    assert "1 pairs of twins" in outcome.out
    assert "no leakage between splits to look for" in outcome.out


def test_check_lists_and_names_as_every_command_does(
    crackdet: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "walls"
    for number, name in enumerate((b"crack/\xff.jfif", b"crack/\xff.copy.jfif", b"sound/b.png")):
        path = folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (32, 32), 90 + number // 2).save(path, "PNG")
    Image.new("L", (1, 1)).save(folder / "sound" / "dot.png")
    (folder / "film.mov").touch()
    out = tmp_path / "found.csv"
    outcome = crackdet("data", "check", folder, "--out", out, "--verbose", "0")
    assert outcome.code == 0, outcome.err
    assert "1 file skipped: 1 .mov" in outcome.out
    assert "dot.png: 1x1 pixels are no patch" in outcome.out
    assert "3 readable images, 1 unreadable files" in outcome.out
    out.read_text("utf-8")
    first = next(row["first"] for row in read_csv(out) if row["finding"] == "copy")
    assert os.fsencode(first) in (b"crack/\xff.jfif", b"crack/\xff.copy.jfif")


def test_a_folder_without_images_is_an_error(crackdet: Callable[..., Any], tmp_path: Path) -> None:
    outcome = crackdet("data", "check", tmp_path)
    assert outcome.code == 1
    assert f"{tmp_path} holds no images" in outcome.err


def test_what_is_amiss_is_said_once_and_on_a_line_of_its_own(
    crackdet: Callable[..., Any], folder: Path, tmp_path: Path
) -> None:
    """It stood in a warning and again in a paragraph of all notes."""
    patches = tmp_path / "patches"
    shutil.copytree(folder, patches)
    (patches / "positive" / "empty.jpg").touch()
    (patches / "film.mov").touch()
    options = ("--no-audit", "--verbose", "0")
    info = crackdet("data", "info", patches, *options)
    assert (info.code, info.err) == (0, "")
    lines = info.out.splitlines()
    assert "1 file skipped: 1 .mov." in lines
    assert [line for line in lines if line.startswith("1 picture was left out. Cannot read")]
    absent = crackdet("data", "info", patches, *options, "--groups", tmp_path / "none.csv")
    assert absent.code == 1
    assert absent.err.count("1 file skipped: 1 .mov.") == absent.err.count("Check the path.") == 1


@pytest.mark.parametrize(
    ("kept", "counts", "hindrance"),
    [
        ("test/crack test/no_crack", "2 images in 2 groups: 1 negative, 1 positive", "only test"),
        ("crack", "1 images in 1 groups: 0 negative, 1 positive", "class 'negative': add"),
    ],
)
def test_info_counts_what_can_only_be_measured(
    crackdet: Callable[..., Any], tmp_path: Path, kept: str, counts: str, hindrance: str
) -> None:
    """It said what training lacks, and counted nothing."""
    for level, name in enumerate(kept.split()):
        (tmp_path / name).mkdir(parents=True)
        Image.new("RGB", (32, 32), (90 * level, 9, 9)).save(tmp_path / name / "a.png")
    info = crackdet("data", "info", tmp_path, "--verbose", "0")
    assert (info.code, info.err) == (0, "")
    assert f"test  {counts}" in info.out
    assert hindrance in info.out
    assert "train  0" not in info.out
    assert f"crackdet evaluate MODEL --data {tmp_path}" in info.out


def test_info_and_group_agree_on_a_folder(
    crackdet: Callable[..., Any], folder: Path, tmp_path: Path
) -> None:
    options = ("--validation-fraction", "0.25", "--test-fraction", "0.25", "--verbose", "0")
    info = crackdet("data", "info", folder, *options)
    assert info.code == 0, info.err
    out = tmp_path / "groups.csv"
    assert crackdet("data", "group", folder, *options, "--out", out).code == 0
    table = rows(out)
    assert {row["path"] for row in table} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")
    }
    splits_of_group: dict[str, set[str]] = {}
    for row in table:
        splits_of_group.setdefault(row["group"], set()).add(row["split"])
        assert row["label"] == row["path"].split("/")[0]
    assert {len(splits) for splits in splits_of_group.values()} == {1}
    for split in ("train", "validation", "test"):
        images = [row for row in table if row["split"] == split]
        groups = {row["group"] for row in images}
        assert f"{split}  {len(images)} images in {len(groups)} groups" in info.out


def test_the_demo_is_built_described_and_checked(
    crackdet: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concrete_cracks_dataset_builder, "DEMO_IMAGES", 40)
    place = ("--data-dir", tmp_path)
    built = crackdet("data", "build", "demo", *place)
    assert built.code == 0, built.err
    path = Path(built.out.splitlines()[-2].removeprefix("Built: "))
    assert path.is_relative_to(tmp_path)
    assert list(path.glob("*.array_record*"))
    info = crackdet("data", "info", "demo", *place, "--verbose", "0")
    assert "train  32 images" in info.out

    # What is alike is found where the grouping is tested.
    def first_with_last(images: list[bytes], **_: object) -> grouping.Links:
        assert len(images) == 40
        row = [np.array([value]) for value in (0, 39, grouping.TWIN, 4, 0, 0)]
        return grouping.Links(*row, correlation=np.array([0.99]))

    monkeypatch.setattr(grouping, "find_links", first_with_last)
    out = tmp_path / "found.csv"
    checked = crackdet("data", "check", "demo", *place, "--strict", "--verbose", "0", "--out", out)
    assert checked.code == 1
    assert "1 pairs in different splits" in checked.out
    (row,) = rows(out)
    assert (row["finding"], row["first_split"], row["second_split"]) == ("twin", "train", "test")


@pytest.mark.parametrize("source", ["imagenet", "concrete_cracks/best", "no/such/folder"])
def test_only_known_data_sets_are_built(
    crackdet: Callable[..., Any], tmp_path: Path, source: str
) -> None:
    outcome = crackdet("data", "build", source, "--data-dir", tmp_path)
    assert outcome.code == 1
    assert len(outcome.err.splitlines()) == 1
    assert source.rpartition("/")[2] in outcome.err


def test_an_absent_source_is_named_with_what_may_be_given(crackdet: Callable[..., Any]) -> None:
    outcome = crackdet("data", "info", "walls")
    assert outcome.code == 1
    assert "'walls'" in outcome.err
    assert "concrete_cracks" in outcome.err
