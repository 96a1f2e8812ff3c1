import keras
import keras_tuner
import numpy as np
import pytest

import tuning.hypermodel
from crackdet.features import FeatureCache
from crackdet.files import write_json
from crackdet.models import unfreeze_depth
from crackdet.runs import files
from crackdet.training.fitting import class_weights
from tests.standin import standin_classifier
from tests.tuning.conftest import SIZE, loss_of, patches
from tuning import CrackHyperModel, SearchSpace
from tuning.result import SearchResult

SMALL = {"classifier": standin_classifier}
SPACE = SearchSpace(dropout=(0.0, 0.5), learning_rate=(1e-4, 1e-2), unfreeze_depth=(0, 1))


def drawn(**values):
    hp = keras_tuner.HyperParameters()
    hp.values = values
    return hp


VALUES = {"dropout": 0.2, "learning_rate": 2e-3, "unfreeze_depth": 1}


@pytest.fixture
def calls(monkeypatch):
    """Replaces `crackdet.training.fit` by one that notes its arguments."""
    noted = []

    def fit(model, data, **options):
        noted.append({"model": model, "data": data, **options})
        history = keras.callbacks.History()
        history.history = {"phase": ["head"], "val_loss": [0.5]}
        return history

    monkeypatch.setattr(tuning.hypermodel, "fit", fit)
    return noted


def test_builds_what_the_hyperparameters_say_and_registers_the_space():
    hp = drawn(**VALUES)
    model = CrackHyperModel(SIZE, space=SPACE, **SMALL).build(hp)
    assert model.input_shape == (None, SIZE, SIZE, 3)
    assert unfreeze_depth(model) == 1
    assert model.get_layer("dropout").rate == 0.2
    assert [part.name for part in hp.space] == ["dropout", "learning_rate", "unfreeze_depth"]
    assert hp.space[1].sampling == "log"


@pytest.mark.parametrize(
    ("views", "strength", "augmented"),
    [(None, 1.0, True), (2, 1.0, True), (1, 1.0, False), (None, 0, False)],
)
def test_augments_unless_no_augmented_view_is_shown(tmp_path, views, strength, augmented):
    cache = FeatureCache(tmp_path) if views else None
    model = CrackHyperModel(SIZE, views=views, cache=cache, strength=strength, **SMALL).build(
        drawn(**VALUES)
    )
    entry = model.get_layer("preprocessing").input
    assert (entry is not model.inputs[0]) == augmented


def test_batch_size_epochs_callbacks_and_options_come_through(calls, data):
    watcher = keras.callbacks.Callback()
    history = CrackHyperModel(SIZE, seed=5, mixed_precision=True).fit(
        drawn(**VALUES),
        None,
        data.train,
        validation_data=data.validation,
        batch_size=7,
        epochs=4,
        callbacks=[watcher],
        class_weight="balanced",
        verbose="auto",
    )
    (call,) = calls
    assert call["epochs"] == 4
    assert call["learning_rate"] == 2e-3
    assert call["callbacks"] == [watcher]
    assert call["class_weight"] == "balanced"
    assert call["seed"] == 5
    assert call["mixed_precision"] is True
    assert call["verbose"] == 0
    assert call["data"].train.batch_size == 7
    assert data.train.batch_size == 4  # the user's own is left alone
    assert call["data"].validation is data.validation
    assert history.history == {"val_loss": [0.5]}  # KerasTuner takes numbers only


def test_data_come_as_crack_data_splits_or_arrays(calls, data):
    hypermodel = CrackHyperModel(SIZE)
    hypermodel.fit(drawn(**VALUES), None, data)
    assert calls[0]["data"] is data
    hypermodel.fit(drawn(**VALUES), None, data.train, validation_data=data.validation)
    assert calls[1]["data"].train is data.train
    train, validation = patches(6, 1), patches(4, 2)
    hypermodel.fit(drawn(**VALUES), None, *train, validation_data=validation)
    np.testing.assert_array_equal(calls[2]["data"].train.images(range(6)), train[0])
    np.testing.assert_array_equal(calls[2]["data"].validation.labels, validation[1])
    for wrong in ((train[0],), (data.train,)):
        with pytest.raises(ValueError, match="Expected a CrackData, two ImageSplits"):
            hypermodel.fit(drawn(**VALUES), None, *wrong)


def three_classes(count, seed):
    images, _ = patches(count, seed)
    return images, np.arange(count) % 3


def test_arrays_and_splits_have_as_many_classes_as_the_hypermodel(calls):
    hypermodel = CrackHyperModel(SIZE, num_classes=3)
    train, validation = three_classes(6, 1), three_classes(3, 2)
    hypermodel.fit(drawn(**VALUES), None, *train, validation_data=validation)
    data = calls[0]["data"]
    assert len(data.class_names) == 3
    hypermodel.fit(drawn(**VALUES), None, data.train, validation_data=data.validation)
    assert len(calls[1]["data"].class_names) == 3
    # What `fit` makes of "balanced": two classes of three would weigh half as much again.
    weights = class_weights("balanced", data.train.labels, len(calls[1]["data"].class_names))
    assert weights == {0: 1.0, 1: 1.0, 2: 1.0}
    two = CrackHyperModel(SIZE)
    with pytest.raises(ValueError, match=r"labels of 0..1, as num_classes says. Received: 2"):
        two.fit(drawn(**VALUES), None, data.train, validation_data=data.validation)
    with pytest.raises(ValueError, match=r"labels of train in 0..1"):
        two.fit(drawn(**VALUES), None, *train, validation_data=validation)


@pytest.mark.parametrize(
    ("objective", "missing"),
    [
        (keras_tuner.Objective("val_auc", "max"), "val_auc"),
        ([keras_tuner.Objective("val_f1", "max"), "val_loss"], "val_f1"),
        (None, "default_objective"),
    ],
)
def test_an_objective_that_no_trial_reports_stops_a_tuner_before_the_first(
    calls, data, tmp_path, objective, missing
):
    hypermodel = CrackHyperModel(SIZE, space=SPACE, **SMALL)
    tuner = keras_tuner.RandomSearch(hypermodel, objective, directory=tmp_path, max_trials=2)
    reported = "loss, accuracy, val_loss, val_accuracy, learning_rate, seconds"
    with pytest.raises(ValueError, match=rf"one of {reported}, .*Received: {missing}$"):
        tuner.search(data.train, validation_data=data.validation, verbose=0)
    assert calls == []


def test_who_computes_an_objective_may_look_for_it(calls, data, tmp_path):
    class More(CrackHyperModel):
        def fit(self, *arguments, **options):
            history = super().fit(*arguments, **options)
            history.history["val_f1"] = [0.7]
            return history

    hypermodel = More(SIZE, space=SPACE, **SMALL)
    objective = keras_tuner.Objective("val_f1", "max")
    tuner = keras_tuner.RandomSearch(hypermodel, objective, directory=tmp_path, max_trials=1)
    tuner.search(data.train, validation_data=data.validation, verbose=0)
    assert tuner.oracle.get_best_trials()[0].score == 0.7


def test_hyperband_goes_on_where_a_trial_stood(calls, data):
    hypermodel = CrackHyperModel(SIZE)
    hypermodel.fit(drawn(**VALUES), None, data, epochs=9, initial_epoch=3)
    assert calls[0]["epochs"] == 6
    assert calls[0]["head_epochs"] == 0
    hypermodel.fit(drawn(**VALUES), None, data, epochs=3)
    assert "head_epochs" not in calls[1]


def test_executions_of_a_trial_have_seeds_of_their_own(calls, data):
    hypermodel = CrackHyperModel(SIZE, seed=0)
    for dropout in (0.1, 0.1, 0.2, 0.1):
        hypermodel.fit(drawn(**VALUES | {"dropout": dropout}), None, data)
    seeds = [call["seed"] for call in calls]
    assert seeds[0] == seeds[2] == 0
    assert len(set(seeds)) == 3


def test_all_trials_share_their_features_which_one_pass_computes(data):
    asked = []

    class Cache:
        def prepare(self, model, depths, given, views, seed, painting, further):
            asked.append((sorted(depths), given, views, seed, painting, further))

    hypermodel = CrackHyperModel(SIZE, views=2, cache=Cache(), seed=8, view_seed=3, **SMALL)
    hypermodel.fill_cache(data, {3, 0, 1})
    assert asked == [([0, 1, 3], data, 2, 3, None, ())]


def test_nothing_is_filled_without_a_cache(data):
    CrackHyperModel(SIZE, weights="no-such-file.keras").fill_cache(data, {0})


def test_a_rebuilt_model_is_the_one_that_would_be_built(data):
    hypermodel = CrackHyperModel(SIZE, seed=8, **SMALL)
    base = hypermodel.build(drawn(learning_rate=1e-3, dropout=0.1, unfreeze_depth=0))
    base.layers[-1].kernel.assign(base.layers[-1].kernel * 2)  # as training does
    wanted = drawn(learning_rate=1e-3, dropout=0.4, unfreeze_depth=0)
    rebuilt, built = hypermodel.rebuild(base, wanted), hypermodel.build(wanted)
    assert rebuilt.get_layer("dropout").rate == 0.4
    for ours, theirs in zip(rebuilt.get_weights(), built.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    images = data.validation.images(range(4))
    np.testing.assert_array_equal(
        rebuilt.predict(images, verbose=0), built.predict(images, verbose=0)
    )
    assert rebuilt.get_layer("Conv_1") is base.get_layer("Conv_1")
    deeper = hypermodel.rebuild(base, drawn(learning_rate=1e-3, dropout=0.4, unfreeze_depth=1))
    trained = {weight.path for weight in deeper.trainable_weights}
    wanted = drawn(learning_rate=1e-3, dropout=0.4, unfreeze_depth=1)
    assert trained == {weight.path for weight in hypermodel.build(wanted).trainable_weights}


def loaded_classifier(*arguments, weights, **options):
    """A stand-in whose weights, unless they are none, carry a head."""
    model = standin_classifier(*arguments, **options)
    for layer in model.layers if weights is not None else ():
        if layer.name in ("crack_map", "predictions"):
            layer.set_weights([np.full_like(each, weights) for each in layer.get_weights()])
    return model


@pytest.mark.parametrize(
    ("weights", "pooling"), [("0.5", None), (None, None), ("0.5", "local"), (None, "local")]
)
def test_a_rebuilt_model_starts_from_the_head_that_its_weights_carry(weights, pooling):
    values = {"learning_rate": 1e-3, "dropout": 0.1, "unfreeze_depth": 0}
    hypermodel = CrackHyperModel(
        SIZE, classifier=loaded_classifier, weights=weights, pooling=pooling, seed=7
    )
    assert hypermodel.trains_heads_together() == (pooling is None)
    base = hypermodel.build(drawn(**values))
    rebuilt = hypermodel.rebuild(base, drawn(**values | {"dropout": 0.4}))
    assert rebuilt.get_layer("Conv_1") is base.get_layer("Conv_1")
    for name in ["predictions", *(["crack_map"] if pooling else [])]:
        kernel, bias = rebuilt.get_layer(name).get_weights()
        assert (kernel == 0.5).all() == (bias == 0.5).all() == (weights is not None)


def test_the_best_classifier_has_the_pooling_that_the_weights_brought(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning.hypermodel, "new_classifier", standin_classifier)
    file = tmp_path / files.checkpoint("3")
    file.parent.mkdir()
    trained = standin_classifier(SIZE, pooling="local", seed=4)
    trained.save_weights(file)
    write_json(tmp_path / files.BEST_HYPERPARAMETERS, {"trial": "3"})
    settings = {"image_size": SIZE, "weights": file, **SMALL}
    best = SearchResult(VALUES, [], tmp_path, settings).load_best()
    for ours, theirs in zip(best.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_kerastuners_own_random_search_works_as_it_is(tmp_path, data):
    tuner = keras_tuner.RandomSearch(
        CrackHyperModel(SIZE, space=SPACE, epochs=1, **SMALL),
        "val_loss",
        max_trials=1,
        seed=1,
        directory=tmp_path,
        project_name="plain",
    )
    tuner.search(data.train, validation_data=data.validation, verbose=0)
    (trial,) = tuner.oracle.get_best_trials()
    assert trial.status == "COMPLETED", trial.message
    loss = loss_of(tuner.get_best_models()[0], data.validation)
    assert loss == pytest.approx(trial.score, rel=1e-4)


@pytest.mark.slow
def test_kerastuners_own_hyperband_works_as_it_is(tmp_path, data):
    cache = FeatureCache(tmp_path / "cache", verbose=0)
    space = SearchSpace(unfreeze_depth=0)
    tuner = keras_tuner.Hyperband(
        CrackHyperModel(SIZE, space=space, views=1, cache=cache, **SMALL),
        "val_loss",
        max_epochs=2,
        factor=2,
        seed=1,
        directory=tmp_path,
        project_name="plain",
    )
    tuner.oracle.max_trials = 3  # two trials of one epoch, the better one taken further
    tuner.search(data.train, validation_data=data.validation, verbose=0)
    trials = list(tuner.oracle.trials.values())
    assert {trial.status for trial in trials} == {"COMPLETED"}, [t.message for t in trials]
    assert any("tuner/trial_id" in trial.hyperparameters.values for trial in trials)
