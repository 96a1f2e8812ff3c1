"""What a model knows of images, written beside it and read by its name."""

from pathlib import Path

import pytest

from crackdet.errors import CrackdetError
from crackdet.models import KnownImages, known_images
from tfds_builder.concrete_cracks.splits import shipped_table

KEYS = [f"{number:016x}" for number in (2**63, 5 * 2**40, 7 * 2**40)]


def test_what_was_written_is_read_by_file_and_by_folder(tmp_path: Path) -> None:
    KnownImages.of({"train": KEYS[:1], "test": KEYS[1:2]}).write(tmp_path / "model.images.npz")
    for name in (tmp_path, tmp_path / "model.keras"):
        known = known_images(name)
        assert known is not None
        assert known.roles(KEYS) == ["train", "test", ""]
    assert known_images(tmp_path / "other.keras") is None


def test_training_counts_most_where_an_image_was_several() -> None:
    start = KnownImages.of({"validation": KEYS[1:2], "test": KEYS[2:]})
    known = KnownImages.of({"train": KEYS[:1], "validation": [], "test": KEYS}, start)
    assert known.roles(KEYS) == ["train", "start", "test"]


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.images.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(CrackdetError, match=r"model\.images\.npz is no list"):
        known_images(tmp_path)


def test_the_shipped_model_knows_its_images() -> None:
    """All 40,000 files of the official set, by the content keys of the table of groups."""
    known = known_images("concrete")
    assert known is not None
    keys = list(shipped_table())
    roles = known.roles(keys)
    assert set(roles) == {"train", "validation", "test"}
    group_splits = {
        (row["group"], role) for row, role in zip(shipped_table().values(), roles, strict=True)
    }
    assert len(group_splits) == len(dict(group_splits)), "no group stands in two splits"
