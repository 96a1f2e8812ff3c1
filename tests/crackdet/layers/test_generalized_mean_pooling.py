import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crackdet.layers import GeneralizedMeanPooling2D
from tests.layer_checks import check_layer


def pool(features: np.ndarray, **kwargs) -> np.ndarray:
    return keras.ops.convert_to_numpy(GeneralizedMeanPooling2D(**kwargs)(features))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_layer(data_format: str, tmp_path) -> None:
    check_layer(
        GeneralizedMeanPooling2D, {"p": 2.5, "data_format": data_format}, (4, 6, 5, 3), tmp_path
    )


@settings(max_examples=20, deadline=None)
@given(p=st.floats(0.2, 20), seed=st.integers(0, 1000))
def test_equals_the_formula(p: float, seed: int) -> None:
    features = np.random.default_rng(seed).uniform(0, 6, (2, 4, 3, 5)).astype("float32")
    expected = np.mean(features.astype("float64") ** p, axis=(1, 2)) ** (1 / p)
    np.testing.assert_allclose(pool(features, p=p), expected, rtol=1e-4)
    first = np.moveaxis(features, -1, 1)
    np.testing.assert_allclose(pool(first, p=p, data_format="channels_first"), expected, rtol=1e-4)


def test_lies_between_mean_and_maximum() -> None:
    features = np.random.default_rng(0).uniform(0, 6, (2, 7, 7, 8)).astype("float32")
    np.testing.assert_allclose(pool(features, p=1.0), features.mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(pool(features, p=1000.0), features.max((1, 2)), rtol=5e-3)


@pytest.mark.parametrize("value", [0.0, 1e-3, 6e4])
def test_float16_neither_overflows_nor_vanishes(value: float) -> None:
    features = np.full((1, 7, 7, 2), value, "float16")
    pooled = pool(features, p=9.0, dtype="mixed_float16")
    np.testing.assert_allclose(pooled, value, rtol=2e-3, atol=2e-6)


def test_learns_its_exponent_unless_frozen() -> None:
    features = np.random.default_rng(0).uniform(0, 1, (16, 5, 5, 1)).astype("float32")
    for trainable in (True, False):
        layer = GeneralizedMeanPooling2D(p=2.0, trainable=trainable)
        model = keras.Sequential([keras.Input((5, 5, 1)), layer])
        model.compile(keras.optimizers.Adam(0.05), "mse")
        model.fit(features, features.max((1, 2)), epochs=5, verbose=0)
        learned = float(np.exp(layer.get_weights()[0]))
        assert learned > 2.2 if trainable else learned == pytest.approx(2.0)


@pytest.mark.parametrize(
    "wrong", [{"p": 0}, {"p": -1.0}, {"p": float("inf")}, {"data_format": "last"}]
)
def test_wrong_arguments_are_refused_by_name(wrong) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        GeneralizedMeanPooling2D(**wrong)
