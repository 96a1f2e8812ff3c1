"""Runs trials through an executor: several at once, again where a process died."""

import itertools
from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from typing import Protocol

from crackdet.errors import CrackdetError
from crackdet.training.heads import WIDTH
from tuning.ledger import Ledger
from tuning.tasks import Finished, Outcome, Task

MAX_FAILURES_IN_A_ROW = 3

# How often a trial is run again whose process died: a machine fails now and then, but a trial
# that always takes its process down (no memory, say) must not go on for ever.
MAX_RERUNS = 2


class Watcher(Protocol):
    """Is told of every trial; `replayed` says that it ran before a restart."""

    def started(self, task: Task) -> None: ...

    def finished(self, trial: Finished, *, replayed: bool) -> None: ...

    def lost(self, task: Task, error: BaseException) -> None: ...


def run_trials(
    ledger: Ledger,
    submit: Callable[[Sequence[Task]], "Future[list[Outcome]]"],
    *,
    workers: int,
    watchers: Sequence[Watcher],
    prepare: Callable[[Sequence[Task]], None] = lambda tasks: None,
    mended: Callable[[BaseException], bool] = lambda error: False,
    heads_at_once: int = WIDTH,
) -> list[Finished]:
    """Runs the trials of a search until its oracle has no more.

    Args:
        ledger: Where trials come from and their ends are noted.
        submit: Starts a job of one or more trials. Its future gives their outcomes; an exception
            means that the process died or never began, not that a trial failed.
        workers: Jobs at once.
        watchers: Are told of starts and ends, in their order.
        prepare: Is called with newly drawn trials, before any of them is submitted.
        mended: Is asked of an exception of a job's future; true says that the cause is gone, so
            that the job runs again and no process counts as dead.
        heads_at_once: Trials of the head alone that share a job, at most.

    Returns:
        The trials in the order of their ends.

    Raises:
        CrackdetError: After three failures in a row, or when the executor is broken.
    """
    for trial in ledger.finished():
        for watcher in watchers:
            watcher.finished(trial, replayed=True)
    waiting = deque(ledger.unfinished())
    _prepare(waiting, prepare)
    running: dict[Future[list[Outcome]], list[Task]] = {}
    deaths: Counter[str] = Counter()
    # A resumed search begins to count anew: the cause may be mended.
    failures: list[Finished] = []
    too_many: list[Finished] = []
    while True:
        drawn = ledger.draw()
        _prepare(drawn, prepare)
        waiting.extend(drawn)
        while waiting and len(running) < workers:
            job = next_job(waiting, workers, heads_at_once, deaths)
            for task, watcher in itertools.product(job, watchers):
                watcher.started(task)
            try:
                running[submit(job)] = job
            except BrokenExecutor as error:  # one that does not outlive the death of a process
                raise CrackdetError(
                    f"The executor takes no more trials: {str(error) or type(error).__name__}. "
                    "The same search goes on where it stopped, with a new executor."
                ) from error
        if not running:
            return ledger.finished()
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            job = running.pop(future)
            outcomes = _outcomes(future, job, deaths, watchers, mended)
            waiting.extendleft(task for task in reversed(job) if task.trial not in outcomes)
            for task in job:
                if task.trial not in outcomes:
                    continue
                trial = Finished(task, outcomes[task.trial])
                for watcher in watchers:
                    watcher.finished(trial, replayed=False)
                ledger.end(task, trial.outcome)
                failures = [*failures, trial] if trial.outcome.failed else []
                if len(failures) == MAX_FAILURES_IN_A_ROW:
                    too_many = failures
        if too_many:  # only now, when all that has ended is noted
            raise CrackdetError(_stopped(too_many))


def _prepare(tasks: Iterable[Task], prepare: Callable[[Sequence[Task]], None]) -> None:
    """Prepares trials together that were proposed together.

    How many come at once depends on how long others take, and must not decide which features are
    computed in one pass: from what a pass starts shows in the last digits.
    """
    for _, together in itertools.groupby(tasks, key=lambda task: task.told):
        prepare(list(together))


def next_job(
    waiting: deque[Task], workers: int, heads_at_once: int = WIDTH, dead: Container[str] = ()
) -> list[Task]:
    """Takes the next trial from the queue, with others of the head alone if it is one.

    Trials of the head alone are trained side by side, see `crackdet.training.fit_heads`.

    Args:
        waiting: The queue, in its order.
        workers: Jobs at once. Where there are several, those that train most come first, so that
            none is left with a long trial when all others have ended.
        heads_at_once: Trials of the head alone that share a job, at most.
        dead: Trials whose process has died: each runs alone, to take no other with it.
    """
    first = max(waiting, key=lambda task: task.depth) if workers > 1 else waiting[0]
    job = [first]
    if not first.depth and first.trial not in dead:
        kind = (0, first.images, first.epochs, first.painting)
        job = [
            task
            for task in waiting
            if (task.depth, task.images, task.epochs, task.painting) == kind
            and task.trial not in dead
        ][:heads_at_once]
    for task in job:
        waiting.remove(task)
    return job


def _outcomes(
    future: "Future[list[Outcome]]",
    job: list[Task],
    deaths: Counter[str],
    watchers: Sequence[Watcher],
    mended: Callable[[BaseException], bool],
) -> dict[str, Outcome]:
    """Returns the outcomes of a job by trial; trials to run again are missing."""
    try:
        return {task.trial: out for task, out in zip(job, future.result(), strict=True)}
    except Exception as error:  # of any executor's own types
        outcomes: dict[str, Outcome] = {}
        if mended(error):
            return outcomes
        for task in job:
            deaths[task.trial] += 1
            if deaths[task.trial] > MAX_RERUNS:
                text = f"its process died {deaths[task.trial]} times, the last time: {error}"
                outcomes[task.trial] = Outcome(error=text, traceback=text + "\n")
            else:
                for watcher in watchers:
                    watcher.lost(task, error)
        return outcomes


def _stopped(failures: list[Finished]) -> str:
    trials = [each.task.trial for each in failures]
    return (
        f"The search stopped: trials {', '.join(trials[:-1])} and {trials[-1]} failed one after "
        f"another, the last with {failures[-1].outcome.error} (traceback in "
        f"trial_{trials[-1]}/error.txt). Mend the cause; the same options then go on with the "
        "next trial."
    )
