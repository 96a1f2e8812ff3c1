import keras
import numpy as np
import pytest

from crackdet.layers import DISTRACTORS, RandomDistractor
from crackdet.layers.painting.distractors.lines import Lines, draw_lines
from crackdet.layers.painting.distractors.marks import draw_noises
from crackdet.layers.painting.distractors.ranges import columns, draw_table
from crackdet.layers.painting.draws import Draws
from tests.layer_checks import check_layer

IMAGES = np.random.default_rng(0).normal(150, 8, (8, 48, 48, 3)).astype("float32")
KEYS = np.random.default_rng(1).integers(0, 2**31, (8, 2)).astype("int32")


def paint(images: np.ndarray, keys: np.ndarray, **arguments) -> np.ndarray:
    layer = RandomDistractor(**arguments)
    tensors = [keras.ops.convert_to_tensor(array) for array in (images, keys)]
    return keras.ops.convert_to_numpy(layer.paint({"images": tensors[0]}, tensors[1])["images"])


# What differs from backend to backend is seen below, with fewer shapes to compile.
@pytest.mark.slow
def test_layer(tmp_path) -> None:
    check_layer(
        RandomDistractor,
        {"rate": 1.0, "families": ["stains"], "seed": 0},
        (4, 32, 32, 3),
        tmp_path,
        input_dtypes=("uint8",),
        random=True,
    )


@pytest.mark.slow
def test_labels_and_masks_stay_and_so_do_the_images_that_get_none() -> None:
    images = IMAGES.round().astype("uint8")
    inputs = {"images": images, "labels": np.arange(8) % 2, "masks": np.full((8, 48, 48, 1), -1.0)}
    layer = RandomDistractor(rate=0.5, families=["stains"], seed=0)
    changed = []
    for _ in range(8):
        painted = layer(inputs, training=True)
        painted = {name: keras.ops.convert_to_numpy(value) for name, value in painted.items()}
        np.testing.assert_array_equal(painted["labels"], inputs["labels"])
        np.testing.assert_array_equal(painted["masks"], inputs["masks"])
        changed += list((painted["images"] != images).any((1, 2, 3)))
    assert 0.25 < np.mean(changed) < 0.7


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTRACTORS)
def test_every_family_is_seen_alone_and_stays_in_range(name: str) -> None:
    painted = paint(IMAGES, KEYS, rate=1.0, families=[name])
    assert 0 <= painted.min() <= painted.max() <= 255
    assert (np.abs(painted - IMAGES).max((1, 2, 3)) > 4).sum() >= 4


@pytest.mark.slow
def test_an_image_is_painted_alike_whatever_stands_beside_it() -> None:
    forward = paint(IMAGES, KEYS, rate=1.0)
    backward = paint(IMAGES[::-1].copy(), KEYS[::-1].copy(), rate=1.0)
    np.testing.assert_allclose(backward[::-1], forward, atol=0.01)


def test_families_to_be_judged_by_are_painted_only_if_they_are_named() -> None:
    tones = [look.warm for look in RandomDistractor()._looks]
    rust = [look.warm for look in RandomDistractor(families=["rust"])._looks]
    assert not set(rust) & set(tones)


@pytest.mark.slow
def test_strength_0_changes_nothing_and_a_half_about_half_as_much() -> None:
    assert (paint(IMAGES, KEYS, rate=1.0, strength=0.0) == IMAGES).all()
    full, half = (
        np.abs(paint(IMAGES, KEYS, rate=1.0, strength=strength) - IMAGES).mean()
        for strength in (1.0, 0.5)
    )
    assert 0.35 < half / full < 0.75


@pytest.mark.slow
@pytest.mark.parametrize("upright", [0.0, 1.0])
def test_a_line_is_as_wide_as_it_says_at_any_angle(upright: float) -> None:
    look = Lines(
        upright=(upright, upright),
        turn=(-0.7, 0.7),
        width=(2.5, 2.5),
        place=(0.0, 0.0),
        tone=(-1, -1),
    )
    draws = Draws(keras.ops.convert_to_tensor(KEYS))
    line = columns(Lines, draw_table(draws, [look]))
    mark = draw_lines(draws, line, draw_noises(draws, (48, 48)))
    area = -keras.ops.convert_to_numpy(keras.ops.sum(mark.tones, axis=(1, 2)))
    turn = keras.ops.convert_to_numpy(line["turn"])[:, 0]
    np.testing.assert_allclose(area, 2.5 * 48 / np.cos(turn), rtol=0.04)


def test_wrong_arguments_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"formwork_joint.*Received: \['graffiti'\]"):
        RandomDistractor(families=["wires", "graffiti"])
    with pytest.raises(ValueError, match="`families` must be"):
        RandomDistractor(families=[])
    with pytest.raises(ValueError, match="`rate` must be from 0 to 1"):
        RandomDistractor(rate=1.5)
    with pytest.raises(ValueError, match="`strength` must be from 0"):
        RandomDistractor(strength=3.0)
