"""A progress bar for long steps, on stderr so that results can be piped."""

import contextlib
import time
from collections.abc import Callable, Iterator

Progress = Callable[[int, int, str], None]  # (done, total, what is being done)

REDRAWN_SECONDS = 0.1


@contextlib.contextmanager
def shown_progress(verbose: int) -> Iterator[Progress | None]:
    """Yields a function that moves one bar for each kind of step; None when `verbose` is 0."""
    if not verbose:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    # Redrawn here, not by a thread: while TFDS is imported, a thread that imports fails.
    bars = Bars(console=Console(stderr=True), auto_refresh=False)
    tasks: dict[str, TaskID] = {}
    drawn = 0.0

    def progress(done: int, total: int, text: str) -> None:
        nonlocal drawn
        if not tasks:
            bars.start()  # not before: a bar that shows nothing leaves an empty line
        if text not in tasks:
            tasks[text] = bars.add_task(text)
        due = done == total or time.monotonic() - drawn > REDRAWN_SECONDS
        bars.update(tasks[text], completed=done, total=total, refresh=due)
        drawn = time.monotonic() if due else drawn

    try:
        yield progress
    finally:
        if tasks:
            bars.stop()
