"""CSV files that say something of each picture: its label, its group."""

import csv
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from crackdet.errors import CrackdetError
from crackdet.names import unescaped

PATH_COLUMNS = (
    *("path", "file", "filename", "file_name", "filepath", "file_path"),
    *("image", "image_path", "key", "name"),
)
# The first that a table has counts: a corrected label before the one that it corrects.
LABEL_COLUMNS = ("label", "labels", "corrected", "corrected_label", "class", "class_name", "target")
GROUP_COLUMNS = ("group", "groups", "wall", "photo")


@dataclass(frozen=True)
class TableColumn:
    """What a table says of pictures.

    Attributes:
        name: The column that was read.
        values: For each picture its value, None where the table has no row of it.
        lost: Paths in the table that name no picture.
    """

    name: str
    values: tuple[str | None, ...]
    lost: tuple[str, ...]


def read_column(
    file: Path,
    names: Sequence[str],
    keys: Sequence[str],
    folder: Path | None = None,
) -> TableColumn:
    """Reads what a table says of each picture.

    Args:
        file: A CSV file with a header; comma, semicolon or tab part its columns. The picture is in
            a column of `PATH_COLUMNS`: relative to the folder or to the CSV file, absolute, or a
            file name that the folder holds once.
        names: What the column may be called, the likeliest first; the first says what it holds.
            Where it bears none of them, it is the only one besides the paths, but never one that is
            named as another table's: groups are not read from labels.
        keys: For each picture its path below the folder, with slashes.
        folder: The folder; None for pictures that come from none.

    Raises:
        CrackdetError: If the file cannot be read, has no such column, says two things of one
            picture, or names none.
    """
    column, rows = _read_rows(file, names)
    places = _Places(keys, file, folder)
    values: dict[int, str] = {}
    lost = []
    for written, value in rows:
        index = places.find(written)
        if index is None:
            lost.append(written)
        elif values.setdefault(index, value) != value:
            raise CrackdetError(
                f"{file} {names[0]}s {written} as {values[index]!r} and as {value!r}: keep one row."
            )
    if keys and not values:
        raise CrackdetError(
            f"No row of {file} names a picture of {folder or 'the data'} (the first says "
            f"{lost[0]}, a picture is {keys[0]}): write paths as they stand there."
        )
    return TableColumn(column, tuple(values.get(i) for i in range(len(keys))), tuple(lost))


def _read_rows(file: Path, names: Sequence[str]) -> tuple[str, list[tuple[str, str]]]:
    """Returns the name of the column that is read, and path and value of each row."""
    what = names[0]
    try:
        # Spreadsheets begin their files with a byte order mark. Names that are no UTF-8 are
        # escaped, as `write_csv` does, or pass as they are, as those of files do.
        text = file.read_text("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise CrackdetError(
            f"Cannot read the {what}s {file}: {error.strerror}. Check the path."
        ) from error
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    lines = [line for line in csv.reader(text.splitlines(), delimiter=delimiter) if any(line)]
    columns = [cell.strip() for cell in lines[0]] if lines else []
    known = [column.casefold().replace(" ", "_") for column in columns]
    path = next((known.index(name) for name in PATH_COLUMNS if name in known), None)
    if path is None or len(columns) < 2:
        raise CrackdetError(
            f"{file} has no column of paths: its first line must name the columns, such as "
            f"path,{what}; it says {header.strip()[:80]!r}."
        )
    wanted = next((known.index(name) for name in names if name in known), None)
    if wanted is None:
        others = [index for index in range(len(columns)) if index != path]
        if len(others) > 1:
            raise CrackdetError(
                f"Which column of {file} holds the {what}s is not clear "
                f"({', '.join(columns[index] for index in others)}): call that one {what!r}."
            )
        wanted = others[0]
        if known[wanted] in (*LABEL_COLUMNS, *GROUP_COLUMNS, "split"):
            raise CrackdetError(
                f"{file} has no column {what!r}, but {columns[wanted]!r}: give a table of paths "
                f"and {what}s, or call that column {what!r} if it holds them."
            )
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if len(line) <= max(path, wanted):
            raise CrackdetError(f"{file}, row {number} has too few columns: {line}.")
        rows.append((unescaped(line[path].strip()), line[wanted].strip()))
    if not rows:
        raise CrackdetError(f"{file} holds no {what}s: write one line a picture.")
    return columns[wanted], rows


class _Places:
    """Finds the picture that a path in a table means."""

    def __init__(self, keys: Sequence[str], file: Path, folder: Path | None):
        # Pictures that come from no folder are found as if theirs were an empty one.
        self._folder = Path(os.devnull) if folder is None else folder.resolve()
        self._beside = file.resolve().parent
        normal = [_normal(key) for key in keys]
        self._index = {key: i for i, key in enumerate(normal)}
        names = [PurePosixPath(key).name for key in normal]
        counts = Counter(names)
        self._by_name = {name: i for i, name in enumerate(names) if counts[name] == 1}

    def find(self, written: str) -> int | None:
        """Returns the index of the picture, or None."""
        # A backslash is part of a name on Linux, and a slash in tables that Windows wrote.
        texts = dict.fromkeys((written, written.replace("\\", "/")))
        for text in texts:
            for base in (self._folder, self._beside):  # an absolute path stays what it is
                inside = os.path.relpath(os.path.normpath(base / text), self._folder)
                if _normal(inside) in self._index:
                    return self._index[_normal(inside)]
        return next((self._by_name[t] for t in map(_normal, texts) if t in self._by_name), None)


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)
