"""How many trials run at once, with memory and processors that tests make up."""

import keras
import pytest

from crackdet.models.units import unit_of
from tuning.executors import memory
from tuning.executors.memory import activations, default_workers, trial_bytes

KINDS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.BatchNormalization,
    keras.layers.ReLU,
)
GIGABYTE = 2**30


@pytest.mark.parametrize("alpha", [1.0, 0.35])
def test_activations_are_those_of_keras_own_network(alpha):
    network = keras.applications.MobileNetV2((96, 96, 3), alpha, include_top=False, weights=None)
    counted = dict.fromkeys(range(1, 19), 0)
    for layer in network.layers:
        if isinstance(layer, KINDS):
            _, height, width, channels = layer.output.shape
            counted[unit_of(layer.name).depth] += height * width * channels
    total = 0
    for depth, count in counted.items():
        total += count
        assert activations((96, 96), alpha, depth) == pytest.approx(total, rel=0.15), depth


def test_activations_grow_with_the_image():
    assert activations((192, 96), 1.0, 7) == 2 * activations((96, 96), 1.0, 7)
    assert activations((96, 96), 1.0, 0) == 0


@pytest.fixture
def machine(monkeypatch):
    """A machine with eight processors and so much memory: `machine(4 * GIGABYTE)`."""

    def make(available, gpus=0):
        monkeypatch.setattr(memory, "available_cores", lambda: 8)
        monkeypatch.setattr(memory, "available_memory", lambda: available)
        monkeypatch.setattr(memory, "has_gpu", lambda: gpus is None or gpus > 0)
        monkeypatch.setattr(memory, "gpu_count", lambda: gpus or 0)

    return make


CACHED = {"batch_size": 32, "alpha": 1.0, "unfreeze_depth": 6, "cached": True}


def test_one_trial_a_core_as_far_as_memory_goes(machine):
    each = trial_bytes((224, 224), **CACHED)
    for available, workers in (
        (None, 8),
        (100 * GIGABYTE, 8),
        (3 * each, 3),
        (3 * each - 1, 2),
        (1, 1),  # however little is left
    ):
        machine(available)
        assert default_workers((224, 224), **CACHED) == workers


@pytest.mark.parametrize(("gpus", "workers"), [(1, 1), (4, 4), (None, 1)])
def test_one_trial_a_gpu(machine, gpus, workers):
    """Apple's, which no backend counts, is one."""
    machine(1, gpus=gpus)
    assert default_workers() == workers


@pytest.mark.parametrize(
    "more",
    [
        {"batch_size": 64},
        {"unfreeze_depth": 12},
        {"cached": False},
        {"alpha": 1.4},
    ],
)
def test_what_trains_more_at_once_takes_more_memory(more):
    usual = trial_bytes((224, 224), **CACHED)
    assert trial_bytes((224, 224), **CACHED | more) > 1.1 * usual
    assert trial_bytes((448, 224), **CACHED) > 1.1 * usual


def test_a_trial_of_the_head_alone_takes_what_a_process_does():
    assert trial_bytes((224, 224), **CACHED | {"unfreeze_depth": 0}) == memory.BASE_BYTES
