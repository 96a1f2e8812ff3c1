import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crackdet.layers import RandomDihedral
from tests.layer_checks import check_layer


def symmetries(image: np.ndarray) -> list[np.ndarray]:
    """The distinct views of an image that have its shape, by NumPy."""
    views = [np.rot90(image, turns) for turns in range(4)]
    views += [np.fliplr(view) for view in views]
    return [view for view in views if view.shape == image.shape]


def view_indices(images: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Which symmetry each output is, as an index into `symmetries`."""
    found = []
    for image, output in zip(images, outputs, strict=True):
        equal = [np.array_equal(output, view) for view in symmetries(image)]
        assert sum(equal) == 1, "not exactly one symmetry of the image"
        found.append(equal.index(True))
    return np.array(found)


def draw(images: np.ndarray, seed: int = 0) -> np.ndarray:
    return keras.ops.convert_to_numpy(RandomDihedral(seed=seed)(images, training=True))


@pytest.mark.parametrize("shape", [(4, 32, 32, 3), (4, 24, 32, 1)])
def test_layer(shape: tuple[int, ...], tmp_path) -> None:
    check_layer(
        RandomDihedral,
        {"seed": 0},
        shape,
        tmp_path,
        input_dtypes=("float32", "uint8", "int32"),
        random=True,
    )


@settings(max_examples=20, deadline=None)
@given(
    height=st.integers(2, 9),
    width=st.integers(2, 9),
    dtype=st.sampled_from(["uint8", "float32"]),
    seed=st.integers(0, 2**31 - 1),
)
def test_each_image_is_one_exact_symmetry_of_itself(height, width, dtype, seed) -> None:
    images = np.arange(6 * height * width * 2).reshape(6, height, width, 2) % 251
    images = images.astype(dtype)
    view_indices(images, draw(images, seed))


@pytest.mark.parametrize(("height", "width", "count"), [(5, 5, 8), (4, 5, 4), (5, 4, 4)])
def test_all_symmetries_are_alike_likely_and_drawn_per_image(height, width, count) -> None:
    image = np.arange(height * width, dtype="uint8").reshape(1, height, width, 1)
    images = np.repeat(image, 4000, axis=0)
    shares = np.bincount(view_indices(images, draw(images)), minlength=count) / 4000
    # Four standard deviations of a share of 1 in 8, 4000 draws: 0.021.
    np.testing.assert_allclose(shares, 1 / count, atol=0.028)


def test_unknown_sizes_get_the_symmetries_that_keep_any_shape() -> None:
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("graphs of unknown size exist on the TensorFlow backend")
    layer = RandomDihedral(seed=0)
    image = np.arange(25, dtype="uint8").reshape(1, 5, 5, 1)
    images = np.repeat(image, 200, axis=0)
    function = tf.function(
        lambda x: layer(x, training=True),
        input_signature=[tf.TensorSpec((None, None, None, 1), "uint8")],
    )
    drawn = set(view_indices(images, function(images).numpy()))
    # As is, turned by 180°, mirrored either way.
    assert drawn == {0, 2, 4, 6}
    assert function(images[:, :3]).shape == (200, 3, 5, 1)


def test_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="takes images"):
        RandomDihedral()(keras.Input((8,)))
