"""Engines agree with Keras, keep the order, and are refused when they do not."""

import threading
import time
import warnings
from collections.abc import Iterable, Iterator

import keras
import numpy as np
import pytest
from crackdet.engines.engines import KerasEngine, make_engine, prefetch

from crackdet.engines import choice as engines
from crackdet.errors import CrackdetError


@pytest.fixture
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(4, 3, activation="relu")(images)
    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(maps))


def batches(*sizes: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(size, 8, 8, 3)).astype(np.float32) for size in sizes]


@pytest.mark.parametrize("name", ["keras", "openvino", "onnxruntime"])
def test_features_come_in_order_and_equal_those_of_keras(name: str, network: keras.Model) -> None:
    if name != "keras":
        pytest.importorskip(name)
        if not engines._is_usable(name):
            pytest.skip("this backend's models cannot be exported to it")
    inputs = batches(5, 1, 70, 32, 3)
    engine = make_engine(name, network, inputs[0])
    assert isinstance(engine, KerasEngine) == (name == "keras")
    outputs = list(engine.run(inputs))
    for values, batch in zip(outputs, inputs, strict=True):
        expected = keras.ops.convert_to_numpy(network(batch))
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)
    assert list(engine.run([])) == []


class Same(KerasEngine):
    """Another engine that agrees."""


class Wrong:
    """An engine that is a little off."""

    def __init__(self, model: keras.Model):
        self._keras = KerasEngine(model)

    def run(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        return (values * 1.01 for values in self._keras.run(batches))


class Broken:
    """An engine that cannot be made."""

    def __init__(self, model: keras.Model):
        raise RuntimeError("no such operation")


@pytest.mark.parametrize(("gpu", "expected"), [(False, Same), (True, KerasEngine)])
def test_auto_takes_the_engine_that_agrees_and_keras_with_a_gpu(
    gpu: bool, expected: type, network: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "has_gpu", lambda: gpu)
    monkeypatch.setattr(engines, "_is_usable", lambda name: True)
    monkeypatch.setattr(engines, "OpenVinoEngine", Same)
    assert type(make_engine("auto", network, batches(4)[0])) is expected


@pytest.mark.parametrize(
    ("other", "reason"), [(Wrong, "features differ"), (Broken, "no such operation")]
)
def test_an_engine_that_disagrees_is_not_used(
    other: type, reason: str, network: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "has_gpu", lambda: False)
    monkeypatch.setattr(engines, "OpenVinoEngine", other)
    monkeypatch.setattr(engines, "_is_usable", lambda name: name == "openvino")
    with pytest.warns(UserWarning, match=reason):
        assert type(make_engine("auto", network, batches(4)[0])) is KerasEngine
    monkeypatch.setattr(engines, "_is_usable", lambda name: True)
    monkeypatch.setattr(engines, "OnnxEngine", Same)
    with pytest.warns(UserWarning, match=reason):
        assert type(make_engine("auto", network, batches(4)[0])) is Same
    with pytest.raises(CrackdetError, match=f"{reason}.*Use the engine 'keras'"):
        make_engine("openvino", network, batches(4)[0])


def test_each_part_of_the_output_must_agree(
    network: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OffInSmallOnes(KerasEngine):
        def run(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
            return (values * [1, 1, 1, 1.01] for values in super().run(batches))

    # The last feature is so small that its error drowns among the others.
    kernel, bias = network.layers[1].get_weights()
    network.layers[1].set_weights([kernel * [1, 1, 1, 1e-3], bias])
    monkeypatch.setattr(engines, "OpenVinoEngine", OffInSmallOnes)
    sample = batches(4)[0]
    assert isinstance(make_engine("openvino", network, sample), OffInSmallOnes)
    with pytest.raises(CrackdetError, match="features differ"):
        make_engine("openvino", network, sample, [3, 1])


def test_auto_is_keras_where_no_other_engine_is_installed(
    network: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert isinstance(make_engine("auto", network, batches(4)[0]), KerasEngine)


def test_prefetch_runs_ahead_in_a_thread_and_keeps_the_order() -> None:
    made = []

    def items() -> Iterator[int]:
        for item in range(6):
            made.append((item, threading.current_thread().name))
            yield item

    stream = prefetch(items(), ahead=2)
    assert next(stream) == 0
    deadline = time.monotonic() + 5
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(made) == 4, "one handed out, two waiting, one at the door"
    assert list(stream) == [1, 2, 3, 4, 5]
    assert {name for _, name in made} == {"crackdet-prefetch"}


def test_prefetch_hands_errors_on_and_stops_with_its_reader() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise CrackdetError("Cannot read x.jpg")

    stream = prefetch(failing())
    assert next(stream) == 1
    with pytest.raises(CrackdetError, match=r"x\.jpg"):
        next(stream)
    endless = prefetch(iter(int, 1))
    next(endless)
    endless.close()
    assert not [t for t in threading.enumerate() if t.name == "crackdet-prefetch"]
