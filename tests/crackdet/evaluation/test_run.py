"""A whole evaluation: order of choices, files, and figures that follow from the files."""

import csv
import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

import crackdet.evaluation.run as run
from crackdet.data import CrackData
from crackdet.errors import CrackdetError
from crackdet.evaluation import (
    choose_threshold,
    evaluate,
    evaluate_run,
    fit_temperature,
    metrics_row,
)
from crackdet.evaluation.model_card import model_card
from crackdet.files import read_csv, write_json
from crackdet.inference import load_classifier
from crackdet.layers import augmentation
from crackdet.models import feature_statistics
from crackdet.models.out_of_distribution import OutOfDistribution
from crackdet.models.record import read_record
from crackdet.stress import StressSplit
from tests.bars import Bars
from tests.crackdet.evaluation.conftest import cracked_patches


@pytest.fixture
def trained(data, line_classifier):
    model = line_classifier()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.optimizer.learning_rate = 0.02
    model.fit(data.train, epochs=6, verbose=0)
    return model


@pytest.fixture
def result(trained, data, tmp_path, line_classifier):
    uncalibrated = trained.predict(data.validation, verbose=0)
    metrics = evaluate_run(
        trained, line_classifier(7), data, tmp_path, bootstrap=30, seconds={"search": 2.5}
    )
    return uncalibrated, trained, metrics, tmp_path


def test_a_run_is_calibrated_measured_and_filed(result, data):
    uncalibrated, model, metrics, folder = result
    temperature = fit_temperature(uncalibrated, data.validation.labels)
    assert metrics["temperature"] == pytest.approx(temperature)
    calibrated = model.predict(data.validation, verbose=0)
    assert calibrated == pytest.approx(
        softmax(np.log(uncalibrated.astype(np.float64)) / temperature, axis=1), abs=1e-5
    )
    choice = choose_threshold(
        data.validation.labels, calibrated[:, 1], groups=data.validation.groups, bootstrap=30
    )
    assert metrics["threshold"] == pytest.approx(choice.threshold, abs=1e-4)
    assert metrics["threshold_interval"] == pytest.approx(choice.interval, abs=1e-3)
    assert metrics["threshold_positives"]["groups"] == choice.positive_groups < 20
    assert metrics["threshold_caution"] == choice.caution != ""
    chosen = {name: value for name, value in metrics.items() if name.startswith("threshold")}
    assert read_record(folder / "model.keras").provenance["threshold"] == chosen
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert read_record(folder / "model.keras").patch_side == 16
    assert set(metrics["before"]) == {"validation", "test"}
    assert set(metrics["after"]) == {"train", "validation", "test"}
    assert metrics["after"]["test"]["auroc"] > metrics["before"]["test"]["auroc"]
    assert metrics["seconds"]["search"] == 2.5
    assert metrics["seconds"]["evaluation"] > 0
    assert metrics["data"] == {
        "name": "lines",
        "fingerprint": data.fingerprint,
        "class_names": ["negative", "positive"],
        "classes": data.classes,
        "notes": "made for a test",
        "counts": data.counts(),
        "groups": {"train": 20, "validation": 15, "test": 15},
        "leakage": data.leakage.facts(),
    }


def test_other_thresholds_come_from_the_scores_that_the_own_one_came_from(result, data):
    _, model, metrics, folder = result
    classifier = load_classifier(folder, recall=0.9)
    scores = model.predict(data.validation, verbose=0)[:, 1]
    found = scores[data.validation.labels == 1] >= classifier.threshold
    assert 0.9 <= found.mean() < 1
    row = metrics["after"]["test"]
    half = row["precision_at_prevalence"][0]
    rates = row["recall"], row["false_alarm_rate"]
    assert half["precision"] == pytest.approx(rates[0] / sum(rates))
    assert half["interval"][0] < half["precision"] < half["interval"][1]


def test_a_stress_validation_makes_the_choices(trained, data, tmp_path, line_classifier):
    images, labels, groups = cracked_patches(60, 4, contrast=40.0, noise=30.0)
    plain = CrackData.from_arrays(*[(images, labels, groups)] * 3).validation
    stress = StressSplit(
        "stress",
        list(images),
        labels,
        keys=plain.keys,
        digests=plain.digests,
        groups=groups,
        image_size=plain.image_size,
        families=["rust", "rust", "twigs", "twigs"] * 15,
        severities=np.arange(60) // 4 % 5 + 1,
    )
    uncalibrated = trained.predict(images, verbose=0)
    metrics = evaluate_run(
        trained, line_classifier(7), data, tmp_path, stress=stress, painting=Bars(), bootstrap=0
    )
    assert metrics["temperature"] == pytest.approx(fit_temperature(uncalibrated, labels))
    scores = trained.predict(images, verbose=0)[:, 1]
    choice = choose_threshold(labels, scores, groups=groups, bootstrap=0)
    assert metrics["threshold"] == pytest.approx(choice.threshold, abs=1e-4)
    assert "on stress validation" in metrics["threshold_rule"]
    assert "stress validation" in load_classifier(tmp_path, recall=0.9).threshold_from
    row = metrics_row(labels, scores, threshold=metrics["threshold"], bootstrap=0)
    row_under_stress = metrics["stress"]["row"]
    assert row_under_stress["ece"] == pytest.approx(row["ece"], abs=1e-4)
    assert metrics["after"]["validation"]["n"] == data.validation.num_images
    # Clean validation tells what is unlike training: of 60 images floor(1 %) are none.
    unsure = [each["unsure"]["n"] for each in (metrics["after"]["validation"], row_under_stress)]
    assert unsure[0] == 0 < unsure[1]
    rust = np.arange(60) % 4 < 2
    area = metrics["stress"]["families"]["rust"]["auroc"]
    assert area == pytest.approx(roc_auc_score(labels[rust], scores[rust]))
    # As many pictures as under stress, of which a quarter for each contrast.
    found = metrics["detection"]
    assert {name: each["n"] for name, each in found["contrasts"].items()} == {
        name: 15 for name in ("0.15", "0.3", "0.6")
    }
    assert found["threshold"] == metrics["threshold"]
    samples = np.load(tmp_path / "samples.npz")
    shown = list(zip(samples["stress_families"], samples["stress_severities"], strict=True))
    assert len(set(shown)) == len(shown) == len(samples["stress_images"])
    cracked = (labels == 1) & rust & (stress.severities == 3)
    missed = scores[cracked][0] < metrics["threshold"]
    assert samples["stress_wrong"][shown.index(("rust", 3))] == missed
    assert samples["painted_labels"].shape == (4, 2)
    _check_card(tmp_path, metrics)


def _check_card(run_dir, metrics):
    """A model card holds of a painted run what a reader asks for, and nothing that is drawn."""
    options = {"options": {"painting": 1.0}, "versions": {}}
    write_json(run_dir / "config.json", options)
    card = model_card(run_dir, [{"site": "north", "n": 4, "positives": 1, "auroc": 0.9}])
    assert card["stress"]["score"] == metrics["stress"]["score"]
    assert card["stress"]["auroc_by_family"].keys() == {"rust", "twigs"}
    found = card["detection"]["contrasts"]["0.3"]
    assert found["a90"] == metrics["detection"]["contrasts"]["0.3"]["a90"]
    assert not found.keys() & {"curve", "observed"}
    detector = OutOfDistribution.of(feature_statistics(run_dir))
    assert card["unsure_limit"] == detector.limit
    (point,) = [each for each in card["operating_points"] if each["asked"] == {"recall": 0.9}]
    assert point["threshold"] == load_classifier(run_dir, recall=0.9).threshold
    assert "painted" in card["limits"]
    assert card["elsewhere"][0]["data"] == "north (1 cracked, 3 sound)"
    assert json.loads(json.dumps(card)) == card


def test_the_saved_model_is_the_one_that_was_measured(result, data):
    _, _, metrics, folder = result
    saved = keras.saving.load_model(folder / "model.keras", safe_mode=True)
    detector = OutOfDistribution.of(feature_statistics(folder))
    row = evaluate(saved, data, threshold=metrics["threshold"], detector=detector, bootstrap=30)
    assert row.pop("split") == "test"
    expected = metrics["after"]["test"]
    assert row["confusion"] == expected["confusion"]
    assert row["auroc"] == expected["auroc"]
    assert row["intervals"]["recall"] == expected["intervals"]["recall"]
    assert row["log_loss"] == pytest.approx(expected["log_loss"], rel=1e-5)


PLAIN_KERAS = """
import keras, numpy as np, sys
model = keras.saving.load_model("model.keras", safe_mode=True)
np.save("answers.npy", model.predict(np.load("images.npy"), verbose=0))
assert not [name for name in sys.modules if name.startswith("crackdet")]
"""


@pytest.mark.slow
def test_plain_keras_loads_the_saved_model_and_gives_the_same_bits(data, tmp_path, line_classifier):
    model = line_classifier(augmentation=augmentation(seed=0))
    evaluate_run(model, line_classifier(7), data, tmp_path, bootstrap=0)
    assert b"crackdet" not in zipfile.ZipFile(tmp_path / "model.keras").read("config.json")
    images = data.test.images(range(60))
    np.save(tmp_path / "images.npy", images)
    subprocess.run([sys.executable, "-c", PLAIN_KERAS], cwd=tmp_path, check=True, timeout=120)
    expected = model.predict(images, verbose=0)
    np.testing.assert_array_equal(np.load(tmp_path / "answers.npy"), expected)
    assert keras.saving.load_model(tmp_path / "model.keras").input.name == "image"


def test_every_figure_follows_from_the_predictions(result, data):
    _, _, metrics, folder = result
    with open(folder / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["key"] for row in rows] == [k for s in data.splits.values() for k in s.keys]
    for name, expected in metrics["after"].items():
        part = [row for row in rows if row["split"] == name]
        again = metrics_row(
            [int(row["label"]) for row in part],
            np.array([row["score"] for row in part], np.float32),
            threshold=metrics["threshold"],
            groups=[int(row["group"]) for row in part],
            bootstrap=30,
            unsure=[row["unsure"] == "true" for row in part],
        )
        assert again == expected
    test = [row for row in rows if row["split"] == "test"]
    before = metrics_row(
        [int(row["label"]) for row in test],
        np.array([row["score_before"] for row in test], np.float32),
        threshold=0.5,
        bootstrap=0,
    )
    assert before["auroc"] == metrics["before"]["test"]["auroc"]
    assert {row["score_before"] for row in rows if row["split"] == "train"} == {""}


def test_the_baseline_has_a_full_row(result, data):
    _, _, metrics, _ = result
    baseline = metrics["baseline"]
    assert baseline["direction"] == "above"
    row = baseline["test"]
    deviations = [image.mean(axis=2).std() for image in data.test.images(range(60))]
    alarms = np.array(deviations) >= baseline["threshold"]
    assert row["accuracy"] == pytest.approx(np.mean(alarms == data.test.labels))
    assert row["intervals"]["accuracy"][0] <= row["accuracy"] <= row["intervals"]["accuracy"][1]
    assert row["threshold"] == baseline["threshold"]
    against = metrics["trivial"]["against"]
    assert against["contrast"]["accuracy"] == pytest.approx(row["accuracy"])
    assert metrics["trivial"]["accuracy"] == metrics["after"]["test"]["accuracy"]
    assert against["everything_cracked"]["cost"] == 0.5
    assert row["brier"] is None


def test_test_is_read_once_and_after_every_choice(
    trained, data, tmp_path, monkeypatch, line_classifier
):
    events = []
    for name in ("fit_temperature", "choose_threshold", "fit_baseline", "scale_logits"):
        function = getattr(run, name)
        monkeypatch.setattr(
            run, name, lambda *a, f=function, n=name, **k: (events.append(n), f(*a, **k))[1]
        )

    class Cache:
        def predict(self, model, split):
            events.append((model.name, split.name))
            return model.predict(split.in_order(), verbose=0)

    before = line_classifier(7)
    before.name = "before"
    evaluate_run(trained, before, data, tmp_path, cache=Cache(), bootstrap=0)
    first = min(i for i, event in enumerate(events) if "test" in event)
    choices = {"fit_temperature", "choose_threshold", "fit_baseline", "scale_logits"}
    assert choices <= set(events[:first])
    assert events.count(("line_classifier", "test")) == events.count(("before", "test")) == 1
    assert events.count(("line_classifier", "validation")) == 1


def test_a_cache_and_the_whole_model_agree(trained, data, tmp_path, line_classifier):
    class Cache:
        def predict(self, model, split):
            return model.predict(split.in_order(), verbose=0)

    weights = trained.get_weights()
    plain = evaluate_run(trained, line_classifier(7), data, tmp_path / "a", bootstrap=5)
    trained.set_weights(weights)
    cached = evaluate_run(
        trained, line_classifier(7), data, tmp_path / "b", cache=Cache(), bootstrap=5
    )
    assert plain.pop("seconds") != cached.pop("seconds")
    assert plain == cached


def test_a_failed_evaluation_leaves_no_metrics_that_look_finished(
    trained, data, tmp_path, line_classifier
):
    (tmp_path / "metrics.json").write_text("{}")

    class Broken:
        def predict(self, model, split):
            if split.name == "test":
                raise OSError("disk gone")
            return model.predict(split.in_order(), verbose=0)

    with pytest.raises(OSError, match="disk gone"):
        evaluate_run(trained, line_classifier(7), data, tmp_path, cache=Broken(), bootstrap=5)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("model.images.npz", "model.json", "model.keras", "model.statistics.npz")
    ]


def test_a_file_name_that_is_no_utf_8_keeps_its_bytes(data, tmp_path):
    name = data.test.keys[0] = b"Positive/\xff,\n.jpg".decode("utf-8", "surrogateescape")
    scores = {name: np.zeros(split.num_images) for name, split in data.splits.items()}
    unsure = {name: np.zeros(split.num_images, bool) for name, split in data.splits.items()}
    run.write_predictions(tmp_path / "predictions.csv", data, scores, {}, unsure)
    (tmp_path / "predictions.csv").read_text("utf-8")
    rows = read_csv(tmp_path / "predictions.csv")
    assert rows[data.train.num_images + data.validation.num_images]["key"] == name


def test_train_is_predicted_in_the_order_of_its_labels(trained, data):
    data.train.on_epoch_end()
    assert data.train.shuffle
    scores = trained.predict(data.train.images(range(80)), verbose=0)[:, 1]
    expected = metrics_row(data.train.labels, scores, threshold=0.5, bootstrap=0)
    row = evaluate(trained, data, "train", batch_size=7, bootstrap=0)
    assert row["confusion"] == expected["confusion"]
    assert row["brier"] == pytest.approx(expected["brier"], rel=1e-5)


def test_logits_are_not_measured_as_probabilities(data):
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(2, kernel_initializer="zeros", bias_initializer="ones"),
        ]
    )
    with pytest.raises(CrackdetError, match=r"The model returns no probabilities.*\[1, 1\]"):
        evaluate(model, data)


def test_wrong_arguments_are_named(data, tmp_path, line_classifier):
    model = line_classifier()
    with pytest.raises(ValueError, match="train, validation, test; received 'all'"):
        evaluate(model, data, "all")
    three = keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    with pytest.raises(ValueError, match=r"two classes, shape \(60, 2\); received \(60, 3\)"):
        evaluate(three, data)
    images, labels = np.zeros((3, 16, 16, 3), np.uint8), np.arange(3)
    classes = CrackData.from_arrays(
        (images, labels), (images, labels), (images, labels), class_names=("a", "b", "c")
    )
    with pytest.raises(
        ValueError, match=r"two classes, negative first; received \['a', 'b', 'c'\]"
    ):
        evaluate_run(model, model, classes, tmp_path)
