"""whole(x) = suffix(prefix(x)): at every depth, on the way through a training, and after it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.errors import CrackdetError
from crackdet.features import FeatureCache
from crackdet.models import MAX_DEPTH, mobilenet_v2_classifier, split_at
from crackdet.models.units import backbone
from crackdet.training import fit

MakeModel = Callable[..., keras.Model]

# Half a unit in the last of float16's 11 binary places: what rounding changes, relatively.
HALF_UNIT = 2.0**-11

IMAGENET = "models/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache", engine="keras", verbose=0)


def outputs(network: keras.Model, inputs: np.ndarray) -> np.ndarray:
    """Uncompiled, and in one batch: for a network that runs once that is faster."""
    return keras.ops.convert_to_numpy(network(inputs))


def differences_at_every_depth(
    model: keras.Model, data: CrackData, cache: FeatureCache
) -> list[float]:
    """Asserts that features and probabilities are exact to the rounding to float16.

    How much the layers above a boundary enlarge an error depends on the weights. So the rounding
    is held against other errors of its size: half units of random signs.

    Returns:
        The largest difference of a probability, at each depth.
    """
    split, rng, found = data.test, np.random.default_rng(0), []
    images = split.images(range(split.num_images))
    cuts = [split_at(model, depth) for depth in range(MAX_DEPTH + 1)]
    prefixes = keras.Model(model.input, [prefix.output for prefix, _ in cuts])
    whole = outputs(model, images)
    assert np.ptp(whole[:, 1]) > 0.02, "the model tells images apart"
    cache.prepare(model, range(MAX_DEPTH + 1), CrackData(split, split, split))
    boundaries = [keras.ops.convert_to_numpy(each) for each in prefixes(images)]
    for depth, (exact, (_, suffix)) in enumerate(zip(boundaries, cuts, strict=True)):
        features = np.asarray(cache.features(model, depth, split), np.float32)
        # The rounding itself, and what another order of summing changes in float32.
        noise = 2e-5 * np.abs(exact).max()
        np.testing.assert_allclose(features, exact, rtol=HALF_UNIT, atol=noise)
        other = exact * (1 + HALF_UNIT * rng.choice(np.float32([-1, 1]), exact.shape))
        allowed = 2 * np.abs(outputs(suffix, other) - whole).max() + 1e-5
        found.append(float(np.abs(outputs(suffix, features) - whole).max()))
        assert found[-1] <= allowed, depth
    return found


@pytest.mark.slow
def test_every_depth_is_exact_with_untrained_weights(
    make_mobilenet: MakeModel, data: CrackData, cache: FeatureCache
) -> None:
    differences_at_every_depth(make_mobilenet(), data, cache)


@pytest.mark.slow
def test_every_depth_is_exact_with_real_weights(
    shared: Callable[[str], Path], data: CrackData, cache: FeatureCache
) -> None:
    model = mobilenet_v2_classifier((32, 32), alpha=0.35, weights=None, dropout=0.0, seed=0)
    backbone(model).load_weights(shared(IMAGENET))
    # Trained layers enlarge no error by much: the probabilities move by a few half units.
    assert max(differences_at_every_depth(model, data, cache)) <= 4 * HALF_UNIT


@pytest.mark.slow
def test_cached_and_plain_trainings_have_one_loss_curve(
    make_mobilenet: MakeModel, data: CrackData, cache: FeatureCache
) -> None:
    options: dict[str, Any] = {
        "epochs": 3, "head_epochs": 1, "patience": None, "verbose": 0, "seed": 5,
    }  # fmt: skip
    plain = fit(make_mobilenet(6), data, **options).history
    model = make_mobilenet(6)
    cached = fit(model, data, views=1, cache=cache, **options).history
    assert max(plain["loss"]) / min(plain["loss"]) > 1.1, "the curve is no straight line"
    # The loss moves with the features to first order, so by a few half units, and by as much
    # again in each of the epochs whose weights have moved with it.
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(cached[name], plain[name], rtol=16 * HALF_UNIT, err_msg=name)

    # The suffix was trained in place: the whole model measures on images what it measured.
    whole = model.evaluate(data.validation.in_order(), verbose=0, return_dict=True)
    best = int(np.argmin(cached["val_loss"]))
    assert whole["loss"] == pytest.approx(cached["val_loss"][best], rel=16 * HALF_UNIT)
    assert whole["accuracy"] == pytest.approx(cached["val_accuracy"][best], abs=1e-6)


@pytest.mark.slow
def test_features_beyond_float16_are_refused_and_leave_nothing_wrong(
    make_mobilenet: MakeModel, data: CrackData, cache: FeatureCache
) -> None:
    model = make_mobilenet()
    stem = model.get_layer("expanded_conv_project_BN")
    gamma, *others = stem.get_weights()
    stem.set_weights([gamma * 1e6, *others])
    with pytest.raises(CrackdetError, match="not finite in float16"):
        cache.prepare(model, [0, 17], CrackData(data.test, data.test, data.test))
    stem.set_weights([gamma, *others])
    features = cache.features(model, 17, data.test)
    exact = outputs(split_at(model, 17)[0], data.test.images(range(18)))
    np.testing.assert_allclose(features, exact, rtol=HALF_UNIT, atol=1e-5 * np.abs(exact).max())
