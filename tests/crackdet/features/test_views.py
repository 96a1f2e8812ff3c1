"""Views: a function of image, view and seed alone, at any place in any batch."""

import keras
import numpy as np
import pytest

from crackdet.features.views import make_augmenter
from crackdet.layers import augmentation

KEYS = [f"{number:016x}" for number in (3, 2**63, 17, 4, 99)]


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (5, 16, 16, 3)).astype(np.float32)


def test_a_view_depends_on_image_view_and_seed_alone(images: np.ndarray) -> None:
    augment = make_augmenter(augmentation(seed=0), (16, 16))
    views = augment(images, KEYS, view=1, seed=7)
    assert views.dtype == np.float32
    np.testing.assert_array_equal(augment(images, KEYS, view=1, seed=7), views)
    for order in ([3], [4, 0, 2]):
        some = augment(images[order], [KEYS[i] for i in order], view=1, seed=7)
        np.testing.assert_array_equal(some, views[order])
    many = augment(np.repeat(images, 8, axis=0), np.repeat(KEYS, 8), view=1, seed=7)
    np.testing.assert_array_equal(many, np.repeat(views, 8, axis=0))
    # Another layer object of the same configuration, that has run before, draws the same.
    used = augmentation(seed=5)
    used(images, training=True)
    np.testing.assert_array_equal(
        make_augmenter(used, (16, 16))(images, KEYS, view=1, seed=7), views
    )
    for view, seed in ((2, 7), (1, 8)):
        other = augment(images, KEYS, view=view, seed=seed)
        assert (np.abs(other - views).max(axis=(1, 2, 3)) > 1).all()
    swapped = augment(images, KEYS[::-1], view=1, seed=7)
    assert (np.abs(swapped - views).max(axis=(1, 2, 3)) > 1)[[0, 1, 3, 4]].all()


def test_each_image_has_a_draw_of_its_own() -> None:
    same = np.full((40, 8, 8, 3), 100, np.float32)
    augment = make_augmenter(keras.layers.RandomBrightness(0.3, value_range=(0, 255)), (8, 8))
    drawn = augment(same, [f"{i:x}" for i in range(40)], view=1, seed=0)[:, 0, 0, 0]
    assert len(np.unique(drawn)) == 40
    assert drawn.min() < 50
    assert drawn.max() > 150


def test_a_layer_that_draws_nothing_is_taken_too(images: np.ndarray) -> None:
    augment = make_augmenter(keras.layers.Rescaling(0.5), (16, 16))
    np.testing.assert_allclose(augment(images, KEYS, view=1, seed=0), images / 2)
