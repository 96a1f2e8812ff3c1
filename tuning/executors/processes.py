"""Processes on this machine's processors that run trials, each one job at a time."""

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from crackdet.memory import keep_freed_memory

PRELOADED = ["crackdet.preloaded", "tuning.trial"]


class Worker(NamedTuple):
    """A process that waits for jobs, and this end of the pipe to it."""

    process: Any
    connection: Connection

    def end(self) -> None:
        """Hangs up, upon which the process ends, and waits for that."""
        self.connection.close()
        self.process.join()


class TrialProcesses(Executor):
    """Runs each job in a process that does nothing else meanwhile and then takes the next one.

    As many processes are there as jobs have run at once. One that dies takes no other job with it,
    as it would in a `ProcessPoolExecutor`. They are forked from a server that has imported Keras
    and done nothing else with it, so that one starts in a tenth of a second. They ignore Ctrl-C,
    which is for the parent to answer, and end when the parent does, however it ends.

    Args:
        threads: Threads that each process computes with. The number changes the order of sums
            and with it the last bits, so it must not follow from how many processes there are.

    Example:

    >>> with TrialProcesses() as executor:
    ...     executor.submit(pow, 2, 5).result()
    32
    """

    def __init__(self, threads: int = 1):
        self._threads = threads
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)
        resource_tracker.ensure_running()  # which would let interrupts through again
        _start_server()  # it imports while the caller goes on
        self._idle: list[Worker] = []
        self._running: dict[threading.Thread, Worker] = {}
        self._used = False
        self._closed = False
        self._lock = threading.Lock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Has a process call a function, which must be importable there."""
        with self._lock:
            if self._closed:
                raise RuntimeError("The executor has been shut down.")
            future: Future[Any] = Future()
            future.set_running_or_notify_cancel()
            try:
                worker = self._idle.pop() if self._idle else self._start()
                self._send(worker, (fn, args, kwargs))
            except (OSError, EOFError) as error:  # it died before it had read its job
                future.set_exception(BrokenProcessPool(f"the process did not start: {error}"))
                return future
            thread = threading.Thread(target=self._collect, args=(future, worker), daemon=True)
            self._running[thread] = worker
            thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no further jobs; kills those that run if `cancel_futures`, else waits for them."""
        with self._lock:
            self._closed = True
            running = dict(self._running)
            idle, self._idle = self._idle, []
            if cancel_futures:
                for worker in running.values():
                    worker.process.kill()
        for worker in idle:
            worker.end()
        if wait or cancel_futures:
            for thread in running:
                thread.join()
        if cancel_futures and not self._used:
            _end_server()  # which may import for seconds yet, and would outlive an interrupt

    def _start(self) -> Worker:
        """Starts a process; called with the lock held."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, self._threads), daemon=True)
        # The first start waits for the server's imports. Ctrl-C must end it; nothing has been
        # forked yet. Later ones take milliseconds; cut in half, they would lose a process.
        waiting = without_interrupts() if self._used else contextlib.nullcontext()
        try:
            _start_server()  # unless it runs
            with theirs, without_main(), waiting:
                process.start()
                self._used = True
        except BaseException:  # an interrupt, of the first start
            ours.close()
            if process.pid is not None:
                process.kill()
            raise
        return Worker(process, ours)

    def _send(self, worker: Worker, job: tuple) -> None:
        """Sends a job, whole or not at all; called with the lock held."""
        try:
            with without_interrupts():
                worker.connection.send(job)
        except OSError:
            worker.end()
            raise
        except BaseException:  # it cannot travel; nothing has been sent
            self._idle.append(worker)
            raise

    def _collect(self, future: "Future[Any]", worker: Worker) -> None:
        """Waits for what a process sends; runs in a thread of its own."""
        error: BaseException | None
        died = False
        try:
            error, value = worker.connection.recv()
        except (EOFError, OSError):
            error, value, died = None, None, True
        except Exception as raised:  # what was sent cannot be unpickled here
            error, value = raised, None
        if died:
            wait_for([worker.process.sentinel])
        with self._lock:  # its end can be read once, which the start of another process does too
            del self._running[threading.current_thread()]
            ends = died or self._closed
            if ends:
                worker.end()
            else:
                self._idle.append(worker)
        if died:
            error = BrokenProcessPool(how_it_ended(worker.process.exitcode))
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


def limit_threads(count: int) -> None:
    """Makes the backend compute with so many threads, from before its first operation on."""
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC"):  # NPROC is JAX's
        os.environ[name] = str(count)
    if count == 1:
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    threadpool_limits(count)  # PyTorch's and NumPy's


def _work(connection: Connection, threads: int) -> None:
    """Runs in the new process."""
    watch_parent()
    # What the server has imported lasts as long as the process. To look through it for garbage, as
    # Python would while the backend traces, is a tenth of a short trial.
    gc.freeze()
    limit_threads(threads)
    keep_freed_memory()
    answer_all(connection)


def answer_all(connection: Connection) -> None:
    """Calls one function after another that comes with its arguments, until the parent hangs up."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            try:
                function, args, kwargs = connection.recv()
            except (EOFError, OSError):
                raise
            except Exception as raised:  # it cannot be unpickled here
                connection.send((raised, None))
            else:
                answer(connection, function, args, kwargs)


def answer(sender: Connection, fn: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> None:
    """Calls a function and sends `(exception, value)`, of which one is None."""
    error: Exception | None = None
    value = None
    try:
        value = fn(*args, **kwargs)
    except Exception as raised:
        error = raised
    try:
        sender.send((error, value))
    except Exception as raised:  # it cannot be pickled
        sender.send((raised, None))


def watch_parent() -> None:
    """Ends this process when the one that started it ends, however it ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _start_server() -> None:
    """Starts the server that processes are forked from, where none runs."""
    with without_interrupts():
        forkserver.ensure_running()


def _end_server() -> None:
    """Kills the server that processes are forked from; the next executor starts another."""
    pid = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    if pid is not None:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            # Leaves it to be found dead by who looks for it next.
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Keeps Ctrl-C from processes that are started meanwhile, which take over what is blocked.

    The server ignores it by itself only after its imports, which it would end in a traceback.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Hides the caller's script, which every new process would otherwise run once more.

    Jobs need nothing of it; a script that searches without `if __name__ == "__main__":` would
    search again in each of its trials.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def how_it_ended(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"the process ended with exit code {exitcode}"
    return f"the process was killed by {signal.Signals(-exitcode).name}"
