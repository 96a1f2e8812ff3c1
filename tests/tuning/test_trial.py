import dataclasses
import io
import warnings

import h5py
import keras
import keras_tuner
import numpy as np
import pytest
from sklearn.metrics import roc_curve

import tuning.curves
import tuning.pruning
import tuning.trial
from crackdet.errors import CrackdetWarning
from crackdet.features import CacheTooSmall, FeatureCache, Uncached
from crackdet.runs.files import checkpoint
from crackdet.runs.trials import RECALL
from tests.standin import standin_classifier
from tests.tuning.conftest import SIZE
from tuning import CrackHyperModel
from tuning.curves import save_weights, write_curves
from tuning.pruning import MedianPruner
from tuning.tasks import Task
from tuning.trial import Recipe, Trained, measure, run_job, train

TASK = Task("3", {"dropout": 0.2, "learning_rate": 1.0, "unfreeze_depth": 1}, seed=9)


def heads(*rates):
    return [
        Task(str(n), {"dropout": 0.1 * n, "learning_rate": rate, "unfreeze_depth": 0}, seed=n)
        for n, rate in enumerate(rates)
    ]


HEADS = heads(0.3, 1e-3, 1e-6)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Arguments of hypermodels that share their features, which are computed once."""
    return {
        "image_size": SIZE,
        "classifier": standin_classifier,
        "epochs": 2,
        "views": 1,
        "cache": FeatureCache(tmp_path_factory.mktemp("cache"), verbose=0),
        "view_seed": 5,
    }


@pytest.fixture(scope="module")
def recipe(settings):
    return Recipe(settings, "val_loss")


@pytest.fixture(scope="module")
def together(recipe, data):
    """The outcomes of `HEADS`, trained in one job."""
    return run_job(recipe, data, HEADS)


@pytest.fixture(scope="module")
def deep(recipe, data):
    """The outcome of `TASK`, by another objective."""
    (outcome,) = run_job(dataclasses.replace(recipe, objective=RECALL), data, [TASK])
    return outcome


def test_trials_learn_from_features_that_tell_images_apart(data, recipe):
    """On features of zeros, or that are all alike, no loss could fall below that of a coin."""
    values = {"dropout": 0.0, "unfreeze_depth": 0, "tuner/epochs": 12}
    rates = (0.03, 0.1, 0.3, 1.0)
    tasks = [Task(str(n), {**values, "learning_rate": r}, seed=n) for n, r in enumerate(rates)]
    outcomes = run_job(recipe, data, tasks)
    best = min(outcomes, key=lambda outcome: outcome.metrics["val_loss"])
    assert data.validation.labels.mean() == 0.5
    assert best.metrics["val_loss"] < 0.97 * np.log(2)  # by backend 0.001 to 0.65
    assert best.metrics["val_accuracy"] > 0.5


def test_a_trial_leaves_its_weights_and_reports_their_metrics(tmp_path, data, settings, deep):
    assert deep.error == ""
    assert deep.epochs == len(deep.losses) == 2
    assert deep.metrics["val_loss"] == min(deep.losses)
    path = tmp_path / "model.weights.h5"
    path.write_bytes(deep.files[checkpoint("3")])
    hp = keras_tuner.HyperParameters()
    hp.values = dict(TASK.values)
    model = CrackHyperModel(**settings).build(hp)
    model.load_weights(path)
    probabilities = model.predict(data.validation.in_order(), verbose=0)
    labels = data.validation.labels
    model.compile(loss="sparse_categorical_crossentropy")  # which clips on some backends
    loss = model.evaluate(data.validation.in_order(), verbose=0)
    assert deep.metrics["val_loss"] == pytest.approx(loss, rel=1e-3)  # features are float16
    assert deep.metrics["val_accuracy"] == pytest.approx(np.mean(probabilities.argmax(1) == labels))
    false_alarms, recall, _ = roc_curve(labels, probabilities[:, 1])
    assert deep.metrics[RECALL] == pytest.approx(recall[false_alarms <= 0.01].max())


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


def test_a_trial_without_a_single_number_has_no_best_epoch(data):
    history = {"val_loss": [float("nan"), float("inf")], "val_accuracy": [0.5, 0.5]}
    trained = Trained(keras.Sequential(), history)
    with pytest.raises(ValueError, match="val_loss was never a number"):
        measure(trained, CrackHyperModel(SIZE), data, "val_accuracy")


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
        views, cache = (1, Cache()) if cached else (None, Uncached())

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


@pytest.mark.slow
def test_trials_of_the_head_in_one_job_are_those_of_single_jobs(tmp_path, data, recipe, together):
    """Alone it is the first of its job, together the second."""
    task, outcome = HEADS[1], together[1]
    (alone,) = run_job(recipe, data, [task])
    assert alone.losses == outcome.losses
    assert alone.metrics == outcome.metrics
    name = checkpoint(task.trial)
    arrays = [arrays_of(each.files[name], tmp_path / "x.h5") for each in (alone, outcome)]
    assert arrays[0]
    np.testing.assert_equal(arrays[0], arrays[1])
    assert len({outcome.losses for outcome in together}) == len(HEADS)


def arrays_of(content, path):
    path.write_bytes(content)
    with h5py.File(path) as file:
        found = {}
        file.visititems(lambda n, x: found.update({n: x[()]}) if hasattr(x, "size") else None)
    return {name: value for name, value in found.items() if "head" in name or "dense" in name}


@pytest.fixture
def canned(monkeypatch, together):
    """Trains no head again: each comes out as it did in the job `together`."""
    outcomes = {
        task.values["learning_rate"]: each for task, each in zip(HEADS, together, strict=True)
    }

    def fit_heads(models, data, *, learning_rates, **_):
        found = []
        for rate in learning_rates:
            losses = list(outcomes[rate].losses)
            found.append(keras.callbacks.History())
            found[-1].history = {"phase": ["head"] * len(losses), "val_loss": losses}
            found[-1].history["val_accuracy"] = [0.5] * len(losses)
        return found

    monkeypatch.setattr(tuning.trial, "fit_heads", fit_heads)


def checkpoints(outcomes):
    return [any("checkpoint" in name for name in outcome.files) for outcome in outcomes]


def test_a_head_with_a_crack_map_is_trained_alone(data, settings):
    recipe = Recipe({**settings, "pooling": "local"}, "val_loss")
    with warnings.catch_warnings():
        warnings.simplefilter("error", CrackdetWarning)  # nothing was tried in vain
        (outcome,) = run_job(recipe, data, HEADS[1:2])
    assert not outcome.failed
    assert np.isfinite(outcome.losses).all()


def test_weights_that_would_not_be_kept_are_not_sent(data, recipe, together, canned):
    value = together[0].metrics["val_loss"]
    for cutoff, kept in ((9.0, True), (value, True), (np.nextafter(value, 0), False)):
        outcomes = run_job(recipe, data, HEADS[:1], checkpoint_cutoff=cutoff)
        assert checkpoints(outcomes) == [kept], "of equals the earlier is kept, which may end later"


def test_weights_are_kept_of_as_many_as_the_search_keeps(data, recipe, together, canned):
    for keep in (1, 2):
        outcomes = run_job(dataclasses.replace(recipe, keep_checkpoints=keep), data, HEADS)
        losses = [outcome.metrics["val_loss"] for outcome in outcomes]
        assert losses == [outcome.metrics["val_loss"] for outcome in together]
        assert checkpoints(outcomes) == [loss in sorted(losses)[:keep] for loss in losses]


def test_weights_that_cannot_be_written_fail_one_trial(data, recipe, monkeypatch, canned):
    def full(model, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tuning.curves, "save_weights", full)
    outcomes = run_job(dataclasses.replace(recipe, keep_checkpoints=1), data, HEADS[1:])
    assert sorted(outcome.status for outcome in outcomes) == ["completed", "failed"]
    assert any("No space left" in outcome.error for outcome in outcomes)


def test_a_failing_trial_of_a_job_leaves_the_others_alone(data, recipe, canned):
    wrong = Task("7", {**HEADS[0].values, "dropout": 2.0}, seed=0)
    failed, right = run_job(recipe, data, [wrong, HEADS[0]])
    assert failed.failed
    assert "=2.0" in failed.error
    assert "Traceback" in failed.traceback
    assert right.status == "completed"


def test_a_trial_after_others_in_its_process_is_as_if_it_were_the_first(data, recipe, deep):
    """It stands on the backbone that they trained, with the weights from before."""
    recipe = dataclasses.replace(recipe, objective=RECALL)
    tuning.trial._starting_point = None
    for task in (dataclasses.replace(TASK, trial="1", seed=4), HEADS[0], TASK):
        (found,) = run_job(recipe, data, [task])
    assert found.losses == deep.losses
    assert weights_of(found, "3") == weights_of(deep, "3")


def weights_of(outcome, trial):
    """Returns the bytes of each array; the file itself tells when it was written."""
    arrays = {}
    with h5py.File(io.BytesIO(outcome.files[checkpoint(trial)])) as file:
        file.visititems(
            lambda name, each: (
                arrays.update({name: each[()].tobytes()})
                if isinstance(each, h5py.Dataset)
                else None
            )
        )
    return arrays


def three_outputs(image_size, num_classes, **options):
    return standin_classifier(image_size, 3, **options)


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.filterwarnings("ignore:Heads are trained one by one")
def test_a_model_that_does_not_fit_the_classes_fails_before_it_trains(
    data, settings, monkeypatch, depth
):
    def train(*_, **__):
        raise AssertionError("it trains")

    monkeypatch.setattr(keras.Model, "fit", train)
    recipe = Recipe(settings | {"classifier": three_outputs}, "val_loss")
    (outcome,) = run_job(recipe, data, [Task("0", {**TASK.values, "unfreeze_depth": depth}, 0)])
    assert outcome.status == "failed"
    assert outcome.error == (
        "ValueError: Expected a model of 2 outputs, one for each of negative, positive. "
        "Received: 3 outputs"
    )


def test_a_trial_that_is_clearly_worse_is_stopped(data, recipe, deep):
    others = [(0.01, 0.005)] * 4
    (outcome,) = run_job(dataclasses.replace(recipe, pruning=True), data, [TASK], others)
    assert outcome.status == "pruned"
    assert outcome.epochs == 1  # of 2
    assert outcome.metrics["val_loss"] == outcome.losses[0]
    assert [name.split("/")[0] for name in outcome.files] == ["tensorboard"]
    assert deep.status == "completed"
    assert deep.losses[0] == outcome.losses[0]


def test_a_pruned_trial_keeps_the_weights_that_its_metrics_are_of(data, settings):
    class SecondEpochIsWorse(MedianPruner):
        def on_epoch_end(self, epoch, logs=None):
            ends.append(self.model.get_weights())
            super().on_epoch_end(epoch, {**logs, "val_loss": epoch + 1.0})

    ends = []
    hypermodel, hp = CrackHyperModel(**settings, seed=TASK.seed), keras_tuner.HyperParameters()
    hp.values = {**TASK.values, "unfreeze_depth": 0}
    pruner = SecondEpochIsWorse([(1.0, 0.1)] * 4)
    found = train(hypermodel.build(hp), hypermodel, hp, data, 2, pruner)
    assert found.pruned
    assert found.history["val_loss"] == [1.0, 2.0]
    for kept, first in zip(found.model.get_weights(), ends[0], strict=True):
        np.testing.assert_array_equal(kept, first)
    for place in (-2, -1):  # the head's kernel and bias
        assert not np.array_equal(ends[0][place], ends[1][place])


@pytest.mark.slow
@pytest.mark.parametrize("side_by_side", [True, False])
def test_each_head_is_stopped_by_its_own_losses(data, recipe, together, monkeypatch, side_by_side):
    tasks, expected = HEADS[1:], together[1:]
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
def test_heads_that_cannot_be_trained_side_by_side_are_trained_alone(
    data, recipe, together, monkeypatch
):
    def broken(*_, **__):
        raise RuntimeError("no such device")

    monkeypatch.setattr(tuning.trial, "fit_heads", broken)
    with pytest.warns(UserWarning, match="one by one, more slowly: no such device"):
        (outcome,) = run_job(recipe, data, HEADS[:1])
    assert outcome.status == "completed"
    np.testing.assert_allclose(outcome.losses, together[0].losses, rtol=1e-3)
