"""Tables of text, as the page lays them out."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows."""

    caption: str  # Also the table's name for screen readers.
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: bool = True  # Whether cells are numbers, set flush right.
    long_column: str | None = None  # Title of a column of file names or messages, which may wrap.
