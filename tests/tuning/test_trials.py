import h5py
import keras
import keras_tuner
import numpy as np
import pytest
from sklearn.metrics import roc_curve

from crackdet.training import FeatureCache
from tests.tuning.conftest import SIZE
from tuning import CrackHyperModel
from tuning.engine import Task
from tuning.trials import RECALL, checkpoint, run_trial, save_weights, write_curves

TASK = Task("3", {"dropout": 0.2, "learning_rate": 1e-3, "unfreeze_depth": 1}, seed=9)


def make_hypermodel(folder, **options):
    cache = FeatureCache(folder / "cache", verbose=0)
    return CrackHyperModel(
        SIZE, alpha=0.35, weights=None, epochs=2, views=1, cache=cache, seed=TASK.seed, **options
    )


@pytest.mark.slow
def test_a_trial_leaves_its_weights_and_reports_their_metrics(tmp_path, data):
    hypermodel = make_hypermodel(tmp_path)
    metrics, epochs = run_trial(TASK, hypermodel, data, RECALL, tmp_path)
    assert epochs == 2
    hp = keras_tuner.HyperParameters()
    hp.values = dict(TASK.values)
    model = make_hypermodel(tmp_path).build(hp)
    model.load_weights(checkpoint(tmp_path, "3"))
    probabilities = model.predict(data.validation.in_order(), verbose=0)
    labels = data.validation.labels
    loss = -np.log(probabilities[np.arange(16), labels]).mean()
    assert metrics["val_loss"] == pytest.approx(loss, rel=1e-3)  # features are float16
    assert metrics["val_accuracy"] == pytest.approx(np.mean(probabilities.argmax(1) == labels))
    assert 0 <= metrics[RECALL] <= 1


def test_hyperbands_number_of_epochs_counts_and_the_kept_epoch_is_reported(tmp_path, data):
    asked = []

    class Fake:
        views = None

        def build(self, hp):
            return keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])

        def fit(self, hp, model, given, epochs):
            asked.append((hp.values, given, epochs))
            history = keras.callbacks.History()
            history.history = {
                "val_loss": [float("nan"), 0.3, 0.4],
                "val_accuracy": [0.0, 0.7, 0.9],
            }
            return history

    task = Task("0", {"dropout": 0.1, "tuner/epochs": 3}, seed=1)
    metrics, epochs = run_trial(task, Fake(), data, "val_accuracy", tmp_path)
    assert asked == [(task.values, data, 3)]
    assert metrics == {"val_loss": 0.3, "val_accuracy": 0.7}
    assert epochs == 3


@pytest.mark.parametrize("cached", [True, False])
def test_recall_at_a_false_alarm_rate_agrees_with_sklearn(tmp_path, data, cached):
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

        def build(self, hp):
            inputs = keras.Input((2,))
            return Model(inputs, keras.layers.Dense(2)(inputs))

        def fit(self, hp, model, given, epochs):
            history = keras.callbacks.History()
            history.history = {"val_loss": [0.3], "val_accuracy": [0.7]}
            return history

    metrics, _ = run_trial(TASK, Fake(), data, RECALL, tmp_path)
    false_alarms, recall, _ = roc_curve(data.validation.labels, scores)
    assert metrics[RECALL] == pytest.approx(recall[false_alarms <= 0.01].max())
    assert 0 < metrics[RECALL] < 1


def test_checkpoints_hold_weights_only(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile("adam", "mse")
    model.fit(np.ones((8, 4)), np.ones((8, 3)), verbose=0)
    (tmp_path / ".checkpoint.weights.77.partial.weights.h5").write_bytes(b"half")
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
    for _ in range(2):  # a trial that was killed and is run again
        write_curves(tmp_path / "3", TASK, history, 0.25)
    assert len(list((tmp_path / "3").iterdir())) == 1
    events = EventAccumulator(str(tmp_path / "3")).Reload()
    values = [events.Tensors("epoch_val_loss")[step].tensor_proto.float_val[0] for step in (0, 1)]
    assert values == [0.5, 0.25]
    assert events.Tensors("objective")[0].tensor_proto.float_val[0] == 0.25
    content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(content)
    assert {name: value.number_value for name, value in start.hparams.items()} == TASK.values
    assert start.group_name == "3"
