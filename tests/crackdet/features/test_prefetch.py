"""Items are made ahead, in order, and their maker stops with their reader."""

import threading
import time
from collections.abc import Iterator

import pytest

from crackdet.errors import CrackdetError
from crackdet.features.prefetch import prefetch


def test_prefetch_runs_ahead_in_a_thread_and_keeps_the_order() -> None:
    made = []

    def items() -> Iterator[int]:
        for item in range(6):
            made.append((item, threading.current_thread().name))
            yield item

    stream = prefetch(items(), ahead=2)
    assert next(stream) == 0
    deadline = time.monotonic() + 5
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(made) == 4, "one handed out, two waiting, one at the door"
    assert list(stream) == [1, 2, 3, 4, 5]
    assert {name for _, name in made} == {"crackdet-prefetch"}


def test_prefetch_hands_errors_on_and_stops_with_its_reader() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise CrackdetError("Cannot read x.jpg")

    stream = prefetch(failing())
    assert next(stream) == 1
    with pytest.raises(CrackdetError, match=r"x\.jpg"):
        next(stream)
    endless = prefetch(iter(int, 1))
    next(endless)
    endless.close()
    assert not [t for t in threading.enumerate() if t.name == "crackdet-prefetch"]
