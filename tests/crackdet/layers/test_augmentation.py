import subprocess
import sys

import keras
import numpy as np
import pytest

from crackdet.layers import Augmentation, augmentation


def images(dtype: str = "float32", count: int = 6, size: int = 48) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3)).astype(dtype)


def augment(pipeline: keras.Sequential, batch: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(pipeline(batch, training=True))


def test_equal_seeds_repeat_to_the_bit_and_calls_differ() -> None:
    first, second = augmentation(seed=7), augmentation(seed=7)
    one, other = augment(first, images()), augment(second, images())
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, augment(first, images()))
    assert not np.array_equal(one, augment(augmentation(seed=8), images()))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("strength", [0.3, 2.0])
def test_keeps_shape_and_range_and_changes_each_image(dtype: str, strength: float) -> None:
    batch = images(dtype)
    outputs = augment(augmentation(strength, seed=0), batch)
    assert isinstance(augmentation(strength), keras.Sequential)
    assert outputs.shape == batch.shape
    assert outputs.dtype == np.float32
    assert outputs.min() >= 0
    assert outputs.max() <= 255
    assert (np.abs(outputs - batch).mean((1, 2, 3)) > 1).all()


@pytest.mark.slow
def test_grows_with_its_strength() -> None:
    flat = np.full((200, 32, 32, 3), 128, "uint8")
    spreads = [augment(augmentation(s, seed=0), flat).std() for s in (0.25, 1.0, 2.0)]
    assert 1 < spreads[0] < spreads[1] / 2 < spreads[2]


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_strength_zero_is_the_identity(dtype: str) -> None:
    np.testing.assert_array_equal(augment(augmentation(0), images(dtype)), images(dtype))


@pytest.mark.parametrize("strength", [-0.1, 2.1, float("nan"), float("inf")])
def test_wrong_strength_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match=r"`strength`.*Received: strength="):
        augmentation(strength)


@pytest.mark.slow
def test_fills_no_corner_with_black() -> None:
    """Corners of a bright wall stay as bright as its light, however it is turned."""
    wall = np.full((200, 33, 33, 3), 200, "uint8")
    assert augment(augmentation(2.0, seed=0), wall).min() > 20


@pytest.mark.slow
def test_keeps_hairlines() -> None:
    """A dark line of one pixel keeps at least a third of its contrast at the usual strength."""
    wall = np.full((100, 65, 65, 3), 180, "uint8")
    wall[:, :, 32] = 80
    outputs = augment(augmentation(seed=0), wall)[..., 0]
    centre = outputs[:, 22:43, 22:43]
    depth = np.median(centre, axis=(1, 2)) - centre.min(axis=(1, 2))
    assert (depth > 100 / 3 * 0.6).all()
    assert np.median(depth) > 50


def test_does_nothing_unless_training() -> None:
    pipeline = augmentation(seed=0)
    inputs = keras.Input((48, 48, 3))
    model = keras.Model(inputs, pipeline(inputs))
    for outputs in (
        pipeline(images()),
        pipeline(images(), training=False),
        model(images()),
        model.predict(images(), verbose=0),
    ):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(outputs), images())
    assert not np.array_equal(augment(model, images()), images())


def test_runs_in_float32_under_mixed_precision() -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = augment(augmentation(seed=0), images())
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_allclose(
        mixed.astype("float32"), augment(augmentation(seed=0), images()), rtol=1e-3
    )


def test_runs_inside_tf_data() -> None:
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("layers run inside tf.data on the TensorFlow backend")
    pipeline = augmentation(seed=0)
    dataset = tf.data.Dataset.from_tensor_slices(images("uint8")).batch(6)
    mapped = next(iter(dataset.map(lambda batch: pipeline(batch, training=True))))
    np.testing.assert_allclose(
        mapped.numpy(), augment(augmentation(seed=0), images("uint8")), atol=0.05
    )


LOAD = """
import keras, numpy as np, crackdet
model = keras.models.load_model("model.keras", safe_mode=True)
x = np.load("x.npy")
np.save("y.npy", keras.ops.convert_to_numpy(model(x, training=True)))
"""


@pytest.mark.slow
def test_loads_in_a_fresh_process_that_imports_crackdet_after_keras(tmp_path) -> None:
    inputs = keras.Input((48, 48, 3))
    model = keras.Model(inputs, augmentation(seed=0)(inputs))
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", images())
    subprocess.run([sys.executable, "-c", LOAD], cwd=tmp_path, check=True, timeout=120)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), augment(model, images()), atol=1e-2)


def test_any_layers_can_be_made_inert() -> None:
    pipeline = Augmentation([keras.layers.RandomFlip(seed=0)])
    again = Augmentation.from_config(pipeline.get_config())
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(again(images())), images())
    assert not np.array_equal(augment(again, images()), images())
