"""What counts as a picture in a folder: one rule for every command.

What was put into a folder, and what `load_data`, `data check` and `predict FOLDER` make of it:

| entry | |
| --- | --- |
| a.jpg, B.JPG, .jpeg .jpe .jfif .png .bmp .tif .tiff .webp .gif .pgm .ppm .jp2 .avif | listed |
| .heic, .heif | listed with `crackdet[heic]`, else counted with the way to install it |
| other suffixes, no suffix | counted by suffix |
| .hidden.jpg, ._a.jpg, .DS_Store | counted as hidden |
| .ipynb_checkpoints, .git, __MACOSX, @eaDir | not entered, counted by name |
| Thumbs.db | counted as .db |
| a folder named shots.jpg | entered like any other |
| links to files and folders, also outside | followed |
| a link beside the folder that it leads to (val -> test) | both entered: copies, told as such |
| a link back to a folder above, links between folders | followed once, then counted |
| a broken link, a link to itself | counted as broken |
| a FIFO, a socket, a device named x.jpg | counted, never opened |
| a folder that may not be opened | counted by name and reason |
| locked, empty, cut, text, zip, 2 GB named .jpg | listed, then named unreadable with the reason |
| 1x1, 5000x2 | listed, then named as no patch (`images.require_patch`) |
| 16-bit pictures of 8 to 14 bits | listed, see `test_sample_bits.py` |
| an ICO named .jpg | listed, read and grouped as the picture that it is |
| a name that is no UTF-8, or with line breaks | listed |
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from crackdet import listing as module
from crackdet.errors import CrackdetError
from crackdet.listing import list_matches, list_pictures

PICTURES = {
    *("a.jpg", "B.JPG", "c.jpeg", "d.jpe", "e.jfif", "f.png", "g.bmp", "h.tif", "i.tiff"),
    *("j.webp", "k.gif", "l.pgm", "m.ppm", "n.jp2", "o.avif", "shots.jpg/p.png", "deep/er/q.jpg"),
}


def make(folder: Path, names: Iterable[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in list_pictures(folder).paths]


def test_every_suffix_of_a_picture_is_listed_in_order(tmp_path: Path) -> None:
    listing = list_pictures(make(tmp_path, PICTURES))
    assert listing.paths == sorted(tmp_path / name for name in PICTURES)
    assert listing.note == ""


def test_what_is_passed_over_is_counted_by_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "reads_heif", lambda: False)
    make(tmp_path, ["a.jpg", "1.heic", "2.HEIC", "film.mov", "Thumbs.db", "README"])
    make(tmp_path, [".DS_Store", "._a.jpg", "@eaDir/a.jpg", "__MACOSX/b/a.jpg"])
    make(tmp_path, [".ipynb_checkpoints/a.jpg", "walls/.ipynb_checkpoints/b.jpg"])
    assert names(tmp_path) == ["a.jpg"]
    assert list_pictures(tmp_path).note == (
        "7 files skipped: 2 .heic (pip install 'crackdet[heic]'), 2 hidden, 1 .db, 1 .mov, "
        "1 without suffix; 4 folders skipped: 2 .ipynb_checkpoints, 1 @eaDir, 1 __MACOSX"
    )


def test_many_kinds_are_summed_up_but_none_is_left_out_of_the_count(tmp_path: Path) -> None:
    make(tmp_path, [f"{number}.{number:03d}" for number in range(20)])
    assert list_pictures(tmp_path).note.startswith("20 files skipped: 1 .000, 1 .001")
    assert list_pictures(tmp_path).note.endswith("1 .007, 12 of other kinds")


def test_heic_is_listed_where_it_can_be_read(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif")
    assert names(make(tmp_path, ["a.heic", "b.HEIF"])) == ["a.heic", "b.HEIF"]


def test_links_to_files_and_folders_are_followed(tmp_path: Path) -> None:
    outside = make(tmp_path / "outside", ["1.jpg", "2.jpg"])
    folder = make(tmp_path / "folder", ["test/cracked/3.jpg"])
    (folder / "cracked").symlink_to(outside)
    (folder / "4.jpg").symlink_to(outside / "1.jpg")
    (folder / "val").symlink_to("test")
    assert names(folder) == [
        *("4.jpg", "cracked/1.jpg", "cracked/2.jpg", "test/cracked/3.jpg", "val/cracked/3.jpg")
    ]


def test_links_in_circles_end(tmp_path: Path) -> None:
    make(tmp_path, ["a/1.jpg", "b/2.jpg"])
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "a" / "b").symlink_to("../b")
    (tmp_path / "b" / "a").symlink_to("../a")
    listing = list_pictures(tmp_path)
    assert {"a/1.jpg", "b/2.jpg"} <= set(names(tmp_path))
    assert len(listing.paths) <= 6
    assert "up (a link back)" in listing.note


def test_links_between_many_folders_are_no_maze(tmp_path: Path) -> None:
    for here in range(12):
        make(tmp_path, [f"{here}/{here}.jpg"])
        for there in set(range(12)) - {here}:
            (tmp_path / str(here) / f"to{there}").symlink_to(f"../{there}")
    assert len(list_pictures(tmp_path).paths) < 12 * 13 * 13


def test_what_is_no_file_is_counted_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    listing = list_pictures(tmp_path)
    assert listing.paths == []
    assert listing.note == "3 files skipped: 2 broken link, 1 no regular file"


def test_a_folder_that_cannot_be_opened_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, ["a.jpg", "secret/b.jpg"])
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert names(tmp_path) == ["a.jpg"]
    assert list_pictures(tmp_path).note == "1 folder skipped: 1 secret (permission denied)"
    for missing in (tmp_path / "secret", tmp_path / "none"):
        with pytest.raises(CrackdetError, match="Cannot open the folder"):
            list_pictures(missing)


def test_names_of_any_bytes_are_listed(tmp_path: Path) -> None:
    for name in (b"\xff.jpg", b"a\nb.jpg", b"c.\xfe"):
        (tmp_path / os.fsdecode(name)).touch()
    listing = list_pictures(tmp_path)
    assert {os.fsencode(path.name) for path in listing.paths} == {b"\xff.jpg", b"a\nb.jpg"}
    assert listing.note == r"1 file skipped: 1 .\udcfe"


def test_a_pattern_means_what_a_shell_would_by_the_one_rule(tmp_path: Path) -> None:
    make(tmp_path, ["a.jpg", "b.JPG", "notes.txt", ".c.jpg", "north/d.jpg", "north/deep/e.png"])
    make(tmp_path, ["film.mov", "south/f.jpg", "south/@eaDir/f.jpg", "[x].jpg"])
    (tmp_path / "north" / "deep" / "back").symlink_to(tmp_path / "north")
    for pattern, expected in {
        "*.jpg": ["[x].jpg", "a.jpg"],
        "*.[jJ]*": ["[x].jpg", "a.jpg", "b.JPG"],
        "?.*": ["a.jpg", "b.JPG"],
        "north": ["north/d.jpg", "north/deep/e.png"],
        "[ns]*/*.jpg": ["north/d.jpg", "south/f.jpg"],
        "**/*.jpg": ["[x].jpg", "a.jpg", "north/d.jpg", "south/f.jpg"],
        "**/deep": ["north/deep/e.png"],
        "**/n*/*.jpg": ["north/d.jpg"],
        "n*/**": ["north/d.jpg", "north/deep/e.png"],
        "*/**/e.*": ["north/deep/e.png"],
        "*.bmp": [],
    }.items():
        listing = list_matches(str(tmp_path / pattern))
        found = [path.relative_to(tmp_path).as_posix() for path in listing.paths]
        assert found == expected, pattern
    assert list_matches(str(tmp_path / "*.*")).note == "2 files skipped: 1 .mov, 1 .txt"
    with pytest.raises(CrackdetError, match=r"holds \*\* twice"):
        list_matches("a/**/b/**")


def test_a_pattern_without_a_folder_starts_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, ["a.jpg", "north/d.jpg"])
    monkeypatch.chdir(tmp_path)
    assert list_matches("*.jpg").paths == [Path("a.jpg")]
    assert list_matches("**/*.jpg").paths == [Path("a.jpg"), Path("north/d.jpg")]
