"""The tiny data and models of `tests.tiny`."""

from tests.tiny import data, make_mobilenet, make_model

__all__ = ["data", "make_mobilenet", "make_model"]
