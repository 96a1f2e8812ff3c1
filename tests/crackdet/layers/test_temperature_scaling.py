import keras
import numpy as np
import pytest
from scipy.special import softmax

from crackdet.layers import TemperatureScaling
from tests.layer_checks import check_layer


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_layer(temperature: float, tmp_path) -> None:
    check_layer(TemperatureScaling, {"temperature": temperature}, (4, 3), tmp_path)
    check_layer(TemperatureScaling, {"temperature": temperature}, (4, 6, 5, 1), tmp_path)


def test_divides_the_logits() -> None:
    logits = np.random.default_rng(0).normal(0, 5, (8, 3)).astype("float32")
    scaled = keras.ops.convert_to_numpy(TemperatureScaling(2.5)(logits))
    np.testing.assert_allclose(scaled, logits / 2.5, rtol=1e-6)


def test_learns_the_temperature_that_generated_the_labels() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 6, (4000, 2)).astype("float32")
    labels = (rng.uniform(size=4000) < softmax(logits / 3, axis=1)[:, 1]).astype("int32")
    layer = TemperatureScaling(trainable=True)
    model = keras.Sequential([keras.Input((2,)), layer])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.05), loss)
    model.fit(logits, labels, epochs=8, batch_size=250, verbose=0)
    assert np.exp(layer.get_weights()[0]) == pytest.approx(3, rel=0.1)


def test_is_not_learned_unless_asked() -> None:
    layer = TemperatureScaling(2.0)
    layer.build((None, 2))
    assert not layer.trainable_weights
    assert len(layer.non_trainable_weights) == 1


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan"), float("inf")])
def test_wrong_temperature_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match=r"`temperature`.*Received: temperature="):
        TemperatureScaling(temperature)
