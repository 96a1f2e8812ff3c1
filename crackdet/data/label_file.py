"""A CSV file of path and label, which replaces the class folders."""

import csv
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from crackdet.data.class_names import Labels, Side, same_name, sides_of
from crackdet.data.dataset import DEFAULT_CLASSES, classes_in_words
from crackdet.errors import CrackdetError
from crackdet.names import unescaped

PATH_COLUMNS = (
    *("path", "file", "filename", "file_name", "filepath", "file_path"),
    *("image", "image_path", "key", "name"),
)
# The first that a file has counts: a corrected label before the one that it corrects.
LABEL_COLUMNS = ("label", "labels", "corrected", "corrected_label", "class", "class_name", "target")
_NUMBERS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
_MOST_NAMED = 10


@dataclass(frozen=True)
class LabelFile:
    """The rows of a label file: path as written, and label."""

    path: Path
    column: str
    rows: tuple[tuple[str, str], ...]


def label_by_file(folder: Path, paths: Sequence[Path], file: Path, positive: str | None) -> Labels:
    """Labels pictures by a CSV file.

    Args:
        folder: The folder that the pictures stand in.
        paths: The pictures.
        file: A CSV file with a header. The picture is in a column of `PATH_COLUMNS`: relative to
            the folder or to the CSV file, absolute, or a file name that the folder holds once.
            The label is in the first column of `LABEL_COLUMNS` that is there, else in the only
            other one: 0, 1, or a name that is understood as a folder's would be.
        positive: The label that counts as cracked; None where the labels say so themselves.

    Raises:
        CrackdetError: If the file cannot be read, or its labels not be understood.
    """
    table = read_label_file(file)
    places = _Places(folder, paths, file)
    values: dict[int, str] = {}
    lost = []
    for written, value in table.rows:
        index = places.find(written)
        if index is None:
            lost.append(written)
        elif values.setdefault(index, value) != value:
            raise CrackdetError(
                f"{file} labels {written} as {values[index]!r} and as {value!r}: keep one row."
            )
    if not values:
        raise CrackdetError(
            f"No row of {file} names a picture of {folder} (the first says {lost[0]}): write "
            "paths as they stand below that folder."
        )
    sides, names = _sides_of_values(file, Counter(values.values()), positive)
    labels = tuple(sides.get(values[i]) if i in values else None for i in range(len(paths)))
    keys = [path.relative_to(folder).as_posix() for path in paths]
    remarks = [f"Labels are those of {file.name}, column {table.column!r}."]
    for value in sorted(value for value, side in sides.items() if side is None):
        left_out = [keys[i] for i, each in values.items() if each == value]
        remarks.append(_counted(left_out, f"pictures labelled {value!r} were left out"))
    without = [key for i, key in enumerate(keys) if i not in values]
    findings = (
        _counted(without, f"pictures without a row in {file.name} were left out"),
        _counted(lost, f"rows of {file.name} name no picture of the folder"),
    )
    by_side = ([value for value, each in sides.items() if each == side] for side in (0, 1))
    in_words = classes_in_words("label", *map(sorted, by_side))
    return Labels(labels, names, in_words, tuple(remarks), tuple(filter(None, findings)))


def read_label_file(file: Path) -> LabelFile:
    """Reads a CSV file of path and label; comma, semicolon or tab part its columns."""
    try:
        # Names that are no UTF-8 pass as they are, as those of files do.
        text = file.read_text("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise CrackdetError(
            f"Cannot read the labels {file}: {error.strerror}. Check the path."
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
            f"path,label; it says {header.strip()[:80]!r}."
        )
    label = next((known.index(name) for name in LABEL_COLUMNS if name in known), None)
    if label is None:
        others = [index for index in range(len(columns)) if index != path]
        if len(others) > 1:
            raise CrackdetError(
                f"Which column of {file} holds the labels is not clear "
                f"({', '.join(columns[index] for index in others)}): call that one 'label'."
            )
        label = others[0]
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if len(line) <= max(path, label):
            raise CrackdetError(f"{file}, row {number} has too few columns: {line}.")
        rows.append((unescaped(line[path].strip()), line[label].strip()))
    if not rows:
        raise CrackdetError(f"{file} holds no labels: write one line a picture.")
    return LabelFile(file, columns[label], tuple(rows))


def _sides_of_values(
    file: Path, counts: Counter[str], positive: str | None
) -> tuple[dict[str, Side], tuple[str, str]]:
    """Returns the side of each label (None: leaves pictures out), and the class names."""
    values = sorted(counts)
    sides = dict(zip(values, sides_of(values), strict=True))
    sides |= {value: _NUMBERS[value] for value in values if value in _NUMBERS}
    listed = ", ".join(map(repr, values))
    if positive is None:
        found = set(sides.values())
        if not {0, 1} <= found and None in found:
            raise CrackdetError(
                f"Which label of {file} means cracked is not clear ({listed}): name it with "
                '--positive NAME (in Python positive="NAME").'
            )
        return sides, DEFAULT_CLASSES
    chosen = {value for value in values if same_name(value) == same_name(positive)}
    if not chosen:
        raise CrackdetError(
            f"{file} has no label {positive!r}, which --positive names: it has {listed}."
        )
    others = [value for value in values if value not in chosen]
    sound = [value for value in others if value in _NUMBERS or sides[value] == 0]
    if len(others) > 1 and not sound:
        raise CrackdetError(
            f"{file} holds more labels than two ({listed}), and which of them means sound is not "
            "clear: leave the others out, or call it 'sound'."
        )
    sound = sound or others
    names = (sound[0] if len(sound) == 1 else DEFAULT_CLASSES[0], sorted(chosen)[0])
    chosen_sides: dict[str, Side] = dict.fromkeys(values)
    return chosen_sides | dict.fromkeys(sound, 0) | dict.fromkeys(chosen, 1), names


class _Places:
    """Finds the picture that a path in a label file means."""

    def __init__(self, folder: Path, paths: Sequence[Path], file: Path):
        self._folder = folder.resolve()
        self._beside = file.resolve().parent
        keys = [_normal(path.relative_to(folder).as_posix()) for path in paths]
        self._index = {key: i for i, key in enumerate(keys)}
        names = [PurePosixPath(key).name for key in keys]
        counts = Counter(names)
        self._by_name = {name: i for i, name in enumerate(names) if counts[name] == 1}

    def find(self, written: str) -> int | None:
        """Returns the index of the picture, or None."""
        text = written.replace("\\", "/")
        for base in (self._folder, self._beside):  # an absolute path stays what it is
            inside = os.path.relpath(os.path.normpath(base / text), self._folder)
            if _normal(inside) in self._index:
                return self._index[_normal(inside)]
        return self._by_name.get(_normal(text))


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _counted(names: Iterable[str], what: str) -> str:
    """Returns a sentence that counts and names, or "" for none."""
    listed = sorted(names)
    if not listed:
        return ""
    more = f" and {len(listed) - _MOST_NAMED} more" if len(listed) > _MOST_NAMED else ""
    return f"{len(listed)} {what}: {', '.join(listed[:_MOST_NAMED])}{more}."
