"""Files that are either complete or absent."""

import contextlib
import csv
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from crackdet.names import escaped, unescaped


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path beside `path` and renames it to `path` on success.

    The temporary name keeps the suffix, since Keras and Pillow choose the format by it.

    Args:
        path: The file to write. Its parent folder is made when missing.

    Yields:
        The path to write to. It is removed when the block raises.

    Example:

    >>> with atomic_write("runs/demo/metrics.json") as temporary:
    ...     temporary.write_text("{}")
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
        raise


def is_partial(path: str | os.PathLike[str]) -> bool:
    """Returns whether a file is what a process left that was killed inside `atomic_write`."""
    name = Path(path).name
    return name.startswith(".") and ".partial" in name


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes `value` as indented JSON, atomically.

    File names that are no UTF-8 (see `crackdet.names`) become escapes that JSON has itself.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    with atomic_write(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", "backslashreplace"))


def read_json(path: str | os.PathLike[str]) -> Any:
    """Reads a JSON file."""
    return json.loads(Path(path).read_text("utf-8"))


def read_csv(path: str | os.PathLike[str]) -> list[dict[str, str]]:
    """Reads a CSV file with a header row, with file names as they were before `write_csv`.

    Bytes that are no UTF-8 pass as Python reads them in file names, as lone surrogates.
    """
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return [
            {name: unescaped(cell) if isinstance(cell, str) else cell for name, cell in row.items()}
            for row in csv.DictReader(file)
        ]


def write_csv(
    path: str | os.PathLike[str], header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Writes a table as UTF-8, atomically, with file names `escaped` where they are no UTF-8.

    Args:
        path: The file to write.
        header: Names of the columns.
        rows: The cells of each row.
    """
    with (
        atomic_write(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(
            [escaped(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
        )


def sha256_file(path: str | os.PathLike[str]) -> str:
    """Returns the hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
