"""Processes that run trials on GPUs: one for each, which lives as long as the search."""

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from crackdet.devices import gpu_count
from crackdet.memory import keep_freed_memory
from crackdet.quiet import in_process_of_command, quiet_tensorflow
from tuning.executors.processes import (
    answer_all,
    how_it_ended,
    watch_parent,
    without_interrupts,
    without_main,
)

VISIBLE = "CUDA_VISIBLE_DEVICES"

_environment = threading.Lock()


class _Job(NamedTuple):
    future: "Future[Any]"
    function: Callable[..., Any]
    args: tuple
    kwargs: dict[str, Any]


class GpuProcesses(Executor):
    """Runs jobs one after another in a process for each GPU, which is replaced when it dies.

    To start a backend on a GPU and compile for it takes longer than many trials, so a process goes
    on with the next job. Each is started fresh, by spawn: a process that is forked after a backend
    has asked for devices cannot use them. They ignore Ctrl-C, which is for the parent to answer,
    and end when the parent does, however it ends.

    Args:
        devices: Number of each GPU as the backend counts them, None for a process that sees all.
            Defaults to every GPU, or one process where the backend's devices have no numbers.

    Attributes:
        workers: Jobs at once.

    Example:

    >>> with GpuProcesses() as executor:
    ...     executor.submit(pow, 2, 5).result()
    32
    """

    def __init__(self, devices: Sequence[int | None] | None = None):
        devices = list(range(gpu_count())) or [None] if devices is None else list(devices)
        self.workers = len(devices)
        self._context = multiprocessing.get_context("spawn")
        resource_tracker.ensure_running()  # which would let interrupts through again
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._killed = False
        self._processes: dict[int, Any] = {}
        self._threads = [
            threading.Thread(target=self._serve, args=(place, device), daemon=True)
            for place, device in enumerate(devices)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Queues a call of a function, which must be importable in another process."""
        with self._lock:
            if self._closed:
                raise RuntimeError("The executor has been shut down.")
            future: Future[Any] = Future()
            self._jobs.put(_Job(future, fn, args, kwargs))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no further jobs; kills those that run if `cancel_futures`, else waits for them."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in self._threads:
                    self._jobs.put(None)
            if cancel_futures:
                self._killed = True
                for process in self._processes.values():
                    process.kill()
        if wait or cancel_futures:
            for thread in self._threads:
                thread.join()

    def _serve(self, place: int, device: int | None) -> None:
        """Hands jobs to the process of one device; runs in a thread of its own."""
        connection: Connection | None = None
        while (job := self._jobs.get()) is not None:
            if self._killed or not job.future.set_running_or_notify_cancel():
                job.future.cancel()
                continue
            try:
                if connection is None:
                    connection = self._start(place, device)
                connection.send((job.function, job.args, job.kwargs))
                error, value = self._answer(place, connection)
            except (BrokenProcessPool, OSError, EOFError) as died:
                connection = None
                error, value = self._died(place, died), None
            except Exception as raised:  # the job, or its value, cannot travel
                error, value = raised, None
            if error is None:
                job.future.set_result(value)
            else:
                job.future.set_exception(error)
        if connection is not None:
            connection.close()  # upon which the process ends
            self._processes[place].join()

    def _start(self, place: int, device: int | None) -> Connection:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs,), daemon=True)
        with self._lock:
            if self._killed:
                raise BrokenProcessPool("the executor has been shut down")
            with _only_sees(device), without_main(), without_interrupts():
                process.start()
            self._processes[place] = process
        theirs.close()
        return ours

    def _answer(self, place: int, connection: Connection) -> tuple[BaseException | None, Any]:
        process = self._processes[place]
        if connection not in wait([connection, process.sentinel]):
            raise BrokenProcessPool
        return connection.recv()

    def _died(self, place: int, error: BaseException) -> BrokenProcessPool:
        process = self._processes.pop(place, None)
        if process is None:
            return BrokenProcessPool(*error.args)
        process.kill()
        process.join()
        return BrokenProcessPool(how_it_ended(process.exitcode))


def _work(connection: Connection) -> None:
    """Runs in the process: answers one job after another until its parent hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch_parent()
    keep_freed_memory()
    quiet_tensorflow()
    in_process_of_command()
    answer_all(connection)


@contextlib.contextmanager
def _only_sees(device: int | None) -> Iterator[None]:
    """Lets a process that is started meanwhile see one GPU alone.

    Backends may ask for devices as soon as they are imported, so it must be said before.
    """
    if device is None:
        yield
        return
    with _environment:
        before = os.environ.get(VISIBLE)
        numbers = before.split(",") if before else []
        # Where this process sees some of the machine's, their own numbers count.
        os.environ[VISIBLE] = numbers[device] if device < len(numbers) else str(device)
        try:
            yield
        finally:
            if before is None:
                del os.environ[VISIBLE]
            else:
                os.environ[VISIBLE] = before
