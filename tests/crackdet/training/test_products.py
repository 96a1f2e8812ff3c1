"""Pointwise convolutions as products: the same numbers and gradients, and no trace afterwards."""

import keras
import numpy as np
import pytest

from crackdet.training import products as module
from crackdet.training.products import pointwise_as_products

tensorflow_cpu = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="other backends are left alone"
)


def network() -> keras.Model:
    images = keras.Input((6, 5, 3))
    x = keras.layers.Conv2D(7, 1, activation="relu", name="with_bias")(images)
    x = keras.layers.Conv2D(4, 1, use_bias=False, name="without_bias")(x)
    x = keras.layers.Conv2D(4, 1, strides=2, name="strided")(x)
    x = keras.layers.Conv2D(4, 3, name="wide")(x)
    return keras.Model(images, keras.layers.Flatten()(x))


def products(model: keras.Model) -> set[str]:
    return {layer.name for layer in model.layers if "convolution_op" in vars(layer)}


@tensorflow_cpu
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_values_and_gradients_are_those_of_a_convolution(dtype: str) -> None:
    import tensorflow as tf

    if module.has_gpu():
        pytest.skip("a GPU is left alone, and rounds convolutions more than this allows")
    keras.config.set_dtype_policy(dtype)
    try:
        model = network()
    finally:
        keras.config.set_dtype_policy("float32")
    images = np.random.default_rng(0).normal(size=(8, 6, 5, 3)).astype("float32")

    def compute() -> list[np.ndarray]:
        with tf.GradientTape() as tape:
            values = model(images)
            loss = tf.reduce_sum(tf.cast(values, "float32") ** 2)
        return [np.asarray(v, "float32") for v in (values, *tape.gradient(loss, model.weights))]

    expected = compute()
    with pointwise_as_products(model):
        assert products(model) == {"with_bias", "without_bias"}
        found = compute()
    close = 1e-5 if dtype == "float32" else 3e-2
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=close, atol=close * np.abs(theirs).max())


@tensorflow_cpu
def test_an_exception_leaves_the_layers_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "has_gpu", lambda: False)
    model = network()
    with pytest.raises(KeyError) as caught, pointwise_as_products(model):
        raise KeyError(products(model))
    assert caught.value.args == ({"with_bias", "without_bias"},)
    assert not products(model)


def test_gpus_and_other_backends_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    tensorflow = keras.backend.backend() == "tensorflow"
    monkeypatch.setattr(module, "has_gpu", lambda: tensorflow)
    model = network()
    with pointwise_as_products(model):
        assert not products(model)
