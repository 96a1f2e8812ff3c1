"""What the page shows, as plain strings and numbers: one file a section; no HTML."""

from crackdet.report.page_data.page import Page, Section, page_data
from crackdet.report.page_data.pictures import EmbeddedPicture, embed
from crackdet.report.page_data.tables import Table

__all__ = ["EmbeddedPicture", "Page", "Section", "Table", "embed", "page_data"]
