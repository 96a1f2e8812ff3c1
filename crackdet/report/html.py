"""HTML from plain function calls, escaped unless it is markup already."""

import base64
import html
from collections.abc import Iterable

_VOID = {"img", "meta"}


class Markup(str):
    """Text that is HTML; any other text is escaped before it enters a page."""

    __slots__ = ()


def escape(text: object) -> Markup:
    """Returns text with every character that means something in HTML escaped.

    Bytes of a file name that are no valid UTF-8 arrive as lone surrogates, which no page can
    hold: they are written out as `\\udc..`.
    """
    if isinstance(text, Markup):
        return text
    valid = str(text).encode("utf-8", "backslashreplace").decode("utf-8")
    return Markup(html.escape(valid))


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """Returns an element.

    Args:
        name: The element's name.
        children: Text, escaped, or `Markup`; `None` is left out.
        attributes: Values are escaped; `None` is left out, `True` gives the bare name. A trailing
            underscore is dropped and others become hyphens, so `class_` and `aria_label` work.

    Example:

    >>> tag("p", "2 < 3 ", tag("b", "bold"), class_="note")
    '<p class="note">2 &lt; 3 <b>bold</b></p>'
    """
    parts = [name]
    for key, value in attributes.items():
        if value is not None:
            key = key.rstrip("_").replace("_", "-")
            parts.append(key if value is True else f'{key}="{escape(value)}"')
    if name in _VOID:
        return Markup(f"<{' '.join(parts)}>")
    return Markup(f"<{' '.join(parts)}>{join(children)}</{name}>")


def join(children: Iterable[object], separator: str = "") -> Markup:
    """Returns children one after the other, escaped unless markup."""
    return Markup(separator.join(escape(child) for child in children if child is not None))


def table(
    caption: str,
    header: Iterable[object],
    rows: Iterable[Iterable[object]],
    *,
    numeric: bool = True,
) -> Markup:
    """Returns a table whose first column names the rows, in a box that scrolls by itself.

    Args:
        caption: What the table shows; also the name of the box for screen readers.
        header: Titles of the columns.
        rows: Cells; the first of each row is its header.
        numeric: Whether cells are numbers, set flush right.
    """
    head = tag("tr", *(tag("th", title, scope="col") for title in header))
    body = [
        tag("tr", tag("th", first, scope="row"), *(tag("td", cell) for cell in rest))
        for first, *rest in rows
    ]
    content = tag(
        "table",
        tag("caption", caption),
        tag("thead", head),
        tag("tbody", *body),
        class_="numbers" if numeric else None,
    )
    # A box that scrolls must be reachable by keyboard, hence tabindex.
    return tag("div", content, class_="scroll", role="region", aria_label=caption, tabindex=0)


def png(data: bytes, alt: str) -> Markup:
    """Returns an image that carries its own data, and its size so that its place is kept."""
    # A PNG begins with 8 bytes of signature, then length, name and content of its header chunk.
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    source = "data:image/png;base64," + base64.b64encode(data).decode("ascii")
    return tag("img", src=source, alt=alt, width=width, height=height)
