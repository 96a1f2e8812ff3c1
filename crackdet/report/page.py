"""The page as HTML: templates filled with page data, every text escaped."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from crackdet.report.page_data import EmbeddedPicture, Page, page_data
from crackdet.report.run import Run


def render_page(run: Run, pictures: Mapping[str, EmbeddedPicture]) -> str:
    """Returns the whole page as HTML, which needs no other file.

    Args:
        run: What the run's folder holds.
        pictures: The drawn pictures by name; those that are not there are left out.
    """
    return render(page_data(run), pictures)


def render(page: Page, pictures: Mapping[str, EmbeddedPicture]) -> str:
    """Returns a page as HTML, with those of its pictures that there are."""
    return ENVIRONMENT.get_template("page.html.j2").render(page=page, pictures=pictures)


def _valid_text(value: Any) -> Any:
    r"""Returns text that UTF-8 can hold; anything else passes.

    Bytes of a file name that are no valid UTF-8 arrive as lone surrogates, which no page can
    hold: they are written out as `\udc..`.
    """
    if not isinstance(value, str):
        return value
    # Jinja marks HTML by a class of its own, which must stay.
    return type(value)(value.encode("utf-8", "backslashreplace").decode("utf-8"))


ENVIRONMENT = Environment(
    loader=PackageLoader("crackdet.report"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_valid_text,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
