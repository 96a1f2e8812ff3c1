"""The table from an image's content to its group, as it is shipped."""

import csv
import hashlib
import os
from typing import Any

COLUMNS = ("key", "label", "twin_group", "group", "split_grouped", "split_twins")
_NUMBERS = ("label", "twin_group", "group")


def content_key(encoded: bytes) -> str:
    """Returns the first 16 hexadecimal digits of the SHA-256 of a file's bytes."""
    return hashlib.sha256(encoded).hexdigest()[:16]


def load_table(path: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
    """Reads a table of groups.

    Args:
        path: A CSV file with the columns of `COLUMNS`.

    Returns:
        For each content key its row: `label`, `twin_group` and `group` as integers, the names of
        its splits as words.
    """
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.update({column: int(row[column]) for column in _NUMBERS})  # type: ignore[misc]
    return {row["key"]: row for row in rows}


def save_table(path: str | os.PathLike[str], rows: list[dict[str, Any]]) -> None:
    """Writes a table of groups, ordered by content key."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: row["key"]))
