import keras
import numpy as np
import pytest

from crackdet.layers import RandomSimilarity
from tests.layer_checks import check_layer


def moved(images: np.ndarray, **kwargs) -> np.ndarray:
    return keras.ops.convert_to_numpy(RandomSimilarity(seed=0, **kwargs)(images, training=True))


def test_layer(tmp_path) -> None:
    check_layer(
        RandomSimilarity,
        {"turn": 20.0, "zoom": 0.2, "seed": 0},
        (4, 20, 24, 3),
        tmp_path,
        input_dtypes=("uint8",),
        random=True,
    )


@pytest.mark.parametrize(("shape", "views"), [((12, 12, 4), 8), ((12, 8, 4), 4)])
def test_without_turn_and_zoom_it_draws_the_symmetries(shape: tuple, views: int) -> None:
    image = np.random.default_rng(0).uniform(0, 255, shape).astype("float32")
    wanted = [image, image[::-1], image[:, ::-1], image[::-1, ::-1]]
    if views == 8:
        wanted += [each.transpose(1, 0, 2) for each in wanted]
    outputs = moved(np.stack([image] * 160), turn=0, zoom=0)
    nearest = [[np.abs(output - each).max() for each in wanted] for output in outputs]
    assert np.min(nearest, axis=1).max() < 0.05
    assert np.bincount(np.argmin(nearest, axis=1)).min() > 160 / views / 3


def test_turns_and_zooms_within_their_limits_about_the_middle() -> None:
    """Two dots on a line through the middle tell the angle and the size."""
    images = np.zeros((80, 41, 41, 1), "float32")
    images[:, 19:22, 5:8] = images[:, 19:22, 33:36] = 255
    outputs = moved(images, turn=20, zoom=0.2)[..., 0]
    y, x = np.mgrid[-20:21, -20:21]
    total = outputs.sum(axis=(1, 2))
    for place in (y, x):
        np.testing.assert_allclose((outputs * place).sum(axis=(1, 2)) / total, 0, atol=0.3)
    xx, yy, xy = ((outputs * p).sum(axis=(1, 2)) / total for p in (x * x, y * y, x * y))
    size = np.sqrt(xx + yy) / 14
    assert 1 / 1.25 < size.min() < 0.9
    assert 1.1 < size.max() < 1.3
    angle = np.degrees(np.arctan2(2 * xy, xx - yy) / 2)
    off = np.abs((angle + 45) % 90 - 45)  # from the nearest axis
    assert 15 < off.max() < 20.5
    assert off.min() < 5


@pytest.mark.parametrize("wrong", [{"turn": -1}, {"turn": 181}, {"zoom": 1.0}])
def test_wrong_arguments_are_refused_by_name(wrong) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        RandomSimilarity(**wrong)
