"""Executors of processes in a script of their own, and what importing them brings along."""

import json
import os
import subprocess
import sys

import pytest

from tests.tuning.processes import members, wait_until_gone

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

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
