"""The table from an image's content to its group, as it is shipped."""

import csv
import hashlib
import os
from typing import Any

COLUMNS = ("key", "twin_group", "group")


def content_key(encoded: bytes) -> str:
    """Returns the first 16 hexadecimal digits of the SHA-256 of a file's bytes."""
    return hashlib.sha256(encoded).hexdigest()[:16]


def load_table(path: str | os.PathLike[str]) -> dict[str, dict[str, int]]:
    """Reads a table of groups.

    Args:
        path: A CSV file with the columns of `COLUMNS`.

    Returns:
        For each content key its `twin_group` (the crop, whatever its pose and compression) and its
        `group` (the piece of wall).
    """
    with open(path, encoding="utf-8", newline="") as file:
        return {
            row["key"]: {name: int(row[name]) for name in COLUMNS[1:]}
            for row in csv.DictReader(file)
        }


def save_table(path: str | os.PathLike[str], rows: list[dict[str, Any]]) -> None:
    """Writes a table of groups, ordered by content key."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: row["key"]))
