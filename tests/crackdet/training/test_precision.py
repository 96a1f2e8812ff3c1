"""bfloat16 while training, float16 in passes: how near they come, and that neither stays."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.engines.choice import HALF_TOLERANCE, make_engine
from crackdet.engines.keras_engine import KerasEngine
from crackdet.errors import CrackdetError
from crackdet.features import FeatureCache
from crackdet.models import split_at
from crackdet.training import fit
from crackdet.training.precision import POLICY, fast_arithmetic
from crackdet.training.products import takes_products

MakeModel = Callable[..., keras.Model]

# What rounding to bfloat16's 8 binary places may move a loss by, relatively, in a few steps.
NEAR = 0.03


def images_of(data: CrackData) -> np.ndarray:
    return data.validation.images(range(data.validation.num_images)).astype(np.float32)


def outputs(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Without what is compiled, which might have been so in another precision."""
    return keras.ops.convert_to_numpy(model(images))


def cross_entropy(scores: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.mean(np.log(scores[np.arange(len(labels)), labels])))


def test_the_backbone_alone_changes_and_changes_back(make_model: MakeModel) -> None:
    model = make_model(2)
    with fast_arithmetic(model, mixed_precision=False):
        assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    with fast_arithmetic(model, mixed_precision=True):
        policies = {layer.name: layer.dtype_policy.name for layer in model.layers}
    if takes_products():  # all but these is slower in bfloat16 there
        assert set(policies.values()) == {"float32"}
        return
    assert policies.pop("image") == policies.pop("preprocessing") == "float32"
    assert policies.pop("predictions") == "float32"
    assert set(policies.values()) == {POLICY}
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FeatureCache:
    return FeatureCache(tmp_path_factory.mktemp("cache"), engine="keras", verbose=0)


# No dropout: in bfloat16 TensorFlow draws other masks.
PLAIN: dict[str, Any] = {"epochs": 2, "head_epochs": 0, "learning_rate": 1e-2, "verbose": 0}


@pytest.fixture(scope="module")
def exact(make_model: MakeModel, data: CrackData, cache: FeatureCache) -> list[float]:
    """The validation losses of a training in float32."""
    model = make_model(2, dropout=0.0)
    return fit(model, data, views=1, cache=cache, **PLAIN).history["val_loss"]


@pytest.mark.parametrize(
    "views", [1, pytest.param(None, marks=pytest.mark.slow)], ids=["features", "images"]
)
def test_a_training_in_bfloat16_comes_near_and_leaves_float32(
    views: int | None,
    exact: list[float],
    make_model: MakeModel,
    data: CrackData,
    cache: FeatureCache,
) -> None:
    images = images_of(data)
    seen: list[np.ndarray] = []
    # A user's callback may compile the whole model in the middle of it.
    watcher = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(watcher.model.predict(images, verbose=0))
    )
    model = make_model(2, dropout=0.0)
    history = fit(
        model, data, views=views, cache=cache, mixed_precision=True, callbacks=[watcher], **PLAIN
    ).history
    found = history["val_loss"]
    np.testing.assert_allclose(found, exact, rtol=NEAR)
    assert np.abs(np.subtract(found, exact)).max() > 1e-5, "something was computed in bfloat16"

    assert {weight.dtype for weight in model.weights} == {"float32"}
    after = outputs(model, images)
    assert np.abs(seen[-1] - after).max() > 1e-5, "the callback saw bfloat16"
    np.testing.assert_allclose(model.predict(images, verbose=0), after, atol=1e-5)
    loss = model.evaluate(data.validation.in_order(), verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(cross_entropy(after, data.validation.labels), abs=1e-5)


def test_a_pass_in_float16_comes_near_and_leaves_the_model(
    make_model: MakeModel, data: CrackData
) -> None:
    prefix, _ = split_at(make_model(), 0)
    images = images_of(data)
    exact = outputs(prefix, images)
    engine = KerasEngine(prefix, half_precision=True)
    first, second = engine.run([(images[:13],), (images[13:],)])
    values = np.concatenate([first, second])
    assert values.dtype == np.float32
    error = np.abs(values - exact).max() / np.abs(exact).max()
    assert 1e-6 < error < HALF_TOLERANCE
    assert {layer.dtype_policy.name for layer in prefix.layers} == {"float32"}
    np.testing.assert_array_equal(outputs(prefix, images), exact)


def test_a_model_that_does_not_bear_float16_is_refused(
    make_model: MakeModel, data: CrackData
) -> None:
    model = make_model()
    prefix, _ = split_at(model, 0)
    sample = (images_of(data),)
    assert isinstance(make_engine("auto", prefix, sample, half_precision=True), KerasEngine)
    # Its numbers go beyond float16's largest on the way, and come back.
    up, down = (model.get_layer(f"block_{number}_expand_BN") for number in (3, 4))
    for layer, factor in ((up, 1e5), (down, 1e-5)):
        gamma, beta, mean, variance = layer.get_weights()
        layer.set_weights([gamma * factor, beta * factor, mean, variance])
    model.get_layer("block_3_expand_relu").max_value = None
    with pytest.raises(CrackdetError, match="does not bear half precision"):
        make_engine("keras", prefix, sample, half_precision=True)
    with pytest.raises(CrackdetError, match="has no half precision"):
        make_engine("openvino", prefix, sample, half_precision=True)
