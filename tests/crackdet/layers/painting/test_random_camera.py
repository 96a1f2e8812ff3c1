"""`test_painting.py` checks the layer's dtypes, saving and symbolic use inside a `Painting`."""

import io

import keras
import numpy as np
import pytest
from PIL import Image

from crackdet.layers import RandomCamera
from crackdet.layers.painting.compression import compression_error

COUNT, SIZE = 60, 32


def taken(images: np.ndarray, *faults: str, strength: float = 1.0) -> np.ndarray:
    layer = RandomCamera(strength, faults=faults, seed=0)
    return keras.ops.convert_to_numpy(layer(images.astype("float32")))


def flat(*colour: float) -> np.ndarray:
    return np.full((COUNT, SIZE, SIZE, 3), colour, "float32")


def dot() -> np.ndarray:
    images = flat(0)
    images[:, SIZE // 2, SIZE // 2] = 200
    return images


def spread(images: np.ndarray, axis: int) -> np.ndarray:
    """The standard deviation of a dot along an axis, for each image."""
    profile = images[..., 0].sum(axis=axis)
    weights = profile / profile.sum(axis=1, keepdims=True)
    place = np.arange(SIZE)
    mean = (weights * place).sum(axis=1, keepdims=True)
    return np.sqrt((weights * (place - mean) ** 2).sum(axis=1))


def test_lens_blurs_a_dot_and_loses_no_light() -> None:
    out_of_focus, shaken, coarse = (taken(dot(), f) for f in ("focus", "motion", "resolution"))
    for images in (out_of_focus, shaken):
        np.testing.assert_allclose(images.sum(axis=(1, 2)), 200, rtol=1e-3)
    rows, columns = spread(out_of_focus, 2), spread(out_of_focus, 1)
    np.testing.assert_allclose(rows, columns, atol=1e-2)
    assert rows.min() < 1e-2
    assert 1.3 < rows.max() < 1.9
    # A shake has one direction.
    rows, columns = spread(shaken, 2), spread(shaken, 1)
    np.testing.assert_allclose(np.minimum(rows, columns), 0, atol=1e-2)
    assert rows.max() > 0.5
    assert columns.max() > 0.5
    assert np.maximum(rows, columns).max() < 8 / np.sqrt(12) + 0.3
    assert 0.1 < (coarse.max(axis=(1, 2, 3)) < 190).mean() < 0.5


@pytest.mark.slow
def test_light_and_tone_stay_within_their_limits() -> None:
    grey = flat(100)
    light = taken(grey, "exposure")[:, 0, 0, 0] / 100
    assert np.exp(-0.5) - 1e-3 < light.min() < 0.75 < 1.2 < light.max() < np.exp(0.35) + 1e-3
    exponents = np.log(taken(grey, "gamma")[:, 0, 0, 0] / 255) / np.log(100 / 255)
    assert np.exp(-0.35) - 1e-3 < exponents.min() < 0.9 < 1.1 < exponents.max() < 1.42
    assert taken(flat(210), "exposure").max() <= 210.01
    grey[:, : SIZE // 2] += 50
    contrast = taken(grey, "contrast").std(axis=(1, 2, 3)) / 25
    np.testing.assert_allclose(taken(grey, "contrast").mean(axis=(1, 2, 3)), 125, atol=1e-2)
    assert 0.6 < contrast.min() < 0.8 < 1.1 < contrast.max() < 1.29
    dimmed = taken(flat(200), "vignetting")[..., 0]
    assert dimmed.max() <= 200.01
    assert 200 * np.exp(-0.15 * 8) < dimmed.min() < 150
    # No step that could be taken for an edge.
    assert np.abs(np.diff(dimmed, axis=1)).max() < 200 * 0.15 * 2 * 2 * 2 / SIZE


@pytest.mark.slow
def test_colours_change_and_brightness_stays() -> None:
    images = flat(150, 100, 50)
    colours = taken(images, "saturation")
    luma = colours @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(luma, luma[0, 0, 0], atol=1e-2)
    chroma = np.ptp(colours[:, 0, 0], axis=1) / 100
    assert -1e-3 < chroma.min() < 0.2
    assert 1.1 < chroma.max() < 1.3 + 1e-3
    cast = taken(flat(100), "white_balance")[:, 0, 0] / 100
    assert 1.1 < cast[:, 0].max() < np.exp(0.15) + 1e-3
    np.testing.assert_allclose(cast[:, 0] * cast[:, 2], 1, atol=1e-3)


@pytest.mark.slow
def test_noise_is_larger_where_it_is_light_and_sometimes_coarse() -> None:
    dark, light = flat(25), flat(200)
    noisy = taken(light, "noise") - light
    deviations = noisy.std(axis=(1, 2, 3))
    assert np.isclose(deviations, 0, atol=1e-3).mean() == pytest.approx(0.4, abs=0.2)
    assert 5 < deviations.max() < 12.5
    assert (taken(dark, "noise").std(axis=(1, 2, 3)) <= deviations + 1e-3).all()
    noisy = noisy[deviations > 2]
    neighbours = (noisy[:, 1:] * noisy[:, :-1]).mean(axis=(1, 2, 3)) / noisy.var(axis=(1, 2, 3))
    fine = neighbours < 0.25
    assert 0 < fine.mean() < 1
    np.testing.assert_allclose(neighbours[fine], 0, atol=0.12)
    np.testing.assert_allclose(neighbours[~fine], 0.5, atol=0.12)


@pytest.mark.parametrize("quality", [20, pytest.param(75, marks=pytest.mark.slow)])
def test_compression_is_that_of_libjpeg(quality: int) -> None:
    luma = np.add.outer(np.linspace(60, 190, 27), 20 * np.sin(np.arange(33) / 2))
    luma[:, 12] = 20
    pixels = np.round(luma).astype("uint8")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    decoded = np.asarray(Image.open(file)).astype("float32")
    error = compression_error(
        keras.ops.convert_to_tensor(pixels[None].astype("float32")),
        keras.ops.convert_to_tensor([[float(quality)]]),
    )
    ours = np.clip(pixels + keras.ops.convert_to_numpy(error)[0], 0, 255)
    # The last blocks reach beyond the image, where libjpeg repeats its edge.
    inside = np.abs(ours - decoded)[:24, :32]
    assert np.abs(decoded - pixels).max() > 5
    # libjpeg computes in integers: a coefficient in the middle of a step may go the other way.
    assert np.quantile(inside, 0.9) <= 1.5
    assert np.abs(ours - decoded).mean() < 3


def test_faults_are_chosen_by_name() -> None:
    images = np.random.default_rng(0).uniform(0, 255, (4, 8, 8, 3))
    np.testing.assert_allclose(taken(images), images, rtol=1e-6)
    with pytest.raises(ValueError, match="`faults` must be names out of focus, motion"):
        RandomCamera(faults=["blur"])
    with pytest.raises(ValueError, match=r"`strength`.*Received: strength=3"):
        RandomCamera(3)
