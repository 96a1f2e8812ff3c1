"""Folders: which class and split a file belongs to, and what is left out."""

import hashlib
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crackdet.data.folders import bits_of, list_folder
from crackdet.errors import CrackdetError
from crackdet.images import load_pixels

MakeFolder = Callable[..., Path]


def test_known_names_give_negative_then_positive(make_folder: MakeFolder) -> None:
    listing = list_folder(make_folder({"Non-Cracks/a.png": 1, "Cracks/b.png": 2}))
    assert listing.class_names == ("negative", "positive")
    assert {image.key: image.label for image in listing.images} == {
        "Non-Cracks/a.png": 0,
        "Cracks/b.png": 1,
    }
    assert listing.classes == "Counts as cracked: folder 'Cracks'; as sound: folder 'Non-Cracks'."


def test_known_names_are_found_at_any_depth(make_folder: MakeFolder) -> None:
    files = {"D/CD/1.png": 1, "D/UD/2.png": 2, "P/CP/3.png": 3, "P/UP/sub/4.png": 4}
    listing = list_folder(make_folder(files))
    assert [(image.key, image.label) for image in listing.images] == [
        ("D/CD/1.png", 1),
        ("D/UD/2.png", 0),
        ("P/CP/3.png", 1),
        ("P/UP/sub/4.png", 0),
    ]


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


def test_hostile_files_stop_nothing_and_are_named(make_folder: MakeFolder) -> None:
    """The kinds stand in `tests/crackdet/test_listing.py`."""
    folder = make_folder({"crack/a.png": 1, "no_crack/b.png": 2})
    cracked = folder / "crack"
    os.mkfifo(cracked / "pipe.jpg")
    (cracked / "around").symlink_to("..")
    (cracked / "shots.jpg").mkdir()
    Image.new("L", (32, 32)).save(cracked / "shots.jpg" / "c.png")
    refused = {"one.png": "1x1 pixels are no patch", "line.png": "5000x2 pixels are no patch"}
    Image.new("L", (1, 1)).save(cracked / "one.png")
    Image.new("L", (5000, 2)).save(cracked / "line.png")
    with zipfile.ZipFile(cracked / "zip.jpg", "w") as archive:
        archive.writestr("x.txt", "x")
    with open(cracked / "film.jpg", "wb") as file:
        file.truncate(2_000_000_000)  # a hole, which takes no disk
    refused |= {"zip.jpg": "not a picture", "film.jpg": "2.0 GB"}
    listing = list_folder(folder)
    assert [image.key for image in listing.images] == [
        *("crack/a.png", "crack/shots.jpg/c.png", "no_crack/b.png")
    ]
    for name, reason in refused.items():
        assert len([text for text in listing.unreadable if name in text and reason in text]) == 1
    assert len(listing.unreadable) == 4
    assert listing.skipped == (
        "1 file skipped: 1 no regular file; 1 folder skipped: 1 around (a link back)"
    )


def test_pictures_of_any_mode_are_taken(make_folder: MakeFolder) -> None:
    folder = make_folder({"crack/a.png": 1, "no_crack/b.png": 2})
    for mode, suffix in (("RGBA", "png"), ("CMYK", "jpg"), ("P", "gif"), ("LA", "webp")):
        frames = [Image.new(mode, (32, 32)), Image.new(mode, (32, 32), 9)]
        moving = {"save_all": True, "append_images": frames[1:]} if suffix == "gif" else {}
        frames[0].save(folder / "crack" / f"{mode}.{suffix}", **moving)
    listing = list_folder(folder)
    assert (len(listing.images), listing.unreadable) == (6, ())


def test_16_bit_pictures_of_a_folder_share_their_bits(make_folder: MakeFolder) -> None:
    folder = make_folder({"crack/a.png": 1, "no_crack/b.png": 2})
    for name, largest in (("bright", 4095), ("dim", 600), ("black", 200)):
        values = np.linspace(0, largest, 1024).astype(np.uint16).reshape(32, 32)
        Image.fromarray(values).save(folder / "crack" / f"{name}.tif")
    listing = list_folder(folder)
    images = {image.path.stem: image for image in listing.images}
    assert "black.tif" in listing.unreadable[0]
    assert len(listing.unreadable) == 1
    assert {name: image.bits for name, image in images.items()} == {
        **{"a": None, "b": None, "bright": 12, "dim": 12}
    }
    assert bits_of(listing.images) == 12
    assert load_pixels(images["dim"].encoded, "dim").max() == 37
    # Other pixels than those of the same file alone, so another content key.
    contents = {name: hashlib.sha256(i.path.read_bytes()).hexdigest() for name, i in images.items()}
    assert images["bright"].digest == contents["bright"][:16]
    assert images["dim"].digest != contents["dim"][:16]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no pictures"),
        ({"crack/a.png": 1}, "'negative'"),
        ({"test/crack/a.png": 1, "test/no_crack/b.png": 2}, "nothing to train on: .* evaluate"),
    ],
    ids=["empty", "one class", "no train"],
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
