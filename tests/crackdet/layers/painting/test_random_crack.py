import keras
import numpy as np
import pytest

from crackdet.layers import RandomCrack
from tests.layer_checks import check_painting_layer

# One batch and size in all tests: JAX compiles every operation once for each.
COUNT, SIZE = 16, 48


def wall(grain: float = 4.0) -> np.ndarray:
    walls = np.random.default_rng(0).normal(150, grain, (COUNT, SIZE, SIZE, 1))
    return np.repeat(walls, 3, axis=-1).round().clip(0, 255).astype("float32")


def paint(images: np.ndarray, labels: np.ndarray, order=slice(None), **kwargs) -> dict:
    """Paints images, each with its own key, in the order given."""
    masks = {name: kwargs.pop(name)[order] for name in ("masks",) if np.ndim(kwargs.get(name))}
    keys = np.random.default_rng(1).integers(0, 2**31, (COUNT, 2)).astype("int32")
    layer = RandomCrack(**{"rate": 1.0, "masks": True, "min_length": 12, **kwargs})
    inputs = {"images": images[order], "labels": labels[order], **masks}
    tensors = {name: keras.ops.convert_to_tensor(value) for name, value in inputs.items()}
    painted = layer.paint(tensors, keras.ops.convert_to_tensor(keys[order]))
    return {name: keras.ops.convert_to_numpy(value) for name, value in painted.items()}


def test_layer(tmp_path) -> None:
    check_painting_layer(
        RandomCrack, {"rate": 0.7, "strength": 1.5, "min_contrast": 1.2}, (4, 32, 32, 3), tmp_path
    )


def test_an_image_changes_exactly_where_its_label_does() -> None:
    images = wall()
    labels = np.arange(COUNT, dtype="int32") % 3 // 2  # every third is cracked
    painted = paint(images, labels, rate=0.6)
    changed = (painted["images"] != images).any((1, 2, 3))
    np.testing.assert_array_equal(painted["labels"] - labels, changed)
    assert 2 <= changed.sum() <= 9
    masks = painted["masks"]
    np.testing.assert_array_equal(masks[labels == 1], -1)
    np.testing.assert_array_equal(masks[(labels == 0) & ~changed], 0)
    for image, mask in zip((images - painted["images"])[changed], masks[changed], strict=True):
        assert 0 <= mask.min() < mask.max() <= 1
        # Where the mask is empty, the patch is as it was, but for a pale lip beside the crack.
        assert np.ptp(image[mask[..., 0] == 0]) < 0.5 * np.ptp(image)


def test_what_cannot_be_seen_is_not_painted() -> None:
    """On a wall so rough that it hides cracks, and where more contrast or length is asked for."""
    labels = np.zeros(COUNT, "int32")
    asked = ({}, {"min_contrast": 8.0}, {"min_length": 46}, {"min_length": SIZE + 1})
    shares = [paint(wall(), labels, **kwargs)["labels"].mean() for kwargs in asked]
    assert shares[0] > 0.7 > max(shares[1:3])
    assert min(shares[1:3]) > shares[3] == 0
    rough = wall(grain=60)
    hidden = paint(rough, labels)
    sound = hidden["labels"] == 0
    assert sound.mean() > 0.3
    np.testing.assert_array_equal(hidden["images"][sound], rough[sound])


def test_labels_of_any_form_and_masks_that_came_along() -> None:
    images = wall()
    labels = np.arange(COUNT, dtype="int32") % 2
    masks = np.full((COUNT, SIZE, SIZE, 1), 0.25, "float32")
    plain = paint(images, labels)
    column = paint(images, labels[:, None].astype("float32"), masks=masks)
    one_hot = paint(images, np.eye(2, dtype="float32")[labels], masks=masks)
    np.testing.assert_array_equal(column["labels"][:, 0], plain["labels"])
    np.testing.assert_array_equal(one_hot["labels"], np.eye(2)[plain["labels"]])
    kept = plain["labels"] == labels
    for painted in (column, one_hot):
        np.testing.assert_array_equal(painted["images"], plain["images"])
        np.testing.assert_array_equal(painted["masks"][kept], masks[kept])
        np.testing.assert_array_equal(painted["masks"][~kept], plain["masks"][~kept])


def test_an_image_is_painted_alike_whatever_stands_beside_it_and_on_every_backend() -> None:
    images, labels = wall(), np.zeros(COUNT, "int32")
    order = np.roll(np.arange(COUNT), 3)
    painted, moved = paint(images, labels), paint(images, labels, order)
    for name, value in moved.items():
        np.testing.assert_allclose(value, painted[name][order], atol=2e-3)
    np.testing.assert_allclose(
        painted["masks"].mean((1, 2, 3))[:4], [0.083823, 0.009711, 0.039703, 0.209597], atol=2e-4
    )


def test_a_harder_strength_paints_thinner_and_fainter_cracks() -> None:
    painted = [paint(wall(), np.zeros(COUNT, "int32"), strength=s) for s in (0.0, 1.0, 2.0)]
    area = [x["masks"].sum((1, 2, 3))[x["labels"] == 1].mean() for x in painted]
    darkest = [(wall() - x["images"]).max((1, 2, 3))[x["labels"] == 1].mean() for x in painted]
    assert area[0] > 1.2 * max(area[1:])
    assert darkest[0] > 1.1 * max(darkest[1:])


@pytest.mark.slow
def test_images_that_are_not_square() -> None:
    """Nothing that runs out of the shorter side comes in again at the other."""
    tall = paint(wall()[:, :, :20], np.zeros(COUNT, "int32"))
    wide = paint(wall()[:, :20], np.zeros(COUNT, "int32"))
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
