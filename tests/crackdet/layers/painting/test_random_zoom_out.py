"""`test_painting.py` checks the layer's dtypes, saving and symbolic use inside a `Painting`."""

import keras
import numpy as np
import pytest

from crackdet.layers import RandomZoomOut

SHAPE = (20, 32, 24)


def zoomed(images: np.ndarray, **kwargs) -> dict[str, np.ndarray]:
    masks = images[..., :1] / 255
    inputs = {"images": images, "labels": np.arange(len(images)) % 2, "masks": masks}
    outputs = RandomZoomOut(**{"rate": 1.0, "seed": 0, **kwargs})(inputs)
    return {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}


def test_the_whole_image_stays_in_view_with_its_mask_and_label() -> None:
    for row, column in ((1, 1), (1, -4), (-4, 1), (-4, -4)):
        images = np.zeros((*SHAPE, 3), "float32")
        images[:, row : row + 3 or None, column : column + 3 or None] = 255
        outputs = zoomed(images, factor=2.0, stretch=0.0)
        np.testing.assert_allclose(outputs["masks"], outputs["images"][..., :1] / 255, atol=1e-5)
        np.testing.assert_array_equal(outputs["labels"], np.arange(20) % 2)
        assert (outputs["masks"].sum(axis=(1, 2, 3)) > 0.9 * 9 / 4).all()


@pytest.mark.slow
def test_lines_become_thinner_and_fainter() -> None:
    images = np.full((*SHAPE, 3), 200, "float32")
    images[:, :, 11:13] = 100
    row = zoomed(images, factor=2.0)["images"][:, 16, :, 0]
    missing = (200 - row) / 100
    # One line or its mirror images beside it; the thinnest has half its width.
    lines = (missing > 0.45).sum(axis=1) > 0
    assert lines.all()
    assert missing.sum(axis=1).min() < 1.4
    assert missing.max() <= 1 + 1e-4
    one_pixel = images.copy()
    one_pixel[:, :, 11] = 200
    deepest = (200 - zoomed(one_pixel, factor=2.0)["images"][:, 16, :, 0]).max(axis=1)
    assert deepest.min() < 62


@pytest.mark.slow
@pytest.mark.parametrize("nothing", [{"rate": 0.0}, {"factor": 1.0, "stretch": 0.0}])
def test_changes_nothing_when_told_so(nothing) -> None:
    images = np.random.default_rng(0).uniform(0, 255, (*SHAPE, 3)).astype("float32")
    np.testing.assert_allclose(zoomed(images, **nothing)["images"], images, atol=1e-2)


@pytest.mark.slow
def test_flat_walls_and_unknown_masks_stay() -> None:
    images = np.full((*SHAPE, 3), -255, "float32")  # as masks: -1
    np.testing.assert_allclose(zoomed(images)["masks"], -1, atol=1e-5)


@pytest.mark.parametrize("wrong", [{"factor": 0.9}, {"stretch": 1.0}, {"rate": -0.1}])
def test_wrong_arguments_are_refused_by_name(wrong) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        RandomZoomOut(**wrong)
