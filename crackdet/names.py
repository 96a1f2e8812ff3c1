r"""File names as text: shown to people, written to UTF-8 files, and read back.

On Linux a name is bytes. Those that are no UTF-8 reach Python as lone surrogates, U+DC80 to U+DCFF,
which no UTF-8 file can hold and no terminal prints: they stand as `\udc80` to `\udcff`.
"""

import re

_BACKSLASH = r"\u005c"
# A backslash before what reads as one of our escapes would make two names one.
_LOOKS_ESCAPED = re.compile(r"\\(?=u(?:dc[89a-f][0-9a-f]|005c))")
_ESCAPE = re.compile(r"\\u(dc[89a-f][0-9a-f]|005c)")


def printable(text: str) -> str:
    r"""Returns text for a person: what a terminal would obey, or cannot print, stands escaped.

    Example:

    >>> printable("wall\x1b[2J\udcff.jpg")
    'wall\\x1b[2J\\udcff.jpg'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def escaped(text: str) -> str:
    """Returns text that UTF-8 can hold; `unescaped` gives it back exactly."""
    text = _LOOKS_ESCAPED.sub(lambda _: _BACKSLASH, text)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def unescaped(text: str) -> str:
    """Returns the text that `escaped` was given."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
