"""Tables that say something of each file of a data set: CSV files of path and value."""

import csv
import os

from crackdet.errors import CrackdetError
from crackdet.names import unescaped

PATH_COLUMNS = ("path", "key")  # the second is what predictions.csv calls it


def read_column(path: str | os.PathLike[str], column: str) -> dict[str, str]:
    """Reads what a table says of each file.

    Args:
        path: A CSV file whose header names `path` (or `key`) and `column`; it may have others.
        column: The column that is read.

    Returns:
        For each path, with slashes and relative to the data's folder, its value.

    Raises:
        CrackdetError: If the file cannot be read, lacks a column, or says two things of one path.
    """
    name = os.fspath(path)
    values: dict[str, str] = {}
    try:
        # Names that are no valid UTF-8 are escaped, as `write_csv` does, or have the bytes that
        # they have on disk; spreadsheets begin their files with a byte order mark.
        with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            reader = csv.DictReader(file)
            header = reader.fieldnames or []
            key = next((each for each in PATH_COLUMNS if each in header), None)
            if key is None or column not in header:
                raise CrackdetError(
                    f"{name} must be a CSV file with the columns path and {column}; its first line "
                    f"is {','.join(header)!r}."
                )
            for row in reader:
                file_name = unescaped(row[key] or "").removeprefix("./")
                value = (row[column] or "").strip()
                if values.setdefault(file_name, value) != value:
                    raise CrackdetError(f"{name} names {file_name} twice, with two values.")
    except OSError as error:
        raise CrackdetError(f"Cannot read {name}: {error.strerror}. Check the path.") from error
    except csv.Error as error:
        raise CrackdetError(f"{name} is not a CSV file: {error}.") from error
    return values
