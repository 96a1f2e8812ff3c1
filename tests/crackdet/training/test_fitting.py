"""`fit`: phases, stopping, repeatability, and the cached path beside the plain one."""

import csv
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.errors import CrackdetError
from crackdet.features import FeatureCache
from crackdet.files import read_csv
from crackdet.models import unfreeze_depth
from crackdet.runs.history import COLUMNS
from crackdet.training import fit, fit_heads
from crackdet.training.fitting import Phase, class_weights, plan_phases
from tests.tiny import part

MakeModel = Callable[..., keras.Model]


def weights_by_layer(model: keras.Model) -> dict[str, list[np.ndarray]]:
    return {layer.name: layer.get_weights() for layer in model.layers}


def changed_layers(before: dict[str, list[np.ndarray]], model: keras.Model) -> set[str]:
    after = weights_by_layer(model)
    return {
        name
        for name in before
        if any(not np.array_equal(a, b) for a, b in zip(before[name], after[name], strict=True))
    }


def cross_entropy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.mean(np.log(probabilities[np.arange(len(labels)), labels])))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FeatureCache:
    """One cache for all: the frozen weights are the same in every model."""
    return FeatureCache(tmp_path_factory.mktemp("cache"), engine="keras", verbose=0)


PLAIN: dict[str, Any] = {
    "epochs": 4, "head_epochs": 2, "learning_rate": 2e-2, "patience": None, "verbose": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def plain(make_model: MakeModel, data: CrackData) -> tuple[keras.Model, dict[str, list]]:
    """A model trained without a cache, and its history."""
    model = make_model(1)
    return model, fit(model, data, **PLAIN).history


def test_two_phases_and_their_records(
    make_model: MakeModel,
    data: CrackData,
    cache: FeatureCache,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = make_model(1, dropout=0.0)
    before = weights_by_layer(model)
    history = fit(
        model, data, epochs=4, head_epochs=2, learning_rate=2e-2, patience=None, views=1,
        cache=cache, run_dir=tmp_path, verbose=2,
    )  # fmt: skip

    assert changed_layers(before, model) == {"predictions", "Conv_1"}, "batch norm never moves"
    assert unfreeze_depth(model) == 1
    log = history.history
    assert log["phase"] == ["head", "head", "fine_tune", "fine_tune"]
    assert history.epoch == [0, 1, 2, 3]
    assert log["loss"][-1] < 0.8 * log["loss"][0], "it learns"
    found = cross_entropy(cache.predict(model, data.validation), data.validation.labels)
    assert found == pytest.approx(min(log["val_loss"]), rel=1e-4)

    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert [float(row["val_loss"]) for row in rows] == log["val_loss"]
    assert all(float(row["seconds"]) > 0 for row in rows)

    out = capsys.readouterr().out
    assert "Phase head: up to 2 epochs on 70 images, learning rate 0.02, 258 weights" in out
    assert "Phase fine_tune: up to 2 epochs on 70 images, learning rate 0.002, 1,282 weights" in out
    assert read_curve(tmp_path / "tensorboard/head/validation", "epoch_loss") == pytest.approx(
        log["val_loss"][:2]
    )
    assert read_curve(tmp_path / "tensorboard/fine_tune/train", "epoch_accuracy") == pytest.approx(
        log["accuracy"][2:]
    )


def read_curve(folder: Path, tag: str) -> list[float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(str(folder)).Reload()
    return [float(make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]


def test_a_seed_repeats_to_the_bit(
    make_model: MakeModel, data: CrackData, plain: tuple[keras.Model, dict[str, list]]
) -> None:
    model = make_model(1)
    model(np.zeros((1, 32, 32, 3)), training=True)  # moves the state of dropout on
    history = fit(model, data, **PLAIN).history
    assert history["loss"] == plain[1]["loss"]
    assert history["val_loss"] == plain[1]["val_loss"]
    for a, b in zip(model.get_weights(), plain[0].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_cached_training_is_plain_training(
    make_model: MakeModel,
    data: CrackData,
    cache: FeatureCache,
    plain: tuple[keras.Model, dict[str, list]],
) -> None:
    model = make_model(1)
    found = fit(model, data, views=1, cache=cache, **PLAIN).history
    expected = plain[1]
    for name in ("loss", "val_loss", "accuracy", "val_accuracy"):
        np.testing.assert_allclose(found[name], expected[name], rtol=5e-3, err_msg=name)
    assert max(expected["loss"]) / min(expected["loss"]) > 1.2, "the curve is no straight line"
    # The suffix was trained in place: the whole model gives what the suffix gave.
    whole = model.predict(data.validation, verbose=0)
    assert cross_entropy(whole, data.validation.labels) == pytest.approx(
        min(found["val_loss"]), rel=5e-3
    )
    np.testing.assert_allclose(whole, cache.predict(model, data.validation), atol=5e-3)


def test_every_seed_is_one_of_its_own_and_views_show_augmented_images(
    make_model: MakeModel, data: CrackData, cache: FeatureCache
) -> None:
    def losses(views: int, seed: int) -> list[float]:
        model = make_model(augmentation=keras.layers.RandomBrightness(0.3))
        options: dict[str, Any] = {"epochs": 2, "verbose": 0, "views": views, "cache": cache}
        return fit(model, data, seed=seed, **options).history["loss"]

    runs = {key: losses(*key) for key in [(1, 0), (2, 0), (2, 7)]}
    assert len({tuple(loss) for loss in runs.values()}) == 3
    assert losses(2, 0) == runs[2, 0]


def test_the_best_epoch_of_both_phases_stays(
    make_model: MakeModel, data: CrackData, cache: FeatureCache
) -> None:
    model = make_model(1)
    # A rate at which the second phase destroys what the first has learned.
    history = fit(
        model, data, epochs=4, head_epochs=2, learning_rate=3e-3, fine_tune_factor=1e3,
        schedule="plateau", patience=2, views=1, cache=cache, verbose=0,
    )  # fmt: skip
    log = history.history
    assert log["phase"].count("fine_tune") == 2
    assert min(log["val_loss"][:2]) < min(log["val_loss"][2:])
    found = cross_entropy(cache.predict(model, data.validation), data.validation.labels)
    assert found == pytest.approx(min(log["val_loss"]), rel=1e-4)
    assert log["learning_rate"][0] == pytest.approx(3e-3)


def test_a_phase_that_stands_still_is_stopped(
    make_model: MakeModel, data: CrackData, cache: FeatureCache
) -> None:
    # At this rate no weight changes in float32, so no epoch is better than the first.
    options: dict[str, Any] = {"learning_rate": 1e-12, "schedule": "plateau", "patience": 4}
    history = fit(make_model(), data, epochs=9, views=1, cache=cache, verbose=0, **options)
    assert history.history["learning_rate"] == pytest.approx(
        [1e-12, 1e-12, 1e-12, 3e-13, 3e-13], rel=1e-3
    )


def test_users_callbacks_see_the_whole_model(
    make_model: MakeModel, data: CrackData, cache: FeatureCache, tmp_path: Path
) -> None:
    model = make_model()
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True)
    stop = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(stop.model, "stop_training", epoch == 1)
    )
    rate = keras.callbacks.LearningRateScheduler(lambda epoch: 0.5**epoch * 1e-2)
    biases: list[np.ndarray] = []
    each = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: biases.append(each.model.get_weights()[-1])
    )
    history = fit(
        model, data, epochs=9, schedule="plateau", views=1, cache=cache, verbose=0,
        callbacks=[checkpoint, stop, rate, each],
    )  # fmt: skip
    assert len(biases) == 2 * 5  # epochs times batches
    assert not any(np.array_equal(*pair) for pair in itertools.pairwise(biases))
    assert checkpoint.model is model
    assert history.history["learning_rate"] == pytest.approx([1e-2, 5e-3])
    saved = keras.saving.load_model(tmp_path / "best.keras")
    np.testing.assert_array_equal(cache.predict(saved, data.test), cache.predict(model, data.test))


def test_divergence_is_told(
    make_model: MakeModel, data: CrackData, cache: FeatureCache, tmp_path: Path
) -> None:
    with pytest.raises(CrackdetError, match="Lower learning_rate"):
        fit(
            make_model(), data, epochs=2, learning_rate=1e38, schedule="plateau", views=1,
            cache=cache, run_dir=tmp_path, tensorboard=False, verbose=0,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("depth", "epochs", "head_epochs", "expected"),
    [
        (0, 5, None, [("head", 0, 5)]),
        (4, 10, None, [("head", 0, 3), ("fine_tune", 4, 7)]),
        (4, 1, None, [("fine_tune", 4, 1)]),
        (4, 3, 3, [("head", 0, 3)]),
        (4, 3, 0, [("fine_tune", 4, 3)]),
    ],
)
def test_phases(depth: int, epochs: int, head_epochs: int | None, expected: list) -> None:
    phases = plan_phases(depth, epochs, head_epochs, 0.01, 0.5)
    rates = {"head": 0.01, "fine_tune": 0.005}
    assert phases == [Phase(name, at, count, rates[name]) for name, at, count in expected]


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0},
        {"epochs": 2, "head_epochs": 3},
        {"learning_rate": 0.0},
        {"fine_tune_factor": -1.0},
        {"schedule": "step"},
        {"patience": -1},
        {"views": 1},
        {"class_weight": "even"},
        {"class_weight": {0: 1.0}},
        {"seed": -1},
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(
    plain: tuple[keras.Model, dict[str, list]], data: CrackData, options: dict[str, Any]
) -> None:
    before = plain[0].get_weights()
    with pytest.raises(ValueError, match="Expected"):
        fit(plain[0], data, verbose=0, **options)
    for a, b in zip(before, plain[0].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_balanced_class_weights() -> None:
    labels = np.array([0] * 30 + [1] * 10)
    weights = class_weights("balanced", labels, 2)
    assert weights is not None
    assert weights[0] * 30 == pytest.approx(weights[1] * 10)
    assert weights[0] * 30 + weights[1] * 10 == pytest.approx(40)
    assert class_weights({0: 1.0, 1: 5.0}, labels, 2) == {0: 1.0, 1: 5.0}
    assert class_weights(None, labels, 2) is None


def test_class_weights_reach_the_loss(
    make_model: MakeModel, data: CrackData, cache: FeatureCache
) -> None:
    def loss(weights: dict[int, float] | None) -> float:
        history = fit(
            make_model(dropout=0.0), data, epochs=1, learning_rate=1e-9, views=1, cache=cache,
            class_weight=weights, verbose=0,
        )  # fmt: skip
        return history.history["loss"][0]

    assert loss({0: 3.0, 1: 3.0}) == pytest.approx(3 * loss(None), rel=1e-4)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="counts TensorFlow's traces")
def test_a_training_step_is_traced_once(
    make_model: MakeModel, data: CrackData, cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    traced, step = [], keras.Model.train_step

    def counted(model: keras.Model, batch: Any) -> Any:
        traced.append(model.name)
        return step(model, batch)

    monkeypatch.setattr(keras.Model, "train_step", counted)
    fit(make_model(), data, epochs=2, views=1, cache=cache, verbose=0)
    assert len(traced) == 1
    fit_heads([make_model()], data, learning_rates=[1e-3], seeds=[0], cache=cache, epochs=2)
    assert len(traced) == 2


def test_without_validation_every_epoch_runs_and_the_last_counts(
    make_model: MakeModel, data: CrackData, cache: FeatureCache, tmp_path: Path
) -> None:
    whole = CrackData.from_arrays(train=part(70, 0), validation=part(0, 1), test=part(0, 2))
    options: dict[str, Any] = {**PLAIN, "patience": 0, "views": 1, "schedule": "plateau"}
    model = make_model(1)
    log = fit(model, whole, cache=cache, run_dir=tmp_path, **options).history
    assert log["phase"] == ["head", "head", "fine_tune", "fine_tune"], "patience has nothing to see"
    assert log["val_loss"] == [None] * 4
    assert [row["val_loss"] for row in read_csv(tmp_path / "history.csv")] == [""] * 4
    assert cross_entropy(cache.predict(model, whole.train), whole.train.labels) < log["loss"][0]
    # The same, on images: no batch of validation is asked for.
    assert len(fit(make_model(), whole, epochs=1, verbose=0).history["loss"]) == 1
    with pytest.raises(CrackdetError, match="loss is not a number"):
        fit(make_model(), whole, epochs=2, learning_rate=1e38, schedule="plateau", verbose=0)
    with pytest.raises(ValueError, match="to validate on"):
        fit_heads([make_model()], whole, learning_rates=[1e-3], seeds=[0], cache=cache, epochs=1)
