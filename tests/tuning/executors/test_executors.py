"""What executors of processes share; the first tests, while what others need is imported."""

import json
import os
import subprocess
import sys
import time
from multiprocessing import forkserver

import pytest

from crackdet import devices
from tests.tuning.processes import members, wait_until_gone
from tuning import executors
from tuning.executors import GpuProcesses, TrialProcesses
from tuning.executors import processes as workers

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_an_unused_executor_ends_the_server_that_still_imports():
    workers._end_server()  # one that other modules' tests started has imported all
    unused = TrialProcesses()
    server = forkserver._forkserver._forkserver_pid
    start = time.monotonic()
    unused.shutdown(cancel_futures=True)
    assert time.monotonic() - start < 2
    wait_until_gone([server], 2)
    TrialProcesses().shutdown()  # starts the server that all other tests use


@pytest.mark.parametrize(("gpu", "kind"), [(True, GpuProcesses), (False, TrialProcesses)])
def test_a_search_takes_the_processes_that_its_machine_is_made_for(monkeypatch, gpu, kind):
    monkeypatch.setattr(devices, "has_gpu", lambda: gpu)
    with executors.local_executor() as processes:
        assert type(processes) is kind


# Without `if __name__ == "__main__"`, as in a notebook or a short script. The server imports less
# than it would: tests/tuning/test_faults.py kills searches, whose server has imported Keras.
SCRIPT = """
import time
from tuning.executors import GpuProcesses, TrialProcesses, processes

print("script", flush=True)
processes.PRELOADED[:] = ["crackdet.memory"]
executor = {executor}
print(executor.submit(pow, 2, 5).result(), flush=True)
jobs = [executor.submit(time.sleep, 600) for _ in range(2)]
while not all(job.running() for job in jobs):
    time.sleep(0.01)
print("running", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("executor", ["TrialProcesses()", "GpuProcesses([None, None])"])
def test_a_script_without_a_guard_runs_once_and_no_process_outlives_its_kill(tmp_path, executor):
    (tmp_path / "script.py").write_text(SCRIPT.format(executor=executor))
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py")],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=ENVIRONMENT,
    ) as script:
        try:
            for line in ("script\n", "32\n", "running\n"):
                assert script.stdout.readline() == line
            own = members(script.pid)
            assert len(own) >= 4  # the script, two jobs, and what processes are forked from
        finally:
            script.kill()
        wait_until_gone([each.pid for each in own], 2)
        assert not members(script.pid)


def test_importing_executors_imports_no_keras():
    """A process for a GPU must see its device before a backend is imported."""
    names = ("gpu_processes", "memory", "processes", "ray_tasks")
    program = "import json, sys\n"
    program += "".join(f"import tuning.executors.{name}\n" for name in names)
    program += "print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, env=ENVIRONMENT
    )
    modules = set(json.loads(done.stdout))
    assert not modules & {"keras", "tensorflow", "jax", "torch", "ray"}
