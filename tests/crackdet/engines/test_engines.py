"""Engines agree with Keras, keep the order, and are refused when they do not."""

import warnings
from collections.abc import Iterable, Iterator

import keras
import numpy as np
import pytest

from crackdet.engines import choice as engines
from crackdet.engines.choice import make_engine
from crackdet.engines.keras_engine import KerasEngine
from crackdet.errors import CrackdetError


@pytest.fixture
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(4, 3, activation="relu")(images)
    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(maps))


def batches(*sizes: int) -> list[tuple[np.ndarray, ...]]:
    rng = np.random.default_rng(0)
    return [(rng.normal(size=(size, 8, 8, 3)).astype(np.float32),) for size in sizes]


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
    for values, (batch,) in zip(outputs, inputs, strict=True):
        expected = keras.ops.convert_to_numpy(network(batch))
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)
    assert list(engine.run([])) == []


class Same(KerasEngine):
    """Another engine that agrees."""


class Wrong:
    """An engine that is a little off."""

    def __init__(self, model: keras.Model):
        self._keras = KerasEngine(model)

    def run(self, batches: Iterable[tuple[np.ndarray, ...]]) -> Iterator[np.ndarray]:
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
    monkeypatch.setitem(engines._FAST, "openvino", Same)
    assert type(make_engine("auto", network, batches(4)[0])) is expected


@pytest.mark.parametrize(
    ("other", "reason"), [(Wrong, "features differ"), (Broken, "no such operation")]
)
def test_an_engine_that_disagrees_is_not_used(
    other: type, reason: str, network: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "has_gpu", lambda: False)
    monkeypatch.setitem(engines._FAST, "openvino", other)
    monkeypatch.setattr(engines, "_is_usable", lambda name: name == "openvino")
    with pytest.warns(UserWarning, match=reason):
        assert type(make_engine("auto", network, batches(4)[0])) is KerasEngine
    monkeypatch.setattr(engines, "_is_usable", lambda name: True)
    monkeypatch.setitem(engines._FAST, "onnxruntime", Same)
    with pytest.warns(UserWarning, match=reason):
        assert type(make_engine("auto", network, batches(4)[0])) is Same
    with pytest.raises(CrackdetError, match=f"{reason}.*Use the engine 'keras'"):
        make_engine("openvino", network, batches(4)[0])


def test_each_part_of_the_output_must_agree(
    network: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OffInSmallOnes(KerasEngine):
        def run(self, batches: Iterable[tuple[np.ndarray, ...]]) -> Iterator[np.ndarray]:
            return (values * [1, 1, 1, 1.01] for values in super().run(batches))

    # The last feature is so small that its error drowns among the others.
    kernel, bias = network.layers[1].get_weights()
    network.layers[1].set_weights([kernel * [1, 1, 1, 1e-3], bias])
    monkeypatch.setitem(engines._FAST, "openvino", OffInSmallOnes)
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


@pytest.mark.parametrize("name", ["keras", "openvino", "onnxruntime"])
def test_networks_of_several_inputs(name: str) -> None:
    if name != "keras":
        pytest.importorskip(name)
        if not engines._is_usable(name):
            pytest.skip("this backend's models cannot be exported to it")
    keras.utils.set_random_seed(0)
    maps, pooled = keras.Input((4, 4, 3)), keras.Input((5,))
    convolved = keras.layers.Flatten()(keras.layers.Conv2D(2, 3)(maps))
    network = keras.Model([maps, pooled], keras.layers.Concatenate()([convolved, pooled]))
    rng = np.random.default_rng(0)
    inputs = tuple(rng.normal(size=(40, *s)).astype(np.float32) for s in ((4, 4, 3), (5,)))
    (found,) = make_engine(name, network, inputs).run([inputs])
    expected = keras.ops.convert_to_numpy(network(list(inputs)))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_half_precision_is_refused_where_a_model_does_not_bear_it(network: keras.Model) -> None:
    sample = batches(8)[0]
    half = make_engine("keras", network, sample, half_precision=True)
    (found,), (exact,) = half.run([sample]), make_engine("keras", network, sample).run([sample])
    assert 0 < np.abs(found - exact).max() < 0.01 * np.abs(exact).max()
    kernel, bias = network.layers[1].get_weights()
    network.layers[1].set_weights([kernel * 1e6, bias])  # beyond float16
    with pytest.raises(CrackdetError, match="does not bear half precision"):
        make_engine("auto", network, sample, half_precision=True)
    with pytest.raises(CrackdetError, match="'openvino' has no half precision"):
        make_engine("openvino", network, sample, half_precision=True)
