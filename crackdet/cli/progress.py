"""A progress bar for long steps, on stderr so that results can be piped."""

import contextlib
from collections.abc import Callable, Iterator

Progress = Callable[[int, int, str], None]  # (done, total, what is being done)


@contextlib.contextmanager
def shown_progress(verbose: int) -> Iterator[Progress | None]:
    """Yields a function that moves one bar for each kind of step; None when `verbose` is 0."""
    if not verbose:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    bars = Bars(console=Console(stderr=True))
    tasks: dict[str, TaskID] = {}

    def progress(done: int, total: int, text: str) -> None:
        if not tasks:
            bars.start()  # not before: a bar that shows nothing leaves an empty line
        if text not in tasks:
            tasks[text] = bars.add_task(text)
        bars.update(tasks[text], completed=done, total=total)

    try:
        yield progress
    finally:
        if tasks:
            bars.stop()
