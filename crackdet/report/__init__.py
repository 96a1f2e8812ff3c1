"""The report of a run: pictures and one self-contained page, made from the run's files alone."""

from crackdet.report.report import write_report, write_search_pictures

__all__ = ["write_report", "write_search_pictures"]
