"""OpenVINO computes what Keras computes, layer by layer, and says what it cannot."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crackdet.engines.openvino_graph import openvino_model
from crackdet.errors import CrackdetError
from crackdet.models import MAX_DEPTH, mobilenet_v2_classifier, split_at

openvino = pytest.importorskip("openvino")

# A graph is read from layers' settings and weights, which are the same on every backend;
# `test_engines.py` compares a network on each.
pytestmark = pytest.mark.slow


def computed(network: keras.Model, image: np.ndarray) -> np.ndarray:
    # The hint matters on processors that would compute with bfloat16 by default.
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino.compile_model(openvino_model(network), "CPU", options)(image[None])[0]


def assert_same(network: keras.Model, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        # Statistics and biases that are not zeros and ones; a variance is positive.
        layer.set_weights([rng.uniform(0.1, 1.0, w.shape) for w in layer.get_weights()])
    image = rng.uniform(-1, 1, network.inputs[0].shape[1:]).astype(np.float32)
    expected = keras.ops.convert_to_numpy(network(image[None]))
    found = computed(network, image)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from([keras.layers.Conv2D, keras.layers.DepthwiseConv2D]),
    height=st.integers(5, 9),
    width=st.integers(5, 9),
    kernel=st.integers(1, 3),
    strides=st.integers(1, 2),
    padding=st.sampled_from(["same", "valid"]),
    use_bias=st.booleans(),
    activation=st.sampled_from(["linear", "relu"]),
)
def test_convolutions_of_any_geometry(
    kind: type, height: int, width: int, kernel: int, **options: Any
) -> None:
    images = keras.Input((height, width, 3))
    layer = kind(*([4] if kind is keras.layers.Conv2D else []), kernel_size=kernel, **options)
    assert_same(keras.Model(images, layer(images)))


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Rescaling(1 / 127.5, offset=-1.0),
        keras.layers.BatchNormalization(epsilon=1e-2),
        keras.layers.BatchNormalization(scale=False),
        keras.layers.BatchNormalization(center=False),
        keras.layers.ReLU(0.5),
        keras.layers.ReLU(),
        keras.layers.ZeroPadding2D(((0, 1), (2, 3))),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Flatten(),
        keras.layers.Conv2D(4, 3, dilation_rate=2),
        keras.layers.DepthwiseConv2D(3, depth_multiplier=2),
    ],
    ids=lambda layer: layer.name,
)
def test_each_layer(layer: keras.layers.Layer) -> None:
    images = keras.Input((6, 7, 3))
    assert_same(keras.Model(images, layer(images)))


def test_branches_that_meet_again() -> None:
    images = keras.Input((6, 7, 3))
    first = keras.layers.ReLU()(images)
    second = keras.layers.Conv2D(3, 1)(first)
    total = keras.layers.Add()([first, second, images])
    both = keras.layers.Concatenate()([total, first])
    parts = [keras.layers.Flatten()(each) for each in (first, both)]
    assert_same(keras.Model(images, keras.layers.Concatenate()(parts)))


@pytest.fixture(scope="module")
def classifier(make_mobilenet: Callable[..., keras.Model]) -> keras.Model:
    """For oblong images; untrained, it would have features of nearly 0."""
    model = mobilenet_v2_classifier((32, 40), alpha=0.35, weights=None)
    model.set_weights(make_mobilenet().get_weights())
    return model


@pytest.mark.parametrize("depth", [0, 6, MAX_DEPTH])
def test_prefixes_of_the_classifier(classifier: keras.Model, depth: int) -> None:
    image = np.random.default_rng(0).uniform(0, 255, (32, 40, 3)).astype(np.float32)
    prefix, _ = split_at(classifier, depth)
    expected = keras.ops.convert_to_numpy(prefix(image[None]))
    largest = np.abs(expected).max()
    assert largest > 0.1, "features that are nearly 0 would show nothing"
    np.testing.assert_allclose(computed(prefix, image), expected, rtol=1e-3, atol=1e-4 * largest)


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (keras.layers.Softmax(name="soft"), "soft.*Softmax"),
        (keras.layers.ReLU(negative_slope=0.1, name="leaky"), "leaky"),
        (keras.layers.Conv2D(2, 1, activation="gelu", name="gelu"), "activation of 'gelu'"),
        (keras.layers.Conv2D(3, 1, groups=3, name="grouped"), "grouped"),
    ],
)
def test_other_layers_are_refused_by_name(layer: keras.layers.Layer, name: str) -> None:
    images = keras.Input((6, 6, 3))
    with pytest.raises(CrackdetError, match=name):
        openvino_model(keras.Model(images, layer(images)))


def test_a_tensor_from_elsewhere_is_refused() -> None:
    first, second = keras.Input((4, 4, 3), name="first"), keras.Input((4, 4, 3), name="second")
    network = keras.Model([first, second], keras.layers.Add()([first, second]))

    class HalfOfIt:
        inputs, outputs, name = [first], network.outputs, "half"

    with pytest.raises(CrackdetError, match="needs 'second', which is no input of it"):
        openvino_model(HalfOfIt())
