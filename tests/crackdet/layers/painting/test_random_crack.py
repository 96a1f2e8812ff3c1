import keras
import numpy as np
import pytest

from crackdet.features.painted import Painter, make_painter
from crackdet.layers import RandomCrack
from crackdet.layers.painting.painting_layer import sound
from crackdet.layers.painting.random_crack import _cracked
from tests.layer_checks import check_painting_layer

COUNT, SIZE = 16, 48


def wall(grain: float = 4.0) -> np.ndarray:
    walls = np.random.default_rng(0).normal(150, grain, (COUNT, SIZE, SIZE, 1))
    return np.repeat(walls, 3, axis=-1).round().clip(0, 255).astype("float32")


def keys() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2**31, (COUNT, 2)).astype("int32")


def paint(images: np.ndarray, **kwargs) -> dict[str, np.ndarray]:
    """Paints sound images, uncompiled, which is fast with TensorFlow alone."""
    masks = {name: kwargs.pop(name) for name in ("masks",) if np.ndim(kwargs.get(name))}
    layer = RandomCrack(**{"rate": 1.0, "masks": True, "min_length": 12, **kwargs})
    inputs = {"images": images, "labels": np.zeros(len(images), "int32"), **masks}
    tensors = {name: keras.ops.convert_to_tensor(value) for name, value in inputs.items()}
    painted = layer.paint(tensors, keras.ops.convert_to_tensor(keys()))
    return {name: keras.ops.convert_to_numpy(value) for name, value in painted.items()}


@pytest.fixture(scope="module")
def painter() -> Painter:
    """The layer compiled: JAX takes long for each of its steps alone."""
    return make_painter(RandomCrack(rate=0.8, masks=True, min_length=12), (SIZE, SIZE))


@pytest.mark.slow
def test_layer(tmp_path) -> None:
    check_painting_layer(
        RandomCrack, {"rate": 0.7, "strength": 1.5, "min_contrast": 1.2}, (4, 32, 32, 3), tmp_path
    )


def test_an_image_changes_exactly_where_its_label_does(painter: Painter) -> None:
    images = wall()
    labels = np.arange(COUNT, dtype="int32") % 3 // 2  # every third is cracked
    painted = painter(images, labels, keys())
    changed = (painted.images != images).any((1, 2, 3))
    np.testing.assert_array_equal(painted.labels - labels, changed)
    assert 4 <= changed.sum() <= 11
    np.testing.assert_array_equal(painted.masks[labels == 1], -1)
    np.testing.assert_array_equal(painted.masks[(labels == 0) & ~changed], 0)
    masks = painted.masks[changed, ..., 0]
    for change, mask in zip((images - painted.images)[changed], masks, strict=True):
        assert 0 <= mask.min() < mask.max() <= 1
        # Where the mask is empty, the patch is as it was, but for a pale lip beside the crack.
        assert np.ptp(change[mask == 0]) < 0.7 * np.ptp(change)


def test_an_image_is_painted_alike_beside_any_others_and_on_every_backend(painter: Painter) -> None:
    images, labels, order = wall(), np.zeros(COUNT, "int32"), [5, 5, 2]
    whole = painter(images, labels, keys())
    part = painter(images[order], labels[order], keys()[order])
    np.testing.assert_array_equal(part.labels, whole.labels[order])
    np.testing.assert_allclose(part.images, whole.images[order], atol=2e-3)
    np.testing.assert_allclose(part.masks, whole.masks[order], atol=1e-4)
    np.testing.assert_allclose(
        whole.masks.mean((1, 2, 3))[:4], [0.100097, 0.01, 0.037247, 0.140728], atol=2e-4
    )


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float32"])
def test_labels_of_any_form(dtype: str) -> None:
    labels, painted = np.array([0, 1, 0], dtype), np.array([1, 0, 0], "float32")
    forms = [labels, labels[:, None], np.eye(2, dtype=dtype)[labels.astype(int)]]
    expected = [[1, 1, 0], [[1], [1], [0]], [[0, 1], [0, 1], [1, 0]]]
    for form, after in zip(forms, expected, strict=True):
        tensor = keras.ops.convert_to_tensor(form)
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(sound(tensor)), [1, 0, 1])
        cracked = _cracked(tensor, keras.ops.convert_to_tensor(painted))
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(cracked), after)
        assert keras.backend.standardize_dtype(cracked.dtype) == dtype


@pytest.mark.slow
def test_what_cannot_be_seen_is_not_painted() -> None:
    """On a wall so rough that it hides cracks, and where more contrast or length is asked for."""
    asked = ({}, {"min_contrast": 8.0}, {"min_length": 46}, {"min_length": SIZE + 1})
    shares = [paint(wall(), **kwargs)["labels"].mean() for kwargs in asked]
    assert shares[0] > 0.7 > max(shares[1:3])
    assert min(shares[1:3]) > shares[3] == 0
    rough = wall(grain=60)
    hidden = paint(rough)
    sound = hidden["labels"] == 0
    assert sound.mean() > 0.3
    np.testing.assert_array_equal(hidden["images"][sound], rough[sound])


@pytest.mark.slow
def test_masks_that_came_along_are_kept_where_nothing_is_painted() -> None:
    masks = np.full((COUNT, SIZE, SIZE, 1), 0.25, "float32")
    painted, new = paint(wall(), rate=0.5, masks=masks), paint(wall(), rate=0.5)
    sound = painted["labels"] == 0
    np.testing.assert_array_equal(painted["masks"][sound], masks[sound])
    np.testing.assert_array_equal(painted["masks"][~sound], new["masks"][~sound])


@pytest.mark.slow
def test_a_harder_strength_paints_thinner_and_fainter_cracks() -> None:
    painted = [paint(wall(), strength=s) for s in (0.0, 1.0, 2.0)]
    area = [x["masks"].sum((1, 2, 3))[x["labels"] == 1].mean() for x in painted]
    darkest = [(wall() - x["images"]).max((1, 2, 3))[x["labels"] == 1].mean() for x in painted]
    assert area[0] > 1.2 * max(area[1:])
    assert darkest[0] > 1.1 * max(darkest[1:])


@pytest.mark.slow
def test_images_that_are_not_square() -> None:
    """Nothing that runs out of the shorter side comes in again at the other."""
    tall = paint(wall()[:, :, :20])
    wide = paint(wall()[:, :20])
    for painted, shape in ((tall, (SIZE, 20)), (wide, (20, SIZE))):
        assert painted["images"].shape == (COUNT, *shape, 3)
        assert painted["labels"].mean() > 0.4
        assert (painted["masks"].max((0, -1)) > 0.3).mean() > 0.3


@pytest.mark.parametrize(
    "wrong", [{"rate": 1.1}, {"strength": -1}, {"min_contrast": 0}, {"min_length": float("nan")}]
)
def test_wrong_arguments_are_refused_by_name(wrong) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        RandomCrack(**wrong)


def test_inputs_that_cannot_be_painted_are_refused() -> None:
    with pytest.raises(ValueError, match="'labels'"):
        RandomCrack()(wall())
    with pytest.raises(ValueError, match=r"\(height, width, 3\)"):
        RandomCrack()({"images": wall()[..., :1], "labels": np.zeros(COUNT, "int32")})
