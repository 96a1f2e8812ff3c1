"""A line of progress, with rate and time left, for work that takes longer than two seconds."""

import contextlib
import time
from collections.abc import Callable, Iterator

DELAY = 2.0


@contextlib.contextmanager
def progress_bar(text: str, total: int, *, visible: bool = True) -> Iterator[Callable[[int], None]]:
    """Yields a function that is told how many more items are done.

    Args:
        text: What is being done.
        total: Number of items.
        visible: False for no line at all.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        refresh_per_second=2,
    )
    task = bar.add_task(text, total=total, rate="")
    start = time.monotonic()
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        seconds = time.monotonic() - start
        if visible and seconds > DELAY and not bar.live.is_started:
            bar.start()
        bar.update(task, advance=count, rate=f"{done / max(seconds, 1e-9):.0f}/s")

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()
