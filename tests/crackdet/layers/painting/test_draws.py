import keras
import numpy as np
import pytest

from crackdet.layers.painting.draws import Draws
from crackdet.layers.painting.noise import fractal_noise, smooth_noise, smooth_noise_1d


def draws(count: int) -> Draws:
    keys = np.random.default_rng(0).integers(-(2**31), 2**31, (count, 2)).astype("int32")
    return Draws(keras.ops.convert_to_tensor(keys))


def numpy(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def test_every_backend_draws_the_same() -> None:
    stream = Draws(keras.ops.convert_to_tensor([[1, 2], [3, 4]], "int32"))
    bits = [[-812490565, 1140014578], [-556506658, -501679880]]
    np.testing.assert_array_equal(numpy(stream.bits((2,))), bits)
    fork = stream.fork("crack")
    np.testing.assert_allclose(
        numpy(fork.uniform(shape=(1,))), [[0.3778705], [0.2573771]], rtol=1e-5
    )
    np.testing.assert_allclose(numpy(fork.normal()), [0.941955, 0.099492], rtol=1e-5)
    np.testing.assert_array_equal(numpy(fork.choice([1.0, 2.0, 3.0], (3,))), [[0, 2, 2], [2, 2, 1]])


@pytest.mark.slow
@pytest.mark.parametrize("batch", [[0], [2, 1, 0], [3, 3, 0, 1, 2]])
def test_an_image_draws_the_same_in_every_batch(batch: list[int]) -> None:
    keys = np.arange(8, dtype="int32").reshape(4, 2)

    def field(rows: list[int]) -> np.ndarray:
        stream = Draws(keras.ops.convert_to_tensor(keys[rows])).fork("field")
        cells = stream.log_uniform(3.0, 9.0)
        return numpy(fractal_noise(stream, (12, 20), cells, 3.0, octaves=2, gain=0.5))

    np.testing.assert_allclose(field(batch), field([0, 1, 2, 3])[batch], atol=1e-5)


@pytest.mark.slow
def test_streams_are_independent_and_one_more_draw_moves_no_fork() -> None:
    stream = draws(2000)
    rows = [stream.uniform(), stream.uniform(), stream.fork("a").uniform()]
    again = draws(2000)
    np.testing.assert_array_equal(numpy(again.fork("a").uniform()), numpy(rows[2]))
    rows += [
        again.fork("b").uniform(),
        again.fork("a").fork("a").uniform(),
        draws(2001).uniform()[1:],
    ]
    correlations = np.corrcoef([numpy(row) for row in rows[:-1]]) - np.eye(5)
    assert np.abs(correlations).max() < 4 / np.sqrt(2000)
    pixels = numpy(draws(300).bits((200,))).astype("float64")
    for shift in ((0, 1), (1, 0), (1, 1)):
        moved = np.roll(pixels, shift, (0, 1))
        assert abs(np.corrcoef(pixels.ravel(), moved.ravel())[0, 1]) < 4 / np.sqrt(pixels.size)


@pytest.mark.slow
def test_moments() -> None:
    stream = draws(200)
    unit = numpy(stream.uniform(shape=(500,)))
    assert 0 < unit.min() < 1e-3
    assert 1 - 1e-3 < unit.max() < 1
    np.testing.assert_allclose([unit.mean(), unit.var()], [1 / 2, 1 / 12], rtol=0.01)
    normal = numpy(stream.normal((500,)))
    np.testing.assert_allclose(normal.mean(), 0, atol=0.01)
    np.testing.assert_allclose([normal.var(), (normal**4).mean()], [1, 3], rtol=0.03)
    assert numpy(stream.uniform(2.0, 3.0)).min() > 2
    low = keras.ops.convert_to_tensor(np.arange(200, dtype="float32"))
    assert (np.floor(numpy(stream.uniform(low, low + 1))) == np.arange(200)).all()
    logs = np.log(numpy(stream.log_uniform(0.5, 10.0, (500,))))
    np.testing.assert_allclose(logs.mean(), (np.log(0.5) + np.log(10)) / 2, atol=0.02)
    assert abs(numpy(stream.chance(0.3, (500,))).mean() - 0.3) < 0.01
    shares = np.bincount(numpy(stream.choice([1.0, 0.0, 3.0], (500,))).ravel()) / 100_000
    np.testing.assert_allclose(shares, [0.25, 0, 0.75], atol=0.01)


@pytest.mark.slow
def test_noise_has_mean_0_and_variance_1_and_is_as_coarse_as_told() -> None:
    stream = draws(300)
    fine, coarse = (numpy(smooth_noise(stream, (40, 50), cell, 4.0)) for cell in (4.0, 12.0))
    grain = numpy(smooth_noise(stream, (40, 50), 4.0, 4.0, columns_cells=12.0))
    clouds = numpy(fractal_noise(stream, (40, 50), 8.0, 8.0, octaves=5, gain=0.5))
    curves = numpy(smooth_noise_1d(stream, 3, 50, 4.0, 4.0))
    for field in (fine, coarse, grain, clouds, curves):
        assert abs(field.mean()) < 0.05
        assert abs(field.std() - 1) < 0.05
    # Each image has its own field.
    assert abs(np.corrcoef(fine.reshape(300, -1)) - np.eye(300)).mean() < 0.2

    def slope(field: np.ndarray, axis: int) -> float:
        return np.diff(field, axis=axis).std()

    np.testing.assert_allclose(slope(fine, 1) / slope(coarse, 1), 3, rtol=0.15)
    np.testing.assert_allclose(slope(grain, 1) / slope(grain, 2), 3, rtol=0.15)
