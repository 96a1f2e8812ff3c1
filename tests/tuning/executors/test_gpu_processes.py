"""`GpuProcesses` on any machine: one long-lived process a device, replaced when it dies."""

import multiprocessing
import operator
import os
import signal
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, CancelledError

import pytest

from tests.tuning.executors.test_processes import Deadly, raise_two_words
from tests.tuning.processes import wait_until_gone
from tuning.executors import GpuProcesses, gpu_processes

VISIBLE = "CUDA_VISIBLE_DEVICES"


@pytest.fixture(scope="module")
def executor():
    """Two processes."""
    with GpuProcesses([None, None]) as processes:
        yield processes


@pytest.fixture(scope="module")
def single():
    """One process."""
    with GpuProcesses([None]) as processes:
        yield processes


class Unreadable:
    """Cannot be unpickled."""

    def __reduce__(self):
        return operator.truediv, (1, 0)


def about_this_process():
    """Slow enough for another process to begin a job meanwhile."""
    time.sleep(0.3)
    return {
        "pid": os.getpid(),
        "device": os.environ.get(VISIBLE),
        "modules": set(sys.modules),
        "interrupts": signal.getsignal(signal.SIGINT),
        "blocked": signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []),
        "main": getattr(sys.modules["__main__"], "__file__", None),
    }


def test_gives_values_and_exceptions(executor):
    assert executor.workers == 2
    assert executor.submit(operator.add, 2, 3).result() == 5
    assert executor.submit(int, "11", base=2).result() == 3
    with pytest.raises(ZeroDivisionError, match="division"):
        executor.submit(operator.truediv, 1, 0).result()
    assert list(executor.map(abs, [-1, -2])) == [1, 2]


def test_jobs_share_the_process_of_their_device(executor, single):
    pids = {single.submit(os.getpid).result() for _ in range(3)}
    assert len(pids) == 1
    both = {job.result() for job in [executor.submit(about_pid) for _ in range(6)]}
    assert len(both) == 2
    assert len({os.getpid(), *pids, *both}) == 4


def about_pid():
    return about_this_process()["pid"]


def test_a_process_starts_fresh_and_leaves_ctrl_c_to_its_parent(single):
    """Forked from this one, which has imported Keras, it could not use a GPU that Keras has."""
    assert "keras" in sys.modules
    found = single.submit(about_this_process).result()
    assert "keras" not in found["modules"]
    assert found["interrupts"] == signal.SIG_IGN
    assert found["blocked"], "or Ctrl-C ends its imports in a traceback"
    assert found["main"] is None, "the script is not run again"


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ((signal.raise_signal, signal.SIGKILL), "was killed by SIGKILL"),
        ((os._exit, 7), "ended with exit code 7"),
        ((len, [Deadly(), bytes(2**24)]), "ended with exit code 3"),
    ],
)
def test_a_process_that_dies_fails_its_job_alone_and_is_replaced(executor, single, job, words):
    other = executor.submit(time.sleep, 0.5)
    with pytest.raises(BrokenExecutor, match=words):
        executor.submit(*job).result(timeout=20)
    assert other.result() is None
    before = single.submit(os.getpid).result()
    jobs = [single.submit(*job), single.submit(os.getpid)]
    with pytest.raises(BrokenExecutor, match=words):
        jobs[0].result(timeout=20)
    assert jobs[1].result() != before
    wait_until_gone([before])


def test_a_process_that_is_killed_between_jobs_fails_one_job_at_most(single):
    pid = single.submit(os.getpid).result()
    os.kill(pid, signal.SIGKILL)
    wait_until_gone([pid])
    with pytest.raises(BrokenExecutor, match="was killed by SIGKILL"):
        single.submit(abs, -1).result(timeout=20)
    assert single.submit(abs, -1).result() == 1


def test_what_cannot_travel_fails_the_job_alone(single):
    before = single.submit(os.getpid).result()
    with pytest.raises(Exception, match=r"pickle|lambda"):
        single.submit(lambda: None).result(timeout=20)
    with pytest.raises(ZeroDivisionError):
        single.submit(len, Unreadable()).result(timeout=20)
    with pytest.raises(Exception, match="pickle"):
        single.submit(threading.Lock).result(timeout=20)
    with pytest.raises(Exception, match=r"second|no luck"):
        single.submit(raise_two_words).result(timeout=20)
    assert single.submit(os.getpid).result() == before


@pytest.mark.parametrize(
    ("before", "seen"), [(None, ["0", "1"]), ("3,5", ["3", "5"]), ("7", ["1", "7"])]
)
def test_each_process_sees_one_device_as_this_one_counts_them(monkeypatch, before, seen):
    if before is None:
        monkeypatch.delenv(VISIBLE, raising=False)
    else:
        monkeypatch.setenv(VISIBLE, before)
    environment = dict(os.environ)
    with GpuProcesses([0, 1]) as processes:
        jobs = [processes.submit(about_this_process) for _ in range(2)]
        assert sorted(job.result()["device"] for job in jobs) == seen
    assert dict(os.environ) == environment


def test_leaving_waits_for_what_runs_and_what_waits():
    with GpuProcesses([None]) as processes:
        futures = [processes.submit(time.sleep, 0.2) for _ in range(2)]
    assert all(future.done() for future in futures)
    with pytest.raises(RuntimeError, match="shut down"):
        processes.submit(abs, -1)


def test_shutdown_kills_what_runs_and_begins_nothing_more():
    before = set(multiprocessing.active_children())
    processes = GpuProcesses([None, None])
    futures = [processes.submit(time.sleep, 600) for _ in range(3)]
    while len(own := set(multiprocessing.active_children()) - before) < 2:
        time.sleep(0.01)
    processes.shutdown(cancel_futures=True)
    wait_until_gone([process.pid for process in own], 2)
    assert set(multiprocessing.active_children()) <= before
    for future in futures[:2]:
        with pytest.raises(BrokenExecutor, match="killed by SIGKILL"):
            future.result(timeout=5)
    with pytest.raises(CancelledError):
        futures[2].result(timeout=5)
    processes.shutdown()


def test_there_is_a_process_for_each_gpu_or_one(monkeypatch):
    for count, workers in ((0, 1), (3, 3)):
        monkeypatch.setattr(gpu_processes, "gpu_count", lambda count=count: count)
        with GpuProcesses() as processes:
            assert processes.workers == workers
