"""Processes on this machine's processors that run trials, one process a job."""

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
from typing import Any

from threadpoolctl import threadpool_limits

from crackdet.memory import keep_freed_memory

PRELOADED = ["crackdet.preloaded", "tuning.trial"]


class TrialProcesses(Executor):
    """Runs each job in a process of its own, which ends with the job.

    Memory goes back to the system, and a process that dies takes no other job with it, as it
    would in a `ProcessPoolExecutor`. Processes are forked from a server that has imported Keras
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
        self._running: dict[threading.Thread, Any] = {}
        self._used = False
        self._closed = False
        self._lock = threading.Lock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Starts a process that calls a function, which must be importable there."""
        with self._lock:
            if self._closed:
                raise RuntimeError("The executor has been shut down.")
            future: Future[Any] = Future()
            future.set_running_or_notify_cancel()
            receiver, sender = self._context.Pipe(duplex=False)
            process = self._context.Process(
                target=_call, args=(sender, self._threads, fn, args, kwargs), daemon=True
            )
            # The first start waits for the server's imports. Ctrl-C must end it; nothing has
            # been forked yet. Later ones take milliseconds; cut in half, they would lose a process.
            waiting = without_interrupts() if self._used else contextlib.nullcontext()
            try:
                _start_server()  # unless it runs
                with sender, without_main(), waiting:
                    process.start()
                    self._used = True
                    thread = threading.Thread(
                        target=self._collect, args=(future, process, receiver), daemon=True
                    )
                    self._running[thread] = process
                    thread.start()
            except (OSError, EOFError) as error:  # it died before it had read its arguments
                receiver.close()
                future.set_exception(BrokenProcessPool(f"the process did not start: {error}"))
            except BaseException:  # an interrupt, of the first start
                if process.pid is not None:
                    process.kill()
                raise
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no further jobs; kills those that run if `cancel_futures`, else waits for them."""
        with self._lock:
            self._closed = True
            running = dict(self._running)
            if cancel_futures:
                for process in running.values():
                    process.kill()
        if wait or cancel_futures:
            for thread in running:
                thread.join()
        if cancel_futures and not self._used:
            _end_server()  # which may import for seconds yet, and would outlive an interrupt

    def _collect(self, future: "Future[Any]", process: Any, receiver: Connection) -> None:
        """Waits for what a process sends and for its end; runs in a thread of its own."""
        error: BaseException | None
        try:
            error, value = receiver.recv()
        except (EOFError, OSError):
            error, value = BrokenProcessPool(), None
        except Exception as raised:  # what was sent cannot be unpickled here
            error, value = raised, None
        receiver.close()
        wait_for([process.sentinel])
        with self._lock:  # its end can be read once, which the start of another process does too
            process.join()
            del self._running[threading.current_thread()]
        if isinstance(error, BrokenProcessPool) and not error.args:
            error = BrokenProcessPool(how_it_ended(process.exitcode))
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


def _call(
    sender: Connection, threads: int, fn: Callable[..., Any], args: tuple, kwargs: dict[str, Any]
) -> None:
    """Runs in the new process."""
    watch_parent()
    # What the server has imported lasts as long as the process. To look through it for garbage, as
    # Python would while the backend traces, is a tenth of a short trial.
    gc.freeze()
    limit_threads(threads)
    keep_freed_memory()
    answer(sender, fn, args, kwargs)


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
