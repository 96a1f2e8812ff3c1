"""How the text of an option is read: numbers in a range, some words, yes or no, none."""

import argparse
import math
from collections.abc import Callable
from typing import Any

Reader = Callable[[str], Any]


def whole(low: int, high: int | None = None) -> Reader:
    """Returns a reader of whole numbers from `low` to `high`."""
    return _number(int, "a whole number", low, high)


def even(low: int) -> Reader:
    """Returns a reader of even numbers from `low`."""
    read = whole(low)

    def reader(text: str) -> int:
        value: int = read(text)
        if value % 2:
            raise argparse.ArgumentTypeError(f"expected an even number, received {text!r}")
        return value

    return reader


def real(low: float, high: float | None = None, *, open_low: bool = False) -> Reader:
    """Returns a reader of numbers from `low` (left out when `open_low`) to `high`."""
    return _number(float, "a number", low, high, open_low)


def optional(read: Reader) -> Reader:
    """Returns a reader that takes the word `none` for None and leaves the rest to `read`."""

    def reader(text: str) -> Any:
        return None if text.lower() == "none" else read(text)

    return reader


def one_of(*words: str) -> Reader:
    """Returns a reader of one of some words."""

    def reader(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(f"expected {' or '.join(words)}, received {text!r}")
        return text

    return reader


def increasing(read: Reader, most: int) -> Reader:
    """Returns a reader of one value, or of up to `most` that increase, divided by commas."""

    def reader(text: str) -> Any:
        values = [read(part) for part in text.split(",")]  # a list, as config.json gives it back
        if len(values) > most or values != sorted(set(values)):
            raise argparse.ArgumentTypeError(
                f"expected one value, or up to {most} that increase, divided by commas; received "
                f"{text!r}"
            )
        return values if len(values) > 1 else values[0]

    return reader


def yes_or_no(text: str) -> bool:
    """Reads yes or no."""
    return one_of("yes", "no")(text) == "yes"


def _number(
    kind: type, name: str, low: float, high: float | None, open_low: bool = False
) -> Reader:
    if open_low:
        bounds = f"above {low}" if high is None else f"above {low}, at most {high}"
    else:
        bounds = f"of at least {low}" if high is None else f"from {low} to {high}"

    def reader(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        finite = value is not None and math.isfinite(value)
        inside = finite and (value > low if open_low else value >= low)
        if not inside or (high is not None and value > high):
            raise argparse.ArgumentTypeError(f"expected {name} {bounds}, received {text!r}")
        return value

    return reader
