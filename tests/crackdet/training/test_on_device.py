"""What runs on a GPU alone, forced here: features held on the device, and its larger steps."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.engines import keras_engine
from crackdet.features import FeatureBatches, FeatureCache, on_device
from crackdet.models import split_at
from crackdet.models.units import suffix_at
from crackdet.training import fit, sources
from tests.bars import Bars

MakeModel = Callable[..., keras.Model]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FeatureCache:
    return FeatureCache(tmp_path_factory.mktemp("cache"), engine="keras", verbose=0)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the models that were trained."""
    names: set[str] = set()
    fit_of_keras = keras.Model.fit

    def noted(model: keras.Model, *args: Any, **options: Any) -> Any:
        names.add(model.name)
        return fit_of_keras(model, *args, **options)

    monkeypatch.setattr(keras.Model, "fit", noted)
    return names


@pytest.mark.parametrize(("depth", "views"), [(0, 2), pytest.param(2, 1, marks=pytest.mark.slow)])
def test_training_on_the_device_is_training_from_disk(
    depth: int,
    views: int,
    make_model: MakeModel,
    data: CrackData,
    cache: FeatureCache,
    trained: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    painted = {"painting": Bars(), "stress": data.test} if views > 1 else {}

    def run(gpu: bool) -> tuple[dict[str, list], list[np.ndarray]]:
        monkeypatch.setattr(sources, "has_gpu", lambda: gpu)
        model = make_model(depth, augmentation=keras.layers.RandomBrightness(0.3))
        history = fit(
            model, data, epochs=2, head_epochs=0 if depth else None, learning_rate=1e-2,
            views=views, cache=cache, verbose=0, **painted,
        ).history  # fmt: skip
        return history, model.get_weights()

    expected, weights = run(gpu=False)
    assert trained == {"suffix"}
    found, others = run(gpu=True)
    assert trained == {"suffix", "on_device"}
    for name in ("loss", "val_loss", *(["val_stress_loss"] if painted else [])):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5, err_msg=name)
        assert np.ptp(expected[name]) > 1e-3, "it learns"
    for a, b in zip(others, weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_rows_on_the_device_are_the_batches(
    make_model: MakeModel, data: CrackData, cache: FeatureCache
) -> None:
    model = make_model(2, augmentation=keras.layers.RandomBrightness(0.3))
    shown, clean = cache.training_features(model, 2, data, 2)
    batches = FeatureBatches(shown, data.train.labels, batch_size=16, shuffle=True, seed=3)
    suffix = suffix_at(model, 2)
    trained, starts = on_device.on_device(suffix, [*shown, clean])
    held = on_device.RowBatches(batches, starts[:-1])
    features = trained.get_layer("device_features")
    assert len(held) == len(batches)
    for epoch in (0, 1):
        held.epoch = epoch
        for batch in range(len(held)):
            (rows, labels), (values, expected) = held[batch], batches[batch]
            np.testing.assert_array_equal(labels, expected)
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(features(rows)), values)
    # After each best epoch a model is asked for its weights: what is trained, and no features.
    assert sum(map(np.size, trained.get_weights())) == suffix.count_params()


class Parts:
    """Features of which two tensors cross the boundary."""

    def __init__(self, count: int):
        self.maps = np.arange(4 * count, dtype=np.float16).reshape(count, 2, 2)
        self.pooled = -np.arange(count, dtype=np.float16)[:, None]

    def __len__(self) -> int:
        return len(self.maps)

    def tensors(self, rows: np.ndarray) -> list[np.ndarray]:
        return [self.maps[rows], self.pooled[rows]]


def test_several_tensors_are_held_side_by_side() -> None:
    parts: list[Any] = [Parts(3), Parts(2)]
    features = on_device.DeviceFeatures(parts)
    assert features.starts == [0, 3]
    maps, pooled = map(keras.ops.convert_to_numpy, features(np.array([4, 0], np.int32)))
    np.testing.assert_array_equal(maps, [parts[1].maps[1], parts[0].maps[0]])
    np.testing.assert_array_equal(pooled, [[-1], [0]])
    assert maps.dtype == pooled.dtype == np.float32
    outputs = features(keras.Input((), dtype="int32"))
    assert [each.shape for each in outputs] == [(None, 2, 2), (None, 1)]


def test_features_that_are_too_many_stay_on_disk(
    make_model: MakeModel,
    data: CrackData,
    cache: FeatureCache,
    trained: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sources, "has_gpu", lambda: True)
    shown, clean = cache.training_features(make_model(), 0, data)
    for limit, name in ((shown[0].nbytes + clean.nbytes, "on_device"), (0, "suffix")):
        monkeypatch.setattr(on_device, "MAX_BYTES", limit)
        trained.clear()
        fit(make_model(), data, epochs=1, views=1, cache=cache, verbose=0)
        assert trained == {name}


def test_a_pass_on_a_gpu_takes_large_steps(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    batches = [
        (rng.uniform(0, 255, (size, 32, 32, 3)).astype(np.float32),) for size in (32,) * 5 + (3,)
    ]
    network, _ = split_at(make_model(), 0)
    steps: list[int] = []
    predict = keras.Model.predict_on_batch

    def counted(model: keras.Model, inputs: np.ndarray) -> Any:
        steps.append(len(inputs))
        return predict(model, inputs)

    monkeypatch.setattr(keras.Model, "predict_on_batch", counted)
    outputs = {}
    for gpu, expected in ((False, [32] * 6), (True, [128, 128])):
        monkeypatch.setattr(keras_engine, "has_gpu", lambda gpu=gpu: gpu)
        steps.clear()
        outputs[gpu] = list(keras_engine.KerasEngine(network).run(batches))
        assert steps == expected
        assert [len(each) for each in outputs[gpu]] == [32, 32, 32, 32, 32, 3]
    for a, b in zip(outputs[False], outputs[True], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
