import dataclasses

import h5py
import keras
import keras_tuner
import numpy as np
import pytest
from sklearn.metrics import roc_curve

import tuning.pruning
import tuning.trial
from crackdet.features import CacheTooSmall, FeatureCache
from tests.tuning.conftest import SIZE
from tuning import CrackHyperModel
from tuning.pruning import MedianPruner
from tuning.tasks import Task
from tuning.trial import (
    RECALL,
    Recipe,
    checkpoint,
    measure,
    run_job,
    save_weights,
    train,
    write_curves,
)

TASK = Task("3", {"dropout": 0.2, "learning_rate": 1e-3, "unfreeze_depth": 1}, seed=9)


def make_hypermodel(folder, **options):
    cache = FeatureCache(folder / "cache", verbose=0)
    return CrackHyperModel(
        SIZE, alpha=0.35, weights=None, epochs=2, views=1, cache=cache, seed=TASK.seed, **options
    )


@pytest.mark.slow
def test_a_trial_leaves_its_weights_and_reports_their_metrics(tmp_path, data):
    hypermodel = make_hypermodel(tmp_path)
    hp = keras_tuner.HyperParameters()
    hp.values = dict(TASK.values)
    trained = train(hypermodel.build(hp), hypermodel, hp, data)
    outcome = measure(trained, hypermodel, data, RECALL)
    save_weights(trained.model, checkpoint(tmp_path, "3"))
    metrics = outcome.metrics
    assert outcome.epochs == len(outcome.losses) == 2
    assert metrics["val_loss"] == min(outcome.losses)
    model = make_hypermodel(tmp_path).build(hp)
    model.load_weights(checkpoint(tmp_path, "3"))
    probabilities = model.predict(data.validation.in_order(), verbose=0)
    labels = data.validation.labels
    loss = -np.log(probabilities[np.arange(16), labels]).mean()
    assert metrics["val_loss"] == pytest.approx(loss, rel=1e-3)  # features are float16
    assert metrics["val_accuracy"] == pytest.approx(np.mean(probabilities.argmax(1) == labels))
    assert 0 <= metrics[RECALL] <= 1


def test_hyperbands_number_of_epochs_counts_and_the_kept_epoch_is_reported(data):
    asked = []

    class Fake:
        views = None

        def fit(self, hp, model, given, epochs, callbacks):
            asked.append((hp.values, given, epochs))
            history = keras.callbacks.History()
            history.history = {
                "val_loss": [float("nan"), 0.3, 0.4],
                "val_accuracy": [0.0, 0.7, 0.9],
            }
            return history

    hp = keras_tuner.HyperParameters()
    hp.values = {"dropout": 0.1, "tuner/epochs": 3}
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    outcome = measure(train(model, Fake(), hp, data, 3), Fake(), data, "val_accuracy")
    assert asked == [(hp.values, data, 3)]
    assert outcome.metrics == {"val_loss": 0.3, "val_accuracy": 0.7}
    assert outcome.epochs == 3


@pytest.mark.parametrize("cached", [True, False])
def test_recall_at_a_false_alarm_rate_agrees_with_sklearn(data, cached):
    scores = np.random.default_rng(0).random(16).astype("float32")
    scores[data.validation.labels == 1] += 0.4
    probabilities = np.stack([1 - scores / 2, scores / 2], axis=1)

    class Model(keras.Model):
        def predict(self, split, verbose):
            np.testing.assert_array_equal(split.labels, data.validation.labels)
            return probabilities

    class Cache:
        def predict(self, model, split):
            return probabilities

    class Fake:
        views, cache = (1, Cache()) if cached else (None, None)

        def fit(self, hp, model, given, epochs, callbacks):
            history = keras.callbacks.History()
            history.history = {"val_loss": [0.3], "val_accuracy": [0.7]}
            return history

    inputs = keras.Input((2,))
    model = Model(inputs, keras.layers.Dense(2)(inputs))
    trained = train(model, Fake(), keras_tuner.HyperParameters(), data)
    metrics = measure(trained, Fake(), data, RECALL).metrics
    false_alarms, recall, _ = roc_curve(data.validation.labels, scores)
    assert metrics[RECALL] == pytest.approx(recall[false_alarms <= 0.01].max())
    assert 0 < metrics[RECALL] < 1


def test_checkpoints_hold_weights_only(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile("adam", "mse")
    model.fit(np.ones((8, 4)), np.ones((8, 3)), verbose=0)
    path = tmp_path / "checkpoint.weights.h5"
    save_weights(model, path)
    with h5py.File(path) as file:
        numbers = []
        file.visititems(lambda _, x: numbers.append(x.size) if hasattr(x, "size") else None)
    assert sorted(numbers) == [3, 12]
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    other = keras.models.clone_model(model)
    other.load_weights(path)
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])


def test_tensorboard_reads_curves_and_hyperparameters(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    history = {"val_loss": [0.5, 0.25], "learning_rate": [1e-3, 1e-4]}
    write_curves(tmp_path / "3", TASK, history, 0.25)
    events = EventAccumulator(str(tmp_path / "3")).Reload()
    values = [events.Tensors("epoch_val_loss")[step].tensor_proto.float_val[0] for step in (0, 1)]
    assert values == [0.5, 0.25]
    assert events.Tensors("objective")[0].tensor_proto.float_val[0] == 0.25
    content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(content)
    assert {name: value.number_value for name, value in start.hparams.items()} == TASK.values
    assert start.group_name == "3"


def recipe_for(folder, **options):
    settings = {
        "image_size": SIZE,
        "alpha": 0.35,
        "weights": None,
        "epochs": 2,
        "views": 1,
        "cache": FeatureCache(folder / "cache", verbose=0),
        "view_seed": 5,
    }
    return Recipe(settings, "val_loss", **options)


@pytest.mark.slow
def test_trials_of_the_head_in_one_job_are_those_of_single_jobs(tmp_path, data):
    tasks = [
        Task(str(n), {"dropout": 0.1 * n, "learning_rate": 1e-2, "unfreeze_depth": 0}, seed=n)
        for n in range(2)
    ]
    recipe = recipe_for(tmp_path)
    together = run_job(recipe, data, tasks)
    for task, outcome in zip(tasks, together, strict=True):
        (alone,) = run_job(recipe, data, [task])
        assert alone.losses == outcome.losses
        assert alone.metrics == outcome.metrics
        name = f"trial_{task.trial}/checkpoint.weights.h5"
        arrays = [arrays_of(each.files[name], tmp_path / "x.h5") for each in (alone, outcome)]
        assert arrays[0]
        np.testing.assert_equal(arrays[0], arrays[1])
    assert len({outcome.losses for outcome in together}) == 2


def arrays_of(content, path):
    path.write_bytes(content)
    with h5py.File(path) as file:
        found = {}
        file.visititems(lambda n, x: found.update({n: x[()]}) if hasattr(x, "size") else None)
    return {name: value for name, value in found.items() if "head" in name or "dense" in name}


@pytest.mark.parametrize(("bar", "kept"), [(9.0, True), (0.0, False)])
def test_weights_that_would_not_be_kept_are_not_sent(tmp_path, data, bar, kept):
    task = Task("0", {"dropout": 0.1, "learning_rate": 1e-2, "unfreeze_depth": 0}, seed=0)
    (outcome,) = run_job(recipe_for(tmp_path), data, [task], bar=bar)
    assert ("trial_0/checkpoint.weights.h5" in outcome.files) is kept


def test_a_failing_trial_of_a_job_leaves_the_others_alone(tmp_path, data):
    values = {"dropout": 0.1, "learning_rate": 1e-2, "unfreeze_depth": 0}
    tasks = [Task("0", {**values, "dropout": 2.0}, seed=0), Task("1", values, seed=1)]
    wrong, right = run_job(recipe_for(tmp_path), data, tasks)
    assert wrong.failed
    assert "dropout" in wrong.error
    assert "Traceback" in wrong.traceback
    assert right.status == "completed"


def test_a_trial_that_is_clearly_worse_is_stopped(tmp_path, data):
    others = [(0.01, 0.005)] * 4
    task = Task("0", {"dropout": 0.1, "learning_rate": 1e-4, "unfreeze_depth": 1}, seed=0)
    (outcome,) = run_job(recipe_for(tmp_path, pruning=True), data, [task], others)
    assert outcome.status == "pruned"
    assert outcome.epochs == 1  # of 2
    assert outcome.metrics["val_loss"] == outcome.losses[0]
    assert [name.split("/")[0] for name in outcome.files] == ["tensorboard"]
    (whole,) = run_job(recipe_for(tmp_path), data, [task], others)
    assert whole.status == "completed"
    assert whole.losses[0] == outcome.losses[0]


def test_a_pruned_trial_keeps_the_weights_that_its_metrics_are_of(tmp_path, data):
    class SecondEpochIsWorse(MedianPruner):
        def on_epoch_end(self, epoch, logs=None):
            ends.append(self.model.get_weights())
            super().on_epoch_end(epoch, {**logs, "val_loss": epoch + 1.0})

    ends = []
    hypermodel, hp = make_hypermodel(tmp_path), keras_tuner.HyperParameters()
    hp.values = {**TASK.values, "unfreeze_depth": 0}
    pruner = SecondEpochIsWorse([(1.0, 0.1)] * 4)
    found = train(hypermodel.build(hp), hypermodel, hp, data, 2, pruner)
    assert found.pruned
    assert found.history["val_loss"] == [1.0, 2.0]
    for kept, first in zip(found.model.get_weights(), ends[0], strict=True):
        np.testing.assert_array_equal(kept, first)
    # Untrained, this small network has no features: the head's bias alone is trained.
    assert not np.array_equal(ends[0][-1], ends[1][-1])


def heads(*rates):
    return [
        Task(str(n), {"dropout": 0.1, "learning_rate": rate, "unfreeze_depth": 0}, seed=n)
        for n, rate in enumerate(rates)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("side_by_side", [True, False])
def test_each_head_is_stopped_by_its_own_losses(tmp_path, data, monkeypatch, side_by_side):
    recipe, tasks = recipe_for(tmp_path), heads(1.0, 1e-3, 1e-6)
    expected = run_job(recipe, data, tasks)
    if not side_by_side:
        monkeypatch.setattr(tuning.trial, "fit_heads", no_room)
    first = [outcome.losses[0] for outcome in expected]

    def worst(losses, others):
        return losses[0] > 0.9999 * max(first)

    for module in (tuning.trial, tuning.pruning):
        monkeypatch.setattr(module, "clearly_worse", worst)
    found = run_job(dataclasses.replace(recipe, pruning=True), data, tasks)
    assert [(outcome.status, outcome.epochs) for outcome in found] == [
        ("pruned", 1) if worst(outcome.losses, []) else ("completed", 2) for outcome in expected
    ]
    assert {outcome.status for outcome in found} == {"pruned", "completed"}
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.losses, theirs.losses[: ours.epochs], rtol=1e-4)


def no_room(*_, **__):
    raise CacheTooSmall("no room")


@pytest.mark.slow
def test_heads_that_cannot_be_trained_side_by_side_are_trained_alone(tmp_path, data, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no such device")

    monkeypatch.setattr(tuning.trial, "fit_heads", broken)
    with pytest.warns(UserWarning, match="one by one, more slowly: no such device"):
        outcomes = run_job(recipe_for(tmp_path), data, heads(1e-2, 1e-3))
    assert [outcome.status for outcome in outcomes] == ["completed"] * 2


@pytest.mark.slow
def test_weights_are_kept_of_as_many_as_the_search_keeps(tmp_path, data):
    recipe = recipe_for(tmp_path, keep_checkpoints=1)
    outcomes = run_job(recipe, data, heads(1e-2, 1e-6))
    kept = [any("checkpoint" in name for name in outcome.files) for outcome in outcomes]
    losses = [outcome.metrics["val_loss"] for outcome in outcomes]
    assert kept == [loss == min(losses) for loss in losses]
    assert recipe.better(0.5, 0.5), "of equals the earlier is kept, which may end later"
    assert not recipe.better(0.5, float("-inf"))


@pytest.mark.slow
def test_weights_that_cannot_be_written_fail_one_trial(tmp_path, data, monkeypatch):
    def full(model, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tuning.trial, "save_weights", full)
    outcomes = run_job(recipe_for(tmp_path, keep_checkpoints=1), data, heads(1e-2, 1e-6))
    assert sorted(outcome.status for outcome in outcomes) == ["completed", "failed"]
    assert any("No space left" in outcome.error for outcome in outcomes)
