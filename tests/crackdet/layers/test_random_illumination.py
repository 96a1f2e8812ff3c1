import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crackdet.layers import RandomIllumination
from tests.layer_checks import check_layer


def light(images: np.ndarray, **kwargs) -> np.ndarray:
    layer = RandomIllumination(seed=0, **kwargs)
    return keras.ops.convert_to_numpy(layer(images, training=True))


@pytest.mark.parametrize("shape", [(4, 32, 32, 3), (4, 24, 40, 1)])
def test_layer(shape: tuple[int, ...], tmp_path) -> None:
    check_layer(
        RandomIllumination,
        {"seed": 0, "gain": 0.1, "gamma": 0.3, "shading": 0.2, "value_range": (0, 255)},
        shape,
        tmp_path,
        input_dtypes=("float32", "uint8"),
        random=True,
    )


@settings(max_examples=20, deadline=None)
@given(
    gain=st.floats(0, 0.99),
    gamma=st.floats(0, 3),
    shading=st.floats(0, 0.99),
    dtype=st.sampled_from(["uint8", "float32"]),
)
def test_stays_in_the_value_range(gain, gamma, shading, dtype) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 12, 9, 3)).astype(dtype)
    lit = light(images, gain=gain, gamma=gamma, shading=shading)
    assert lit.dtype == images.dtype
    assert np.isfinite(lit).all()
    assert lit.min() >= 0
    assert lit.max() <= 255


@pytest.mark.parametrize("value_range", [(0, 255), (0, 1), (-1, 1)])
def test_gain_alone_multiplies_each_image(value_range) -> None:
    low, high = value_range
    images = np.full((500, 8, 8, 3), low + 0.4 * (high - low), "float32")
    lit = light(images, gain=0.2, gamma=0, shading=0, value_range=value_range)
    gains = ((lit - low) / (high - low) / 0.4).reshape(500, -1)
    np.testing.assert_allclose(np.ptp(gains, axis=1), 0, atol=1e-5)
    assert 0.8 <= gains.min() < 0.81
    assert 1.19 < gains.max() <= 1.2 + 1e-5
    np.testing.assert_allclose(gains.mean(), 1, atol=0.02)


def test_gamma_alone_raises_to_a_power_drawn_log_uniformly() -> None:
    images = np.tile(np.linspace(0, 255, 64, dtype="float32").reshape(8, 8, 1), (500, 1, 1, 1))
    lit = light(images, gain=0, gamma=0.5, shading=0)
    x, y = images[:, 4, 4, 0] / 255, lit[:, 4, 4, 0] / 255
    exponents = np.log(y) / np.log(x)
    np.testing.assert_allclose(
        lit / 255, (images / 255) ** exponents.reshape(-1, 1, 1, 1), atol=1e-5
    )
    assert 1 / 1.5 - 1e-4 <= exponents.min() < 0.68
    assert 1.48 < exponents.max() <= 1.5 + 1e-4
    assert abs(np.log(exponents).mean()) < 0.04


def test_shading_alone_is_smooth_and_bounded_and_grey() -> None:
    images = np.full((200, 64, 48, 3), 100, "float32")
    field = light(images, gain=0, gamma=0, shading=0.5) / 100 - 1
    np.testing.assert_array_equal(field[..., 0], field[..., 2])
    peaks = np.abs(field).max(axis=(1, 2, 3))
    assert 0.49 < peaks.max() <= 0.5 + 1e-5
    assert peaks.min() < 0.01
    # Over 48 pixels a wave of one period changes by at most 2 pi / 48 = 0.13 of its height a pixel.
    steps = np.abs(np.diff(field, axis=2)).max(axis=(1, 2, 3)) / peaks
    assert steps.max() < 0.2
    # Each image has its own field.
    patterns = field[:, :, :, 0].reshape(200, -1) / peaks[:, None]
    assert np.abs(np.corrcoef(patterns) - np.eye(200)).mean() < 0.6


def test_zero_strength_changes_nothing() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3)).astype("uint8")
    np.testing.assert_array_equal(light(images, gain=0, gamma=0, shading=0), images)


@pytest.mark.parametrize(
    "wrong",
    [
        {"gain": -0.1},
        {"gain": 1.0},
        {"gamma": -0.1},
        {"gamma": float("inf")},
        {"shading": float("nan")},
        {"value_range": (1, 0)},
        {"value_range": (0, 1, 2)},
    ],
)
def test_wrong_arguments_are_refused_by_name(wrong) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        RandomIllumination(**wrong)
