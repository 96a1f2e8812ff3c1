"""What a file of a run holds, where an entry that is lacking is a sentence and no KeyError."""

from collections.abc import Callable
from typing import Any, NoReturn

Refuse = Callable[[str], NoReturn]


class Entries(dict[str, Any]):
    """The entries of a file by name, as a dictionary; its dictionaries are such entries too.

    Args:
        values: The entries.
        refuse: Raises what tells the user that an entry, `"after.test.recall"` say, is lacking.
        where: Names of the entries above this one, each with a dot behind it.

    Example:

    >>> def refuse(name):
    ...     raise ValueError(f"lacks {name}")
    >>> Entries({"after": {"n": 3}}, refuse)["after"]["recall"]
    Traceback (most recent call last):
    ValueError: lacks after.recall
    """

    def __init__(self, values: dict[str, Any], refuse: Refuse, where: str = ""):
        super().__init__(
            (name, Entries(value, refuse, f"{where}{name}.") if isinstance(value, dict) else value)
            for name, value in values.items()
        )
        self._refuse, self._where = refuse, where

    def __missing__(self, name: str) -> NoReturn:
        self._refuse(f"{self._where}{name}")
