"""The small data set beside the builder, archives of it, and ways to read what was built."""

import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tfds_builder.concrete_cracks import sources

DUMMY_DATA = Path(sources.__file__).with_name("dummy_data")
DUMMY_PER_CLASS = 16

Members = dict[str, bytes]


@pytest.fixture
def dummy_members() -> Members:
    """The dummy images by path, in the order of their names."""
    paths = sorted(DUMMY_DATA.rglob("*.jpg"))
    return {path.relative_to(DUMMY_DATA).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the builder take the dummy data for complete: the one exception from 20,000 a class."""
    monkeypatch.setattr(sources, "IMAGES_PER_CLASS", DUMMY_PER_CLASS)


@pytest.fixture
def small_demo(monkeypatch: pytest.MonkeyPatch) -> int:
    """Shortens the demo to ten photos."""
    from tfds_builder.concrete_cracks import concrete_cracks_dataset_builder

    monkeypatch.setattr(concrete_cracks_dataset_builder, "DEMO_IMAGES", 40)
    return 40


@pytest.fixture
def write_folder() -> Callable[[Path, Members], Path]:
    """Writes members as files under a folder."""

    def write(folder: Path, members: Members) -> Path:
        for name, content in members.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder

    return write


def _rar_block(kind: int, flags: int, fields: bytes, added: bytes = b"") -> bytes:
    header = struct.pack("<BHH", kind, flags, 7 + len(fields)) + fields
    return struct.pack("<H", zlib.crc32(header) & 0xFFFF) + header + added


@pytest.fixture
def write_rar() -> Callable[[Path, Iterable[tuple[str, bytes]]], Path]:
    """Writes a RAR 4 archive whose members are stored without compression.

    No free program writes the format; the blocks are laid out as its technical note says: marker,
    archive header, one header with data for each file, end of archive.
    """

    def write(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
        blocks = [b"Rar!\x1a\x07\x00", _rar_block(0x73, 0, bytes(6))]
        for name, content in members:
            encoded = name.encode()
            unix, version, store, mode = 3, 20, 0x30, 0o100644
            fields = struct.pack(
                "<IIBIIBBHI",
                len(content),
                len(content),
                unix,
                zlib.crc32(content),
                0x5A000000,  # Some date.
                version,
                store,
                len(encoded),
                mode,
            )
            blocks.append(_rar_block(0x74, 0x8000, fields + encoded, content))
        blocks.append(_rar_block(0x7B, 0x4000, b""))
        path.write_bytes(b"".join(blocks))
        return path

    return write


@pytest.fixture
def read_records() -> Callable[[Any], dict[str, list[bytes]]]:
    """Reads the stored bytes of all records, split by split, in their order."""
    import tensorflow_datasets as tfds

    def read(builder: Any) -> dict[str, list[bytes]]:
        raw = tfds.decode.DeserializeMethod.RAW_BYTES
        sources = builder.as_data_source(deserialize_method=raw)
        return {split: list(source) for split, source in sources.items()}

    return read


@pytest.fixture
def read_examples() -> Callable[[Any], dict[str, list[dict[str, Any]]]]:
    """Reads the decoded examples, split by split, in their order."""

    def read(builder: Any) -> dict[str, list[dict[str, Any]]]:
        return {split: list(source) for split, source in builder.as_data_source().items()}

    return read
