"""Names of any bytes: shown on any terminal, written to files that stay UTF-8, read back."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crackdet.files import read_csv, read_json, write_csv, write_json
from crackdet.names import printable

ODD = os.fsdecode(b"wand \xff\xe4,\n\x1b[2J.jpg")
# What could be taken for an escape, next to what is one.
PIECES = st.sampled_from(["\\", "u", "\\u", "dc80", "005c", "\\udcff", "\udcff", "ß", "x", "\\x1b"])


def test_a_person_sees_escapes_where_a_terminal_would_obey_or_fail() -> None:
    assert printable("Wand 7ä.jpg") == "Wand 7ä.jpg"
    assert printable(ODD) == r"wand \udcff\udce4,\n\x1b[2J.jpg"


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join))
@example(r"\udc80")
@example("\\" + "\udc80")
def test_tables_hold_any_name_as_utf_8(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    path = tmp_path_factory.getbasetemp() / "names.csv"
    write_csv(path, ("key", "score"), [(name, 0.5)])
    path.read_text("utf-8")
    assert read_csv(path) == [{"key": name, "score": "0.5"}]


def test_a_table_of_bytes_that_are_no_utf_8_is_read_as_the_file_system_names_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "labels.csv").write_bytes(b"key\nwand\xff.jpg\n")
    assert os.fsencode(read_csv(tmp_path / "labels.csv")[0]["key"]) == b"wand\xff.jpg"


def test_json_holds_any_name_as_utf_8(tmp_path: Path) -> None:
    write_json(tmp_path / "names.json", {ODD: "Wand 7ä"})
    assert "7ä" in (tmp_path / "names.json").read_text("utf-8")
    assert read_json(tmp_path / "names.json") == {ODD: "Wand 7ä"}
    assert json.loads((tmp_path / "names.json").read_bytes()) == {ODD: "Wand 7ä"}
