"""A search on a cluster of two Ray nodes, one of which is taken away."""

import builtins
import operator
import os
import threading

import pytest

from crackdet.errors import CrackdetError
from tests.tuning.conftest import read_rows
from tests.tuning.processes import wait_for
from tuning import SearchSpace, search
from tuning.cluster import ray_executor

SPACE = SearchSpace(unfreeze_depth=1)  # one trial a job
OPTIONS = {"tuner": "random", "max_trials": 4, "epochs": 1, "alpha": 0.35, "weights": None}


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
def cluster(monkeypatch, root):
    """A head without processors, and two nodes with one each."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", str(root))  # the nodes' processes take over the environment
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    made.nodes = [made.add_node(num_cpus=1) for _ in range(2)]
    yield made
    made.shutdown()


def taken_away(cluster, folder):
    """Removes a node when a trial has ended and others run."""
    journal = folder / "journal.jsonl"
    wait_for(lambda: journal.exists() and '"event": "end"' in journal.read_text(), 300)
    cluster.remove_node(cluster.nodes[0], allow_graceful=False)


@pytest.mark.slow
def test_a_search_survives_the_loss_of_a_node(cluster, data, tmp_path):
    whole = search(data, directory=tmp_path / "whole", space=SPACE, workers=1, verbose=0, **OPTIONS)
    folder = tmp_path / "search"
    remover = threading.Thread(target=taken_away, args=(cluster, folder))
    with ray_executor(cluster.address) as executor:
        assert executor.workers == 2
        assert executor.submit(operator.add, 2, 3).result(120) == 5
        assert executor.submit(os.getpid).result(120) != os.getpid()
        remover.start()
        found = search(data, directory=folder, space=SPACE, executor=executor, **OPTIONS)
    remover.join()
    assert read_rows(folder) == read_rows(whole.directory)
    assert found.best == whole.best
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(os.getpid)


def test_an_address_that_nobody_answers_is_named():
    pytest.importorskip("ray")
    with pytest.raises(CrackdetError, match=r"Cannot reach a Ray cluster at 127.0.0.1:9"):
        ray_executor("127.0.0.1:9")
