"""How the text of an option is read."""

import argparse
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackdet.cli import readers


@given(st.integers(), st.integers(-50, 50))
def test_whole_numbers_are_read_exactly_within_their_range(value: int, low: int) -> None:
    read = readers.whole(low, low + 10)
    if low <= value <= low + 10:
        assert read(str(value)) == value
    else:
        with pytest.raises(argparse.ArgumentTypeError, match=f"from {low} to {low + 10}"):
            read(str(value))


@given(st.floats())
def test_numbers_are_read_exactly_within_their_range(value: float) -> None:
    read = readers.real(0, 1, open_low=True)
    if 0 < value <= 1:
        assert read(repr(value)) == value
    else:
        with pytest.raises(argparse.ArgumentTypeError, match="above 0, at most 1"):
            read(repr(value))


@pytest.mark.parametrize("text", ["", "one", "1.5", "0x10"])
def test_words_are_not_whole_numbers(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"received {text!r}"):
        readers.whole(0)(text)


def test_infinity_is_not_a_number_of_anything() -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        readers.real(0)("inf")
    assert math.isfinite(readers.real(0)("1e300"))


def test_none_is_a_word() -> None:
    read = readers.optional(readers.whole(1))
    assert read("none") is None
    assert read("3") == 3
