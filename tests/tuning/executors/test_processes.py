"""`TrialProcesses`, alone: values, deaths, the end of everything."""

import multiprocessing
import operator
import os
import platform
import resource
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor

import pytest
from threadpoolctl import threadpool_info

from tests.tuning.processes import members, wait_until_gone
from tuning.executors.processes import TrialProcesses


@pytest.fixture(scope="module")
def executor():
    with TrialProcesses() as processes_of_trials:
        yield processes_of_trials


class TwoWords(Exception):  # noqa: N818
    """Cannot be unpickled: that would call it with one argument."""

    def __init__(self, first, second):
        super().__init__(f"{first} {second}")


def raise_two_words():
    raise TwoWords("no", "luck")


def limits_of_threads():
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC")
    return {
        "backends": [os.environ.get(name) for name in names],
        "XLA": os.environ.get("XLA_FLAGS", ""),
        "NumPy": {pool["num_threads"] for pool in threadpool_info()},
    }


def faults_of_a_step_like_the_one_before():
    faults = []
    for _ in range(3):
        blocks = [b"1" * 2**25, b"1" * 2**27]  # 32 and 128 megabytes
        del blocks
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
    return faults[2] - faults[1]


class Deadly:
    """Ends the process that unpickles it."""

    def __reduce__(self):
        return os._exit, (3,)


def test_gives_values_and_exceptions(executor):
    assert executor.submit(operator.add, 2, 3).result() == 5
    assert executor.submit(int, "11", base=2).result() == 3
    with pytest.raises(ZeroDivisionError, match="division"):
        executor.submit(operator.truediv, 1, 0).result()
    assert list(executor.map(abs, [-1, -2])) == [1, 2]


def test_a_process_keeps_the_memory_that_it_frees(executor):
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("asks glibc")
    pages = 160 * 2**20 // resource.getpagesize()
    assert faults_of_a_step_like_the_one_before() > pages / 2
    assert executor.submit(faults_of_a_step_like_the_one_before).result() < pages / 20


def test_a_process_goes_on_with_the_next_job_and_has_one_at_a_time():
    with TrialProcesses() as executor:
        first = [executor.submit(os.getpid).result() for _ in range(3)]
        both = [executor.submit(time.sleep, 0.3), executor.submit(os.getpid)]
        second = both[1].result()
        both[0].result()
        third = executor.submit(os.getpid).result()
    assert len(set(first)) == 1
    assert second not in (os.getpid(), first[0])
    assert third in (first[0], second)
    wait_until_gone([first[0], second], 2)


def test_a_process_that_dies_idle_is_noticed():
    with TrialProcesses() as executor:
        pid = executor.submit(os.getpid).result()
        os.kill(pid, signal.SIGKILL)
        wait_until_gone([pid])
        with pytest.raises(BrokenExecutor):
            executor.submit(abs, -1).result()
        assert executor.submit(abs, -1).result() == 1


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ((signal.raise_signal, signal.SIGKILL), "was killed by SIGKILL"),
        ((os._exit, 7), "ended with exit code 7"),
    ],
)
def test_a_process_that_dies_says_how_and_takes_no_other_with_it(executor, job, words):
    other = executor.submit(time.sleep, 0.5)
    with pytest.raises(BrokenExecutor, match=words):
        executor.submit(*job).result()
    assert other.result() is None
    assert executor.submit(abs, -1).result() == 1


def test_a_death_before_the_arguments_are_read_is_the_futures_not_the_callers(executor):
    future = executor.submit(len, [Deadly(), bytes(2**24)])
    with pytest.raises(BrokenExecutor):
        future.result(timeout=20)


def test_what_cannot_travel_back_fails_the_job_and_hangs_nothing(executor):
    with pytest.raises(Exception, match="pickle"):
        executor.submit(threading.Lock).result(timeout=20)
    with pytest.raises(Exception, match=r"second|no luck"):
        executor.submit(raise_two_words).result(timeout=20)


def test_a_job_that_cannot_travel_there_is_refused_at_once(executor):
    with pytest.raises(Exception, match=r"pickle|lambda"):
        executor.submit(lambda: None)
    assert executor.submit(abs, -1).result() == 1


@pytest.mark.parametrize("threads", [1, 2])
def test_computes_with_so_many_threads(threads):
    with TrialProcesses(threads) as executor:
        limits = executor.submit(limits_of_threads).result()
    assert limits["backends"] == [str(threads)] * 3
    assert ("multi_thread_eigen=false" in limits["XLA"]) == (threads == 1)
    assert limits["NumPy"] == {threads}
    assert "TF_NUM_INTRAOP_THREADS" not in os.environ


def test_leaving_waits_for_what_runs():
    with TrialProcesses() as executor:
        future = executor.submit(time.sleep, 0.5)
    assert future.done()


def test_shutdown_kills_what_runs_and_takes_nothing_more():
    others = set(multiprocessing.active_children())
    executor = TrialProcesses()
    futures = [executor.submit(time.sleep, 600) for _ in range(2)]
    assert len(set(multiprocessing.active_children()) - others) == 2  # both jobs run at once
    assert not futures[0].done()
    executor.shutdown(cancel_futures=True)
    assert not set(multiprocessing.active_children()) - others
    for future in futures:
        with pytest.raises(BrokenExecutor, match="killed by SIGKILL"):
            future.result(timeout=5)
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(abs, -1)
    executor.shutdown()


# The server is busy with its imports for longer than anyone waits.
WAITS = """
from tuning.executors import processes as workers

workers.PRELOADED[:] = ["slow_import"]
executor = workers.TrialProcesses()
try:
    print("submits", flush=True)
    executor.submit(pow, 2, 5)
finally:
    executor.shutdown(cancel_futures=True)
"""


@pytest.mark.slow
def test_ctrl_c_while_the_first_job_waits_for_the_server(tmp_path):
    (tmp_path / "script.py").write_text(WAITS)
    (tmp_path / "slow_import.py").write_text("import time\n\ntime.sleep(60)\n")
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
    ) as script:
        try:
            assert script.stdout.readline() == "submits\n"
            time.sleep(1)
            own = [each.pid for each in members(script.pid)]
            os.killpg(script.pid, signal.SIGINT)
            assert script.wait(5) != 0
            wait_until_gone(own, 2)
            assert script.stderr.read().count("Traceback") == 1  # the script's own
        finally:
            script.kill()
