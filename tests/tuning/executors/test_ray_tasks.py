"""A search on a cluster of two Ray nodes, one of which is taken away."""

import builtins
import operator
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from crackdet.errors import CrackdetError
from tests.tuning.conftest import OPTIONS, SPACE, ended_trials, read_rows
from tests.tuning.processes import processes, wait_for
from tuning import search
from tuning.executors.ray_tasks import ray_executor


def test_without_ray_the_remedy_is_told(monkeypatch):
    whole = builtins.__import__

    def without_ray(name, *more):
        if name == "ray":
            raise ImportError(name)
        return whole(name, *more)

    monkeypatch.setattr(builtins, "__import__", without_ray)
    with pytest.raises(CrackdetError, match=r"pip install \"crackdet\[ray\]\""):
        ray_executor("auto")


@pytest.fixture(scope="module")
def cluster(root):
    """A head without processors, and two nodes with one each, of which a test takes one away."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(root))  # the nodes' processes take over the environment
        head = {"num_cpus": 0, "include_dashboard": False}
        made = Cluster(initialize_head=True, head_node_args=head)
        made.nodes = [made.add_node(num_cpus=1) for _ in range(2)]
        yield made
        made.shutdown()


def jobs(node):
    """Processes of a node that run a job: children of its raylet, with the task as their title."""
    raylet = node.all_processes["raylet"][0].process.pid
    own = [each for each in processes().values() if each.parent == raylet]
    return [each.pid for each in own if "ray::" in each.command and "_call" in each.command]


def taken_away(cluster, folder):
    """Removes a node as soon as a trial begins there after another has ended.

    One that was at work already may have sent its result by the time that the node is gone, and
    nothing would be lost. One that begins has seconds before it, and Ray needs about one to end
    the processes of a lost node.
    """
    early, hosts = set(), []

    def begun():
        found = {pid: node for node in cluster.nodes for pid in jobs(node)}
        if ended_trials(folder):
            hosts.extend(node for pid, node in found.items() if pid not in early)
        else:
            early.update(found)
        return hosts

    wait_for(begun, 300)
    cluster.remove_node(hosts[0], allow_graceful=False)


@pytest.mark.slow
def test_an_error_does_not_wait_for_what_runs(cluster):
    def fail(executor):
        executor.submit(time.sleep, 300)
        raise ZeroDivisionError

    start = time.monotonic()
    with pytest.raises(ZeroDivisionError), ray_executor(cluster.address) as executor:
        fail(executor)
    assert time.monotonic() - start < 100


@pytest.mark.slow
def test_a_search_survives_the_loss_of_a_node(cluster, data, tmp_path, whole, capsys):
    folder = tmp_path / "search"
    with ThreadPoolExecutor(1) as threads, ray_executor(cluster.address) as executor:
        assert executor.workers == 2
        assert executor.submit(operator.add, 2, 3).result(120) == 5
        assert executor.submit(os.getpid).result(120) != os.getpid()
        removal = threads.submit(taken_away, cluster, folder)
        found = search(data, directory=folder, space=SPACE, executor=executor, **OPTIONS)
    removal.result()  # raises what went wrong in its thread
    assert "is run again" in capsys.readouterr().out
    assert read_rows(folder) == read_rows(whole.directory)
    assert found.best == whole.best
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(os.getpid)


def test_an_address_that_nobody_answers_is_named():
    pytest.importorskip("ray")
    with pytest.raises(CrackdetError, match=r"Cannot reach a Ray cluster at 127.0.0.1:9"):
        ray_executor("127.0.0.1:9")
