"""What a search shows while it runs: a live table on a terminal, else one line a trial."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import rich
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from crackdet.runs import files
from crackdet.runs.trials import HYPERPARAMETERS, hyperparameters_in
from tuning.leaderboard import Leaderboard
from tuning.tasks import Finished, Task

SHOWN = 12  # best trials in the live table, which must fit on a screen


class Display:
    """Shows the trials of a search; a `tuning.scheduler.Watcher`, told after its leaderboard.

    Args:
        leaderboard: The finished trials.
        planned: Training images of each trial that the search runs at most.
        workers: Trials that run at once.
        verbose: 0 shows nothing.
        console: Where to show it. Defaults to the standard output.
    """

    def __init__(
        self,
        leaderboard: Leaderboard,
        planned: Sequence[int],
        *,
        workers: int = 1,
        verbose: int = 1,
        console: Console | None = None,
    ):
        self.leaderboard = leaderboard
        self.max_trials = len(planned)
        self._images = sum(planned)
        self.workers = workers
        self.verbose = verbose
        # The console of every other progress bar, so that one may show below the table.
        self.console = console or rich.get_console()
        self._running: dict[str, float] = {}

    @contextmanager
    def live(self) -> Iterator[None]:
        """Keeps the table up to date while the block runs, on a terminal."""
        if not self.verbose or not self.console.is_terminal:
            yield
            return
        with Live(get_renderable=self.render, console=self.console, refresh_per_second=2):
            yield

    def started(self, task: Task) -> None:
        """Notes that a trial runs."""
        self._running[task.trial] = time.monotonic()
        self._plan(task)

    def finished(self, trial: Finished, *, replayed: bool) -> None:
        """Tells how a trial ended."""
        self._running.pop(trial.task.trial, None)
        if replayed:
            self._plan(trial.task)
            return
        if trial.outcome.failed or not self.console.is_terminal:
            self.say(self._line(trial))

    def _plan(self, task: Task) -> None:
        """Makes room in the plan for a trial that replaces a failed one."""
        if len(self.leaderboard.trials) + len(self._running) > self.max_trials:
            self.max_trials += 1
            self._images += self.leaderboard.images_of(task)

    def lost(self, task: Task, error: BaseException) -> None:
        """Tells that a trial's process died, and that it will run again."""
        self._running.pop(task.trial, None)
        self.say(f"trial {task.trial} is run again: {error}.")

    def say(self, line: str) -> None:
        """Prints a line, above the table while there is one."""
        if self.verbose:
            self.console.print(Text(line), soft_wrap=True)

    def render(self) -> Group:
        """Returns the table of the best trials and the line on what runs."""
        board = self.leaderboard
        first = board.trials[0].task.values if board.trials else HYPERPARAMETERS
        columns = ("trial", *hyperparameters_in(first), *board.metrics, "epochs", "seconds")
        table = Table(*(name.replace("_", " ") for name in columns))  # words wrap when narrow
        for place, trial in enumerate(board.ranked()[:SHOWN]):
            row = board.row(trial)
            cells = [_cell(row[column]) for column in columns]
            table.add_row(*cells, style="bold green" if place == 0 else "")
        return Group(table, Text(self.status()))

    def status(self) -> str:
        """Returns one line: what is done, what runs, about how long it will take."""
        board = self.leaderboard
        parts = [f"{len(board.trials)} of {self.max_trials} trials done"]
        if board.failures():
            parts.append(f"{len(board.failures())} failed")
        if running := dict(self._running):  # the table is drawn by a thread of its own
            start = min(running.values())
            runs = (
                f"trials {', '.join(running)} run"
                if len(running) > 1
                else (f"trial {next(iter(running))} runs")
            )
            parts.append(f"{runs}, since {_duration(time.monotonic() - start)}")
        if left := self._time_left():
            parts.append(left)
        return ", ".join(parts)

    def describe(self, trial: Finished) -> str:
        """Returns a trial in words."""
        row = self.leaderboard.row(trial)
        drawn = ", ".join(f"{name} {_cell(row[name])}" for name in hyperparameters_in(row))
        if trial.outcome.failed:
            where = self.leaderboard.folder / files.error_file(row["trial"])
            return f"trial {row['trial']} failed: {row['error']} ({drawn}; traceback in {where})"
        values = ", ".join(f"{name} {_cell(row[name])}" for name in self.leaderboard.metrics)
        return f"trial {row['trial']}: {values} ({drawn}; {_duration(row['seconds'])})"

    def _line(self, trial: Finished) -> str:
        parts = [self.describe(trial), f"{len(self.leaderboard.trials)} of {self.max_trials} done"]
        return ", ".join(filter(None, [*parts, self._time_left()]))

    def _time_left(self) -> str:
        trials = self.leaderboard.trials
        remaining = self.max_trials - len(trials)
        if not trials or not remaining:
            return ""
        # Trials of a later round take longer, as they have more images.
        done = sum(self.leaderboard.images_of(trial.task) for trial in trials)
        per_image = sum(trial.outcome.seconds for trial in trials) / done
        seconds = per_image * (self._images - done) / min(self.workers, remaining)
        return f"about {_duration(seconds)} left"


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
