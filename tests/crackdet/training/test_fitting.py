"""`fit`: phases, stopping, repeatability, and the cached path beside the plain one."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.models import unfreeze_depth
from crackdet.training import FeatureCache, fit
from crackdet.training.callbacks import COLUMNS
from crackdet.training.fitting import Phase, class_weights, plan_phases

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


def validation_loss(model: keras.Model, data: CrackData) -> float:
    return model.evaluate(data.validation, verbose=0, return_dict=True)["loss"]


def test_two_phases_and_their_records(
    make_model: MakeModel, data: CrackData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_model(1)
    before = weights_by_layer(model)
    history = fit(model, data, epochs=4, head_epochs=2, patience=None, run_dir=tmp_path, verbose=2)

    assert changed_layers(before, model) == {"predictions", "Conv_1"}, "batch norm never moves"
    assert unfreeze_depth(model) == 1
    log = history.history
    assert log["phase"] == ["head", "head", "fine_tune", "fine_tune"]
    assert history.epoch == [0, 1, 2, 3]
    assert log["loss"][-1] < 0.8 * log["loss"][0], "it learns"
    np.testing.assert_allclose(validation_loss(model, data), min(log["val_loss"]), rtol=1e-5)

    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert [float(row["val_loss"]) for row in rows] == log["val_loss"]
    assert all(float(row["seconds"]) > 0 for row in rows)

    out = capsys.readouterr().out
    assert "Phase head: up to 2 epochs on 70 images, learning rate 0.001, 2,562 weights" in out
    assert "Phase fine_tune: up to 2 epochs on 70 images, learning rate 0.0001, 145,922" in out
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


@pytest.mark.parametrize("seed", [0, 7])
def test_a_seed_repeats_to_the_bit(make_model: MakeModel, data: CrackData, seed: int) -> None:
    def run(seed: int) -> tuple[list[float], list[np.ndarray]]:
        model = make_model(1, augmentation=keras.layers.RandomBrightness(0.2))
        model(np.zeros((1, 32, 32, 3)), training=True)  # moves the state of the random layers on
        history = fit(model, data, epochs=2, head_epochs=1, seed=seed, verbose=0)
        return history.history["loss"], model.get_weights()

    (loss, weights), (again, same_weights) = run(seed), run(seed)
    assert loss == again
    for a, b in zip(weights, same_weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert run(seed + 1)[0] != loss


def test_cached_training_is_plain_training(
    make_model: MakeModel, data: CrackData, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"epochs": 4, "head_epochs": 2, "patience": None, "verbose": 0}
    plain, cached = make_model(1), make_model(1)
    expected = fit(plain, data, **options).history
    cache = FeatureCache(tmp_path, engine="keras", verbose=0)
    found = fit(cached, data, views=1, cache=cache, **options).history
    for name in ("loss", "val_loss", "accuracy", "val_accuracy"):
        np.testing.assert_allclose(found[name], expected[name], rtol=5e-3, err_msg=name)
    assert max(expected["loss"]) / min(expected["loss"]) > 1.2, "the curve is no straight line"
    # The suffix was trained in place: the whole model now gives the suffix's metrics.
    np.testing.assert_allclose(validation_loss(cached, data), min(found["val_loss"]), rtol=5e-3)
    np.testing.assert_allclose(
        cached.predict(data.test, verbose=0), plain.predict(data.test, verbose=0), atol=5e-3
    )


def test_views_show_augmented_images(
    make_model: MakeModel, data: CrackData, tmp_path: Path
) -> None:
    cache = FeatureCache(tmp_path, engine="keras", verbose=0)

    def losses(views: int) -> list[float]:
        model = make_model(augmentation=keras.layers.RandomBrightness(0.3))
        options: dict[str, Any] = {"epochs": 2, "learning_rate": 1e-9, "verbose": 0}
        return fit(model, data, views=views, cache=cache, **options).history["loss"]

    one, two = losses(1), losses(2)
    # With hardly any learning, one view gives the dropout's noise alone, two give more.
    assert one[0] != two[0]
    assert losses(2) == two
    model = make_model()
    with pytest.raises(ValueError, match="the model has none"):
        fit(model, data, views=2, cache=cache, verbose=0)


def test_the_best_epoch_of_both_phases_stays(make_model: MakeModel, data: CrackData) -> None:
    model = make_model(1)
    # A rate at which the second phase destroys what the first has learned.
    history = fit(
        model, data, epochs=6, head_epochs=2, learning_rate=3e-3, fine_tune_factor=1e3,
        schedule="plateau", patience=1, verbose=0,
    )  # fmt: skip
    log = history.history
    assert log["phase"].count("fine_tune") < 4, "stopped early"
    assert min(log["val_loss"][:2]) < min(log["val_loss"][2:])
    np.testing.assert_allclose(validation_loss(model, data), min(log["val_loss"]), rtol=1e-5)
    assert log["learning_rate"][0] == pytest.approx(3e-3)


def test_users_callbacks_see_the_whole_model(
    make_model: MakeModel, data: CrackData, tmp_path: Path
) -> None:
    model = make_model()
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True)
    stop = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(stop.model, "stop_training", epoch == 1)
    )
    rate = keras.callbacks.LearningRateScheduler(lambda epoch: 0.5**epoch * 1e-2)
    cache = FeatureCache(tmp_path / "cache", engine="keras", verbose=0)
    history = fit(
        model, data, epochs=9, schedule="plateau", views=1, cache=cache, verbose=0,
        callbacks=[checkpoint, stop, rate],
    )  # fmt: skip
    assert checkpoint.model is model
    assert history.history["learning_rate"] == pytest.approx([1e-2, 5e-3])
    saved = keras.saving.load_model(tmp_path / "best.keras")
    np.testing.assert_array_equal(
        saved.predict(data.test, verbose=0), model.predict(data.test, verbose=0)
    )


def test_divergence_is_told(make_model: MakeModel, data: CrackData, tmp_path: Path) -> None:
    from crackdet.errors import CrackdetError

    cache = FeatureCache(tmp_path, engine="keras", verbose=0)
    with pytest.raises(CrackdetError, match="Lower learning_rate"):
        fit(
            make_model(), data, epochs=2, learning_rate=1e38, schedule="plateau", views=1,
            cache=cache, run_dir=tmp_path, tensorboard=False, verbose=0,
        )  # fmt: skip
    assert not (tmp_path / "history.csv").exists()
    assert not (tmp_path / "tensorboard").exists()


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
    make_model: MakeModel, data: CrackData, options: dict[str, Any]
) -> None:
    model = make_model()
    before = model.get_weights()
    with pytest.raises(ValueError, match="Expected"):
        fit(model, data, verbose=0, **options)
    for a, b in zip(before, model.get_weights(), strict=True):
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
    make_model: MakeModel, data: CrackData, tmp_path: Path
) -> None:
    cache = FeatureCache(tmp_path, engine="keras", verbose=0)

    def loss(weights: dict[int, float] | None) -> float:
        history = fit(
            make_model(dropout=0.0), data, epochs=1, learning_rate=1e-9, views=1, cache=cache,
            class_weight=weights, verbose=0,
        )  # fmt: skip
        return history.history["loss"][0]

    assert loss({0: 3.0, 1: 3.0}) == pytest.approx(3 * loss(None), rel=1e-4)
