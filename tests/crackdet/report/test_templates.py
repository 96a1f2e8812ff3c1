"""The templates: what they do to any text, and the markup around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from crackdet.report.page import ENVIRONMENT
from crackdet.report.page_data import EmbeddedPicture, Table

MACROS = ENVIRONMENT.get_template("macros.html.j2").module


def render(text):
    """A table and a picture with the same text in all their places."""
    table = Table(text, [text, "File"], [[text, text]], long_column="File")
    picture = EmbeddedPicture(text, text, text, source="data:,", width=1, height=1)
    return str(MACROS.table(table)) + str(MACROS.figures({"a": picture}, ["a", "b"]))


# Lone surrogates too: they stand for the bytes of a file name that is no UTF-8.
@given(st.text(st.characters(exclude_categories=())))
def test_text_never_becomes_markup(text):
    page, plain = render(text), render("plain")
    assert [page.count(mark) for mark in '<>"'] == [plain.count(mark) for mark in '<>"']
    assert page.encode("utf-8")


def test_what_utf_8_cannot_hold_is_written_out_once_and_escaped_once():
    assert "<caption>a &amp; \\udcff &lt;</caption>" in render("a & \udcff <")


def test_tables_name_rows_and_columns():
    table = Table("Counts", ["Split", "n"], [["train", "3"]], numeric=False)
    text = MACROS.table(table)
    assert '<th scope="col">n</th>' in text
    assert '<tr><th scope="row">train</th><td>3</td></tr>' in text.replace("\n", "")
    assert '<div class="scroll" role="region" aria-label="Counts" tabindex="0">' in text
    assert 'class="numbers"' not in text
    assert 'class="numbers"' in MACROS.table(Table("Counts", ["Split", "n"], []))


def test_names_of_files_may_wrap():
    table = Table("Files", ["Place", "File"], [["1", "a.jpg"]], long_column="File")
    assert '<td><span class="name">a.jpg</span></td>' in MACROS.table(table)


def test_a_name_that_the_page_data_lack_is_an_error():
    with pytest.raises(UndefinedError, match="no attribute 'captoin'"):
        ENVIRONMENT.from_string("{{ data.captoin }}").render(data=Table("", [], []))


def test_the_style_sheet_arrives_as_it_is():
    # It is included as a template, in which some pairs of braces would be taken for Jinja's.
    style, _, _ = ENVIRONMENT.loader.get_source(ENVIRONMENT, "style.css")
    assert ENVIRONMENT.get_template("style.css").render() == style
