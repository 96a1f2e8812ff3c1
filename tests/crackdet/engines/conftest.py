"""The tiny models of `tests.tiny`."""

from tests.tiny import make_mobilenet

__all__ = ["make_mobilenet"]
