"""Groups that only the user knows: in the names of the files, or in a table."""

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from crackdet.data.tables import GROUP_COLUMNS, read_column
from crackdet.data.walls import joined_groups
from crackdet.errors import UsageError

# SDNET2018 cuts each photo into a few hundred patches named PHOTO-NUMBER, such as 7001-115.jpg.
_SDNET_NAME = re.compile(r"(\d{3,4})-[1-9]\d{0,2}")
_NEARLY_ALL = 0.95

GroupsFile = str | os.PathLike[str]


def given_groups(
    keys: Sequence[str],
    group_by: str | None = None,
    groups: GroupsFile | None = None,
    folder: Path | None = None,
) -> tuple[np.ndarray, str]:
    """Returns what the user knows of which pictures belong together.

    Args:
        keys: For each picture its path below the data's folder, with slashes.
        group_by: A regular expression; pictures in whose path its first group is the same belong
            together.
        groups: A CSV file of paths (see `crackdet.data.tables.read_column`) and groups, as
            `crackdet data group` writes it.
        folder: The data's folder, if they have one.

    Returns:
        int64 `(count,)`, -1 for pictures of which nothing is said, and a sentence on what was
        understood. Without `group_by` and `groups` the photo in SDNET2018's names is understood.

    Raises:
        UsageError: If the expression is none, has no group, or matches no picture.
        CrackdetError: If the table cannot be read or names no picture.
    """
    found, notes = [], []
    if group_by is not None:
        names = _names_by(keys, group_by)
        found.append(_numbered(names))
        notes.append(_note(f"--group-by '{group_by}'", found[-1], "match"))
    if groups is not None:
        table = read_column(Path(groups), GROUP_COLUMNS, keys, folder)
        found.append(_numbered(table.values))
        notes.append(_note(os.fspath(groups), found[-1], "name"))
        if table.lost:
            notes.append(f"{len(table.lost)} of its rows name no picture, {table.lost[0]} first.")
    if not found:
        return _sdnet_photos(keys)
    joined = joined_groups(*found)
    silent = np.all([each < 0 for each in found], axis=0)
    return np.where(silent, -1, joined), " ".join(notes)


def compiled(group_by: str) -> re.Pattern[str]:
    """Returns a regular expression that has a group.

    Raises:
        UsageError: If it is no regular expression, or has no group.
    """
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise UsageError(f"--group-by '{group_by}' is no regular expression: {error}.") from error
    if not pattern.groups:
        raise UsageError(
            f"--group-by '{group_by}' has no group: put what names the photo into parentheses, as "
            r"in '(DSC\d+)_'."
        )
    return pattern


def _names_by(keys: Sequence[str], group_by: str) -> list[str | None]:
    pattern = compiled(group_by)
    matches = [pattern.search(key) for key in keys]
    names = [match[1] if match else None for match in matches]
    if keys and not any(names):
        raise UsageError(
            f"--group-by '{group_by}' matches none of the {len(keys)} pictures, whose paths are "
            f"such as {keys[0]}."
        )
    return names


def _sdnet_photos(keys: Sequence[str]) -> tuple[np.ndarray, str]:
    matches = [_SDNET_NAME.fullmatch(PurePosixPath(key).stem) for key in keys]
    numbers = _numbered([match[1] if match else None for match in matches])
    named = np.count_nonzero(numbers >= 0)
    photos = len(np.unique(numbers[numbers >= 0]))
    # A photo of its own for every patch says nothing, and is not how SDNET2018 is named.
    if named < _NEARLY_ALL * len(keys) or 2 * photos > named or not named:
        return np.full(len(keys), -1), ""
    example = next(PurePosixPath(key).name for key, each in zip(keys, matches, strict=True) if each)
    return numbers, (
        f"File names are SDNET2018's ({example}): patches of one photo form a group, "
        f"{photos} photos in all. (--group-by '(.+)' would take each file by itself.)"
    )


def _numbered(names: Sequence[str | None]) -> np.ndarray:
    """Numbers the names; -1 for none."""
    order = {name: number for number, name in enumerate(sorted({n for n in names if n}))}
    return np.array([order.get(name or "", -1) for name in names], np.int64)


def _note(what: str, numbers: np.ndarray, verb: str) -> str:
    named = numbers >= 0
    groups, alone = len(np.unique(numbers[named])), int(np.count_nonzero(~named))
    rest = f"; {alone} that it does not {verb} stay by themselves" if alone else ""
    into = "1 group" if groups == 1 else f"{groups} groups"
    return f"{what} puts {int(named.sum())} pictures into {into}{rest}."
