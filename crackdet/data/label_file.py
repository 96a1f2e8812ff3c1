"""A CSV file of path and label, which replaces the class folders."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from crackdet.data.class_names import NAME_IT, Labels, Side, listed, same_name, sides_of
from crackdet.data.dataset import DEFAULT_CLASSES, classes_in_words
from crackdet.data.tables import LABEL_COLUMNS, read_column
from crackdet.errors import CrackdetError, UsageError

_NUMBERS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
_MOST_NAMED = 10


def label_by_file(folder: Path, paths: Sequence[Path], file: Path, positive: str | None) -> Labels:
    """Labels pictures by a CSV file.

    Args:
        folder: The folder that the pictures stand in.
        paths: The pictures.
        file: A CSV file of paths (see `crackdet.data.tables.read_column`) and labels, in the first
            column of `LABEL_COLUMNS` that is there, else in the only other one: 0, 1, or a name
            that is understood as a folder's would be.
        positive: The label that counts as cracked; None where the labels say so themselves.

    Raises:
        CrackdetError: If the file cannot be read, or its labels not be understood.
    """
    keys = [path.relative_to(folder).as_posix() for path in paths]
    table = read_column(file, LABEL_COLUMNS, keys, folder)
    values = {i: value for i, value in enumerate(table.values) if value is not None}
    sides, names = _sides_of_values(file, Counter(values.values()), positive)
    labels = tuple(sides.get(values[i]) if i in values else None for i in range(len(paths)))
    remarks = [f"Labels are those of {file.name}, column {table.name!r}."]
    for value in sorted(value for value, side in sides.items() if side is None):
        left_out = [keys[i] for i, each in values.items() if each == value]
        remarks.append(_counted(left_out, f"pictures labelled {value!r} were left out"))
    without = [key for i, key in enumerate(keys) if i not in values]
    findings = (
        _counted(without, f"pictures without a row in {file.name} were left out"),
        _counted(table.lost, f"rows of {file.name} name no picture of the folder"),
    )
    by_side = ([value for value, each in sides.items() if each == side] for side in (0, 1))
    in_words = classes_in_words("label", *map(sorted, by_side))
    return Labels(labels, names, in_words, tuple(remarks), tuple(filter(None, findings)))


def _sides_of_values(
    file: Path, counts: Counter[str], positive: str | None
) -> tuple[dict[str, Side], tuple[str, str]]:
    """Returns the side of each label (None: leaves pictures out), and the class names."""
    values = sorted(counts)
    sides = dict(zip(values, sides_of(values), strict=True))
    sides |= {value: _NUMBERS[value] for value in values if value in _NUMBERS}
    if positive is None:
        found = set(sides.values())
        if not {0, 1} <= found and None in found:
            raise CrackdetError(
                f"Which label of {file} means cracked is not clear ({listed(values)}): {NAME_IT}."
            )
        return sides, DEFAULT_CLASSES
    chosen = {value for value in values if same_name(value) == same_name(positive)}
    if not chosen:
        raise UsageError(
            f"{file} has no label {positive!r}, which --positive names: it has {listed(values)}."
        )
    others = [value for value in values if value not in chosen]
    sound = [value for value in others if value in _NUMBERS or sides[value] == 0]
    if len(others) > 1 and not sound:
        raise CrackdetError(
            f"{file} holds more labels than two ({listed(values)}), and which of them means sound "
            "is not clear: leave the others out, or call it 'sound'."
        )
    sound = sound or others
    names = (sound[0] if len(sound) == 1 else DEFAULT_CLASSES[0], sorted(chosen)[0])
    chosen_sides: dict[str, Side] = dict.fromkeys(values)
    return chosen_sides | dict.fromkeys(sound, 0) | dict.fromkeys(chosen, 1), names


def _counted(names: Iterable[str], what: str) -> str:
    """Returns a sentence that counts and names, or "" for none."""
    found = sorted(names)
    if not found:
        return ""
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return f"{len(found)} {what}: {', '.join(found[:_MOST_NAMED])}{more}."
