"""The page: what a run found, in the order in which a reader asks."""

import re
from collections.abc import Callable, Iterable

from crackdet.report import sections
from crackdet.report.files import Run
from crackdet.report.html import Markup, join, tag
from crackdet.report.sections import Pictures
from crackdet.report.style import CSS
from crackdet.report.words import headline

Section = Callable[[Run, Pictures], Iterable[Markup]]

SECTIONS: dict[str, tuple[str, Section]] = {
    "results": ("Before and after training", sections.results),
    "decisions": ("Decisions and mistakes", sections.decisions),
    "scores": ("Scores", sections.ranking),
    "training": ("Training", sections.training),
    "search": ("Search", sections.search),
    "data": ("Data", sections.data),
    "model": ("Model", sections.model),
    "repeat": ("How to repeat this run", sections.repeat),
}

# Notes on data that speak of these are a warning, and stand above every figure.
_LEAK = re.compile("leak|twin|overlap", re.IGNORECASE)
# The page needs nothing from outside and runs nothing; this makes browsers hold it to that.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(run: Run, pictures: Pictures) -> str:
    """Returns the whole page as HTML.

    Args:
        run: What the run's folder holds.
        pictures: The drawn pictures by name.
    """
    title = f"Crack detection: {run.folder.resolve().name}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", title),
        tag("style", Markup(CSS)),
    )
    body = tag("body", _header(run, title), _main(run, pictures), _footer())
    return "<!DOCTYPE html>\n" + tag("html", head, body, lang="en") + "\n"


def _header(run: Run, title: str) -> Markup:
    data, row = run.metrics["data"], run.metrics["after"]["test"]
    notes = data["notes"]
    links = [tag("li", tag("a", name, href=f"#{anchor}")) for anchor, (name, _) in SECTIONS.items()]
    return tag(
        "header",
        tag("h1", title),
        tag(
            "p",
            f"Data set {data['name']}, test split: {row['n']:,} images in {row['groups']:,} "
            "independent groups, read once.",
            class_="soft",
        ),
        tag("p", headline(row), class_="headline"),
        tag("p", tag("strong", "Read this first. "), notes, class_="banner", role="note")
        if _LEAK.search(notes)
        else None,
        sections.facts(row),
        tag("nav", tag("ul", *links), aria_label="Sections"),
    )


def _main(run: Run, pictures: Pictures) -> Markup:
    return tag(
        "main",
        *(
            tag(
                "section",
                tag("h2", name, id=anchor),
                join(section(run, pictures)),
                aria_labelledby=anchor,
            )
            for anchor, (name, section) in SECTIONS.items()
        ),
    )


def _footer() -> Markup:
    return tag("footer", tag("p", "Made by crackdet from the files of the run.", class_="soft"))
