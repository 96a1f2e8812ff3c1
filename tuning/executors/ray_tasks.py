"""Trials on the machines of a Ray cluster, behind the Executor interface."""

import socket
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from crackdet.errors import CrackdetError
from crackdet.memory import keep_freed_memory
from tuning.executors.processes import limit_threads

# Arguments that are kept in the object store: those of a job and of the one before it.
MAX_STORED = 8


def ray_executor(
    address: str | None = None, *, threads: int = 1, gpus_per_trial: float | None = None
) -> Executor:
    """Returns an executor that runs each job as a task of a Ray cluster, for `tuning.search`.

    A task runs in a process of its own on one processor of any node. One that dies, with its
    node or alone, is not run again by Ray but by the search.

    Every node needs crackdet in the same version with the same backend, and starting weights that
    it can find: "concrete" is shipped, "imagenet" is downloaded once, a file must stand at the
    same path. Images travel with the job where they are in memory; data that are read from disk
    must stand at the same path on each node. So must the cache of frozen features: in a folder
    that all nodes share it is filled once, else each node fills its own.

    Args:
        address: "HOST:PORT" of the cluster's head; "auto" for the one that this machine is part
            of. None starts Ray on this machine alone, unless it is connected already or the
            environment variable `RAY_ADDRESS` names a cluster.
        threads: Threads that each job computes with, see `tuning.executors.TrialProcesses`.
        gpus_per_trial: GPUs, or a fraction of one, that each job asks for. Defaults to 1 where the
            cluster has some, else 0.

    Raises:
        CrackdetError: If Ray is not installed or the cluster cannot be reached.

    Example:

    >>> with tuning.executors.ray_executor("10.0.0.1:6379") as executor:
    ...     found = tuning.search(data, directory="search", executor=executor)
    """
    ray = _import_ray()
    connected = ray.is_initialized()
    if not connected:
        _check_answer(address)
        try:
            ray.init(address=address, log_to_driver=False, include_dashboard=_dashboard(address))
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            raise CrackdetError(_unreachable(address)) from error
    return RayTasks(threads, gpus_per_trial=gpus_per_trial, disconnect=not connected)


class RayTasks(Executor):
    """Runs each job as a Ray task; made by `ray_executor`.

    Arguments must not change between jobs: one that is given again is not sent again.

    Args:
        threads: Threads that each job computes with, where it has no GPU.
        gpus_per_trial: As in `ray_executor`.
        disconnect: Whether `shutdown` also leaves the cluster.

    Attributes:
        workers: Trials that the cluster has processors for, at once.
    """

    def __init__(
        self, threads: int = 1, *, gpus_per_trial: float | None = None, disconnect: bool = False
    ):
        self._ray = _import_ray()
        there = self._ray.cluster_resources()
        cpus, gpus = there.get("CPU", 1), there.get("GPU", 0)
        asked = min(1.0, gpus) if gpus_per_trial is None else gpus_per_trial
        if asked > gpus:
            raise CrackdetError(
                f"Each trial asks for {asked:g} GPUs, and the cluster has {gpus:g}: give "
                "--gpus-per-trial (gpus_per_trial) of what it has, 0 for none."
            )
        self.workers = max(1, int(min(cpus, gpus / asked) if asked else cpus))
        self._threads = None if asked else threads
        self._disconnect = disconnect
        # `max_calls` ends the process after the job, which gives its memory back.
        self._task = self._ray.remote(num_cpus=1, num_gpus=asked, max_calls=1, max_retries=0)(_call)
        self._running: dict[Future[Any], Any] = {}
        self._stored: OrderedDict[int, tuple[Any, Any]] = OrderedDict()
        self._closed = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Starts a task that calls a function, which must be importable on every node."""
        if self._closed:
            raise RuntimeError("The executor has been shut down.")
        stored = [self._store(argument) for argument in args]
        named = {name: self._store(argument) for name, argument in kwargs.items()}
        reference = self._task.remote(self._threads, fn, *stored, **named)
        future: Future[Any] = reference.future()
        self._running[future] = reference
        future.add_done_callback(self._running.pop)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no further jobs; kills those that run if `cancel_futures`, else waits for them."""
        if self._closed:
            return
        self._closed = True
        references = list(self._running.values())
        if cancel_futures:
            for reference in references:
                self._ray.cancel(reference, force=True)
        if wait and references:
            self._ray.wait(references, num_returns=len(references), fetch_local=False)
        self._stored.clear()
        if self._disconnect:
            self._ray.shutdown()

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        """Waits for the jobs; after an error or Ctrl-C kills them."""
        self.shutdown(cancel_futures=kind is not None)

    def _store(self, argument: Any) -> Any:
        """Returns a reference to an argument, which goes to the object store only once."""
        if id(argument) not in self._stored:  # it is kept, so that no other takes its number
            self._stored[id(argument)] = (argument, self._ray.put(argument))
        self._stored.move_to_end(id(argument))
        if len(self._stored) > MAX_STORED:
            self._stored.popitem(last=False)
        return self._stored[id(argument)][1]


def _call(threads: int | None, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Runs on a node."""
    if threads is not None:
        limit_threads(threads)
    keep_freed_memory()
    return fn(*args, **kwargs)


def _check_answer(address: str | None) -> None:
    """Raises at once where nobody listens; Ray itself would try for minutes."""
    host, separator, port = (address or "").rpartition(":")
    if not separator or not port.isdecimal() or "/" in host:
        return  # a word such as auto, or a Ray client's address
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise CrackdetError(_unreachable(address)) from error


def _unreachable(address: str | None) -> str:
    return (
        f"Cannot reach a Ray cluster at {address or 'this machine'}: start one with "
        "`ray start --head`, or give the address that it prints."
    )


def _dashboard(address: str | None) -> bool | None:
    """Ray takes the option only where it starts a cluster of its own."""
    return False if address is None else None


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise CrackdetError(
            'Ray is not installed: run `pip install "crackdet[ray]"` to search on a cluster.'
        ) from error
    return ray
