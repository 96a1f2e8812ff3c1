"""Groups that only the user knows: an expression on names, a table, SDNET2018's photos."""

import os
from pathlib import Path

import numpy as np
import pytest

from crackdet.data.groups import given_groups
from crackdet.errors import CrackdetError, UsageError
from crackdet.files import write_csv

KEYS = ["crack/DSC1_0_0.jpg", "sound/DSC1_0_9.jpg", "sound/DSC2_0_0.jpg", "sound/other.jpg"]


def table(folder: Path, text: str) -> Path:
    path = folder / "groups.csv"
    path.write_bytes(text.encode())
    return path


def test_an_expression_is_searched_in_the_whole_path_and_what_it_passes_over_is_counted() -> None:
    numbers, note = given_groups(KEYS, r"/(DSC\d)_")
    assert numbers.tolist() == [0, 0, 1, -1]
    assert note.startswith(
        "--group-by '/(DSC\\d)_' puts 3 pictures into 2 groups; 1 that it does not match stay"
    )
    assert given_groups(KEYS, "^(crack|sound)/")[0].tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("group_by", "message"),
    [
        ("DSC(", r"'DSC\(' is no regular expression: .*unterminated"),
        (r"DSC\d", "has no group: put what names the photo into parentheses"),
        ("(IMG)", "matches none of the 4 pictures, whose paths are such as crack/DSC1_0_0.jpg"),
        ("x*()", "matches none"),  # its group is empty everywhere
    ],
)
def test_an_expression_that_says_nothing_is_refused(group_by: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        given_groups(KEYS, group_by)


def test_a_table_and_an_expression_are_joined(tmp_path: Path) -> None:
    # A byte order mark and further columns, as spreadsheets write them.
    text = "\ufeffpath;label;group\n./sound/DSC2_0_0.jpg;0;a\nother.jpg;0;a\ngone.jpg;1;b\n"
    path = table(tmp_path, text)
    by_table, said = given_groups(KEYS, groups=path)
    assert "1 of its rows name no picture, gone.jpg first" in said
    assert by_table[:2].tolist() == [-1, -1]
    assert by_table[2] == by_table[3] >= 0
    numbers, note = given_groups(KEYS, r"(DSC\d)", path)
    assert numbers[0] == numbers[1] != numbers[2] == numbers[3]
    assert note.count("pictures into") == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patch,group\na,1\n", "no column of paths: .*path,group; it says 'patch,group'"),
        ("", "no column of paths"),
        ("path,label\nsound/other.jpg,1\n", "has no column 'group', but 'label': give a table"),
        ("path,group\nelse/where.jpg,1\n", "No row of .*a picture is crack/DSC1_0_0.jpg"),
        ("path,group\nsound/other.jpg,1\nother.jpg,2\n", "groups other.jpg as '1' and as '2'"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CrackdetError, match=message):
        given_groups(KEYS, groups=table(tmp_path, text))


def test_a_table_names_files_of_any_bytes(tmp_path: Path) -> None:
    keys = [os.fsdecode(name) for name in (b"a/\xff.jpg", b"a/\xfe.jpg", rb"a/\udcfe.jpg")]
    write_csv(tmp_path / "groups.csv", ("path", "group"), zip(keys, "wxw", strict=True))
    assert given_groups(keys, groups=tmp_path / "groups.csv")[0].tolist() == [0, 1, 0]


def test_an_absent_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(CrackdetError, match=r"Cannot read the groups .*none\.csv: No such file"):
        given_groups(KEYS, groups=tmp_path / "none.csv")


def test_the_photos_of_sdnet2018_are_understood_by_themselves() -> None:
    keys = [f"CD/{photo}-{n}.jpg" for photo in (7001, 7002) for n in (1, 20, 115)]
    numbers, note = given_groups([*keys, *(f"UD/7001-{n}.jpg" for n in range(200, 220))])
    assert numbers.tolist() == [0] * 3 + [1] * 3 + [0] * 20
    assert "SDNET2018's (7001-1.jpg)" in note
    assert "2 photos" in note
    # A few other files beside them change nothing, and an expression takes their place.
    assert given_groups([*(f"UD/7001-{n}.jpg" for n in range(1, 40)), "x.jpg"])[0][-1] == -1
    assert len(set(given_groups(keys, "(.+)")[0])) == 6


@pytest.mark.parametrize(
    "names",
    [
        [f"2024-{n:04d}" for n in range(1, 40)],  # a year and a running number
        [f"2024-01-{n}" for n in range(1, 40)],
        [f"{n}-1" for n in range(7001, 7040)],  # nothing shares a photo
        [*(f"7001-{n}" for n in range(1, 20)), *(f"img{n}" for n in range(20))],
        [],
    ],
)
def test_other_numbered_names_are_not_taken_for_photos(names: list[str]) -> None:
    numbers, note = given_groups([f"crack/{name}.jpg" for name in names])
    assert np.all(numbers == -1)
    assert note == ""
