"""A search on a cluster of two Ray nodes, one of which is taken away."""

import builtins
import operator
import os
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from crackdet.errors import CrackdetError
from tests.tuning.conftest import ONE_ROUND, SPACE, read_rows
from tests.tuning.processes import processes, wait_for
from tuning import search
from tuning.executors import ray_tasks
from tuning.executors.ray_tasks import RayTasks, ray_executor


def test_without_ray_the_remedy_is_told(monkeypatch):
    whole = builtins.__import__

    def without_ray(name, *more):
        if name == "ray":
            raise ImportError(name)
        return whole(name, *more)

    monkeypatch.setattr(builtins, "__import__", without_ray)
    with pytest.raises(CrackdetError, match=r"pip install \"crackdet\[ray\]\""):
        ray_executor("auto")


@pytest.fixture
def asked(monkeypatch):
    """What tasks ask for on a cluster that is made up: `asked({"CPU": 8})` makes it."""
    options = {}

    def remote(**given):
        options.update(given)
        return lambda function: SimpleNamespace(function=function)

    def make(resources):
        ray = SimpleNamespace(cluster_resources=lambda: resources, remote=remote)
        monkeypatch.setattr(ray_tasks, "_import_ray", lambda: ray)
        return options

    return make


@pytest.mark.parametrize(
    ("resources", "gpus_per_trial", "workers", "gpus"),
    [
        ({"CPU": 8.0, "memory": 1e9}, None, 8, 0),
        ({"CPU": 8.0, "GPU": 2.0}, None, 2, 1),
        ({"CPU": 8.0, "GPU": 2.0}, 0.5, 4, 0.5),
        ({"CPU": 3.0, "GPU": 2.0}, 0.25, 3, 0.25),  # each takes a processor
        ({"CPU": 8.0, "GPU": 2.0}, 2, 1, 2),
        ({"CPU": 8.0, "GPU": 1.0}, 0.3, 3, 0.3),
        ({"CPU": 8.0, "GPU": 2.0}, 0, 8, 0),
        ({"GPU": 4.0}, None, 1, 1),
        ({}, None, 1, 0),
    ],
)
def test_as_many_trials_at_once_as_a_cluster_has_room_for(
    asked, resources, gpus_per_trial, workers, gpus
):
    options = asked(resources)
    executor = RayTasks(gpus_per_trial=gpus_per_trial)
    assert executor.workers == workers
    assert options["num_cpus"] == 1
    assert options["num_gpus"] == gpus
    # A trial with a GPU computes there, and its processor's threads are not limited.
    assert executor._threads == (None if gpus else 1)


@pytest.mark.parametrize(("resources", "there"), [({"CPU": 8}, 0), ({"CPU": 8, "GPU": 2.0}, 2)])
def test_more_gpus_than_the_cluster_has_are_refused_in_a_sentence(asked, resources, there):
    """Ray itself would wait for ever."""
    asked(resources)
    with pytest.raises(CrackdetError) as refusal:
        RayTasks(gpus_per_trial=2.5)
    assert str(refusal.value) == (
        f"Each trial asks for 2.5 GPUs, and the cluster has {there}: give --gpus-per-trial "
        "(gpus_per_trial) of what it has, 0 for none."
    )


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


def taken_away(cluster, early):
    """Removes a node as soon as a job begins there that is none of some early ones.

    It has seconds before it, in which it imports Keras, and Ray needs about one to end the
    processes of a lost node.
    """
    hosts = []

    def begun():
        found = {pid: node for node in cluster.nodes for pid in jobs(node)}
        hosts.extend(node for pid, node in found.items() if pid not in early)
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
        with pytest.raises(ZeroDivisionError):  # as what it is, not as an error of Ray's
            executor.submit(operator.truediv, 1, 0).result(120)
        early = {pid for node in cluster.nodes for pid in jobs(node)}
        removal = threads.submit(taken_away, cluster, early)
        found = search(data, directory=folder, space=SPACE, executor=executor, **ONE_ROUND)
    removal.result()  # raises what went wrong in its thread
    assert capsys.readouterr().out.count("is run again") == 1
    assert read_rows(folder) == read_rows(whole.directory)[:2]
    assert len(found.trials) == 2
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(os.getpid)


def test_an_address_that_nobody_answers_is_named():
    pytest.importorskip("ray")
    with pytest.raises(CrackdetError, match=r"Cannot reach a Ray cluster at 127.0.0.1:9"):
        ray_executor("127.0.0.1:9")
