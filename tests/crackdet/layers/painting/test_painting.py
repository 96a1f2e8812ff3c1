import keras
import numpy as np
import pytest

from crackdet.features.painted import Painter, make_painter
from crackdet.layers import Painting, RandomCamera, RandomDihedral, RandomZoomOut, painting
from tests.layer_checks import check_layer


def batch(count: int = 6, size: int = 32) -> dict[str, np.ndarray]:
    images = np.random.default_rng(0).integers(0, 256, (count, size, size, 3)).astype("float32")
    return {"images": images, "labels": np.arange(count) % 2}


def keys(count: int = 6) -> np.ndarray:
    return np.random.default_rng(1).integers(-(2**31), 2**31, (count, 2)).astype("int32")


def painted(layer: keras.layers.Layer, inputs: dict[str, np.ndarray], keys: np.ndarray) -> dict:
    tensors = {name: keras.ops.convert_to_tensor(value) for name, value in inputs.items()}
    outputs = layer.paint(tensors, keras.ops.convert_to_tensor(keys))
    return {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}


@pytest.mark.slow
def test_layer(tmp_path) -> None:
    check_layer(
        Painting,
        {"layers": [RandomZoomOut(factor=1.5), RandomCamera(faults=["focus"])], "seed": 0},
        (6, 32, 32, 3),
        tmp_path,
        input_dtypes=("uint8",),
        random=True,
    )


@pytest.fixture(scope="module")
def paint() -> Painter:
    """The whole painting, compiled: JAX takes half a minute for each of its steps alone."""
    return make_painter(painting(masks=True), (32, 32))


@pytest.mark.slow
def test_an_image_is_painted_alike_beside_any_others(paint: Painter) -> None:
    images, labels = batch(6).values()
    whole = paint(images, labels, keys(6))
    order = [3, 3, 0, 5]
    part = paint(images[order], labels[order], keys(6)[order])
    np.testing.assert_allclose(part.images, whole.images[order], atol=1e-2)
    np.testing.assert_array_equal(part.labels, whole.labels[order])
    np.testing.assert_allclose(part.masks, whole.masks[order], atol=1e-4)
    assert not np.allclose(part.images[0], paint(images[3:4], labels[3:4], keys(6)[:1]).images)


def test_labels_follow_the_cracks_and_masks_tell_them(paint: Painter) -> None:
    images = batch(40)["images"] / 32 + 150
    found = paint(images, np.repeat([0, 1], [30, 10]), keys(40))
    cracked = found.labels[:30] == 1
    assert 1 <= cracked.sum() <= 18
    assert (found.labels[30:] == 1).all()
    np.testing.assert_array_equal(found.masks[30:], -1)
    np.testing.assert_array_equal(found.masks[:30].max(axis=(1, 2, 3)) > 0, cracked)
    assert painting(masks=True).masks
    assert not painting().masks


@pytest.mark.slow
def test_a_layer_paints_the_same_whatever_stands_beside_it() -> None:
    camera = RandomCamera(faults=["exposure"])
    alone = painted(Painting([camera]), batch(), keys())["images"]
    still = Painting([RandomZoomOut(rate=0.0), camera])
    np.testing.assert_allclose(painted(still, batch(), keys())["images"], alone, atol=1e-2)
    # Two of a kind do not paint the same.
    twice = Painting([RandomCamera(faults=[]), camera])
    assert np.abs(painted(twice, batch(), keys())["images"] - alone).max() > 1


@pytest.mark.slow
def test_strength_grows_from_the_identity() -> None:
    slope = np.linspace(100, 160, 32, dtype="float32")
    images = np.broadcast_to(slope[:, None, None], (6, 32, 32, 3))
    outputs = [
        painted(painting(strength), {**batch(), "images": images}, keys())["images"]
        for strength in (0, 0.02, 2)
    ]
    np.testing.assert_array_equal(outputs[0], images)
    changes = [np.abs(output - images).mean() for output in outputs[1:]]
    assert 0 < changes[0] < 3
    assert changes[1] > 20


@pytest.mark.parametrize("strength", [-0.1, 2.1, float("nan")])
def test_wrong_strength_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match=r"`strength`.*Received: strength="):
        painting(strength)


def test_only_painting_layers_are_taken() -> None:
    with pytest.raises(ValueError, match="must be painting layers"):
        Painting([RandomDihedral()])
