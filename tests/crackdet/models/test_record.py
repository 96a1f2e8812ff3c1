"""The record beside a model."""

from pathlib import Path

import pytest

from crackdet.errors import CrackdetError
from crackdet.files import read_json, write_json
from crackdet.models import preset_card
from crackdet.models.record import ModelRecord, read_record, record_of_card, write_record


def test_a_record_comes_back_and_stands_beside_its_model(tmp_path: Path) -> None:
    record = ModelRecord(
        ("sound", "cracked"), 0.31, "least cost", 1.7, {"data": {"name": "x"}}, 227
    )
    write_record(tmp_path / "mine.keras", record)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]
    assert read_record(tmp_path / "mine.keras") == record
    assert read_record(tmp_path / "other.keras") is None


def test_fields_of_later_versions_are_passed_over(tmp_path: Path) -> None:
    write_record(tmp_path / "m.keras", ModelRecord(threshold=0.2))
    write_json(tmp_path / "m.json", {**read_json(tmp_path / "m.json"), "unsure": [0.1, 0.9]})
    assert read_record(tmp_path / "m.keras") == ModelRecord(threshold=0.2)


@pytest.mark.parametrize("text", ["{", "[]", '{"threshold": "high"}', '{"class_names": 2}'])
def test_a_broken_record_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(CrackdetError, match=r"m\.json is no record of a model"):
        read_record(tmp_path / "m.keras")


def test_the_card_of_the_preset_is_its_record() -> None:
    card = preset_card("concrete")
    record = record_of_card(card)
    assert record.threshold == card["threshold"] != 0.5
    assert record.class_names == ("negative", "positive")
    assert record.temperature == card["temperature"]
    assert record.patch_side == 227
