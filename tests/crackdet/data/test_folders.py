"""Folders: which class and split a file belongs to, and what is left out."""

from collections.abc import Callable
from pathlib import Path

import pytest

from crackdet.data.folders import list_folder
from crackdet.errors import CrackdetError

MakeFolder = Callable[..., Path]


@pytest.mark.parametrize(
    ("negative", "positive"),
    [
        ("negative", "positive"),
        ("Negative", "Positive"),
        ("no_crack", "crack"),
        ("No Crack", "CRACK"),
        ("non-cracked", "cracked"),
        ("uncracked", "cracked"),
        ("UD", "CD"),
        ("uw", "cw"),
    ],
)
def test_known_names_give_negative_then_positive(
    make_folder: MakeFolder, negative: str, positive: str
) -> None:
    listing = list_folder(make_folder({f"{negative}/a.png": 1, f"{positive}/b.png": 2}))
    assert listing.class_names == ("negative", "positive")
    assert {image.key: image.label for image in listing.images} == {
        f"{negative}/a.png": 0,
        f"{positive}/b.png": 1,
    }


def test_other_names_are_sorted(make_folder: MakeFolder) -> None:
    listing = list_folder(make_folder({"spalled/a.png": 1, "clean/b.png": 2}))
    assert listing.class_names == ("clean", "spalled")
    assert [image.label for image in listing.images] == [0, 1]


def test_known_names_are_found_at_any_depth(make_folder: MakeFolder) -> None:
    files = {"D/CD/1.png": 1, "D/UD/2.png": 2, "P/CP/3.png": 3, "P/UP/sub/4.png": 4}
    listing = list_folder(make_folder(files))
    assert [(image.key, image.label) for image in listing.images] == [
        ("D/CD/1.png", 1),
        ("D/UD/2.png", 0),
        ("P/CP/3.png", 1),
        ("P/UP/sub/4.png", 0),
    ]


@pytest.mark.parametrize("names", [("train", "validation", "test"), ("Training", "valid", "TEST")])
def test_split_folders(make_folder: MakeFolder, names: tuple[str, str, str]) -> None:
    files = {
        f"{split}/{label}/{i}.png": i * 10 + j
        for i, split in enumerate(names)
        for j, label in enumerate(("negative", "positive"))
    }
    listing = list_folder(make_folder(files))
    assert {image.key.split("/")[0]: image.split for image in listing.images} == dict(
        zip(names, ("train", "validation", "test"), strict=True)
    )


def test_bad_pictures_are_named_and_left_out(make_folder: MakeFolder) -> None:
    folder = make_folder({"crack/a.png": 1, "no_crack/b.png": 2})
    (folder / "crack" / "empty.jpg").write_bytes(b"")
    (folder / "crack" / "text.jpg").write_text("no picture")
    (folder / "crack" / "cut.png").write_bytes((folder / "crack" / "a.png").read_bytes()[:40])
    (folder / "crack" / "notes.txt").write_text("not meant to be one")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "c.png").write_bytes((folder / "crack" / "a.png").read_bytes())
    calls: list[tuple[int, int, str]] = []
    listing = list_folder(folder, progress=lambda *call: calls.append(call))
    assert [image.key for image in listing.images] == ["crack/a.png", "no_crack/b.png"]
    assert len(listing.unreadable) == 3
    for name, reason in zip(("cut.png", "empty.jpg", "text.jpg"), listing.unreadable, strict=True):
        assert name in reason
    assert calls[-1] == (5, 5, "reading pictures")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no pictures"),
        ({"crack/a.png": 1}, "'negative'"),
        ({"a.png": 1, "crack/b.png": 2}, "in no class folder"),
        ({"one/a.png": 1}, r"1 classes \(one\)"),
        ({"one/a.png": 1, "two/a.png": 1, "three/a.png": 2}, "3 classes"),
        ({"test/crack/a.png": 1, "test/no_crack/b.png": 2}, "no train/"),
        ({"train/crack/a.png": 1, "other/b.png": 2}, "mixes split folders with 'other'"),
    ],
    ids=["empty", "one class", "loose", "one", "three", "no train", "mixed"],
)
def test_folders_that_make_no_data_set(
    make_folder: MakeFolder, tmp_path: Path, files: dict[str, int], message: str
) -> None:
    (tmp_path / "pictures").mkdir()
    with pytest.raises(CrackdetError, match=message):
        list_folder(make_folder(files))


def test_a_class_of_unreadable_pictures_is_refused(make_folder: MakeFolder) -> None:
    folder = make_folder({"crack/a.png": 1, "no_crack/b.png": 2})
    (folder / "crack" / "a.png").write_bytes(b"")
    with pytest.raises(CrackdetError, match="no readable picture of the class 'positive'"):
        list_folder(folder)
