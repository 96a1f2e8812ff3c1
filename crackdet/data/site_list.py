"""A list of sites: where the patches of each stand, and what must be said of them."""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crackdet.errors import CrackdetError

# Columns beside `data`; the last four are arguments of `load_data`, for that site alone.
_OPTIONS = ("positive", "labels", "group_by", "groups")
COLUMNS = ("name", "data", "licence", *_OPTIONS)
_FILES = ("labels", "groups")


@dataclass(frozen=True)
class SiteSource:
    """A site that is still to be loaded.

    Attributes:
        name: What tables call it.
        data: A folder or a data set, as `crackdet.load_data` takes it.
        licence: Of its pictures, in words.
        options: Arguments of `load_data` that are the site's own.
    """

    name: str
    data: str
    licence: str = ""
    options: dict[str, Any] = field(default_factory=dict)


def read_site_list(file: str | Path) -> list[SiteSource]:
    """Reads a list of sites.

    Args:
        file: A CSV file with a header; comma, semicolon or tab part its columns: `data`, and any of
            `name`, `licence`, `positive`, `labels`, `group_by` and `groups`. An empty cell says
            nothing. Folders and files are relative to the list, or to where the command is given.

    Raises:
        CrackdetError: If the file cannot be read, holds no site, lacks `data`, or has a column of
            another name.
    """
    file = Path(file)
    try:
        text = file.read_text("utf-8-sig")
    except OSError as error:
        raise CrackdetError(
            f"Cannot read the list of sites {file}: {error.strerror}. Check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise CrackdetError(
            f"Cannot read the list of sites {file}: it is no text in UTF-8. Save it as CSV UTF-8."
        ) from error
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter)
    rows = [(reader.line_num, row) for row in reader]
    columns = [column.strip() for column in reader.fieldnames or ()]
    if not rows or "data" not in columns:
        raise CrackdetError(
            f"{file} lists no site: its first line names the columns, `data` and any of "
            f"{', '.join(name for name in COLUMNS if name != 'data')}; then a line for each site."
        )
    strange = [column for column in columns if column not in COLUMNS]
    if strange:
        raise CrackdetError(
            f"{file} has a column {strange[0]!r}, which sites do not have: they have "
            f"{', '.join(COLUMNS)}."
        )
    for number, row in rows:
        if None in row or None in row.values():
            raise CrackdetError(
                f"{file}, line {number} has {'more' if None in row else 'fewer'} cells than the "
                f"first line: a cell that holds {delimiter!r} needs quotes about it."
            )
    return [_source(file, number, row) for number, row in rows]


def name_of(data: str) -> str:
    """Returns what a site is called that nobody has named."""
    return Path(data).resolve().name if Path(data).is_dir() else data


def _source(file: Path, number: int, row: dict[str, str]) -> SiteSource:
    cells = {name.strip(): cell.strip() for name, cell in row.items()}
    if not cells["data"]:
        raise CrackdetError(f"{file}, line {number} names no data.")
    data = _place(file, cells["data"])
    options = {name: cells[name] for name in _OPTIONS if cells.get(name)}
    options |= {name: _place(file, options[name]) for name in _FILES if name in options}
    return SiteSource(cells.get("name") or name_of(data), data, cells.get("licence", ""), options)


def _place(file: Path, written: str) -> str:
    """Returns a path that may be meant from where the list stands."""
    beside = file.parent / written
    return str(beside) if beside.exists() else written
