"""A classifier brings its threshold and class names, wherever its model stands."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import crackdet.inference.classifier as classifier_module
from crackdet.errors import CrackdetError
from crackdet.inference import load_classifier
from crackdet.models import preset_card
from crackdet.models.record import ModelRecord, write_record
from crackdet.models.validation_scores import ValidationScores


def test_the_record_is_found_from_a_run_from_its_model_and_from_a_copy(
    run: Path, tmp_path: Path
) -> None:
    for name in ("model.keras", "model.json"):
        shutil.copy(run / name, tmp_path / name.replace("model", "moved"))
    for model in (run, run / "model.keras", tmp_path / "moved.keras"):
        classifier = load_classifier(str(model))
        assert (classifier.threshold, classifier.class_names) == (0.7, ("sound", "cracked"))
        assert classifier.threshold_from.endswith(".json")
    assert load_classifier(str(run), 0.4).threshold_from == "--threshold"
    (tmp_path / "moved.json").unlink()
    alone = load_classifier(str(tmp_path / "moved.keras"))
    assert alone.threshold == 0.5
    assert "comes without one" in alone.threshold_from


def test_a_preset_has_the_threshold_of_its_card() -> None:
    classifier = load_classifier("concrete")
    assert classifier.threshold == preset_card("concrete")["threshold"]
    assert classifier.image_size == (224, 224)


def test_a_preset_is_loaded_once_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_classifier("concrete", 0.2)
    monkeypatch.setattr(classifier_module, "load_model", None)
    assert load_classifier("concrete").model is first.model
    assert load_classifier("concrete").threshold == preset_card("concrete")["threshold"]


def test_what_a_preset_does_elsewhere_is_said_in_one_line() -> None:
    limits = load_classifier("concrete").limits
    card = preset_card("concrete")
    assert card["limits"] in limits
    for site in card["elsewhere"]:
        assert f"{site['data']}: {site['recall']:.1%} of the cracks found" in limits
    assert "\n" not in limits


def test_a_model_may_be_loaded_already(run: Path) -> None:
    model = keras.saving.load_model(run / "model.keras")
    alone = load_classifier(model)
    assert (alone.model, alone.threshold) == (model, 0.5)
    assert alone.class_names == ("negative", "positive")
    assert load_classifier(load_classifier(str(run)), 0.3).class_names == ("sound", "cracked")
    with pytest.raises(ValueError, match="`model` must be"):
        load_classifier(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`threshold` must be .* Received: threshold=7"):
        load_classifier(model, 7)


def test_a_threshold_for_a_wish_needs_the_scores_that_a_model_stores(
    run: Path, tmp_path: Path
) -> None:
    with pytest.raises(CrackdetError, match=r"comes without the validation scores .* --threshold"):
        load_classifier(str(run), recall=0.99)
    with pytest.raises(ValueError, match="threshold and recall exclude each other"):
        load_classifier(str(run), 0.5, recall=0.99)
    model = shutil.copy(run / "model.keras", tmp_path / "model.keras")
    scores = ValidationScores.of([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.9], "validation")
    write_record(Path(model), ModelRecord(scores=scores.stored()))
    classifier = load_classifier(model, false_alarm_rate=0)
    assert classifier.threshold == pytest.approx(0.71, abs=0.01)
    assert "finds 50.0% of 2 cracked images" in classifier.threshold_from


def head(units: int, activation: str | None, shape: tuple = (8, 8, 3), bias: float = 2.0) -> Any:
    images = keras.Input(shape)
    features = keras.layers.Flatten()(images)
    bias_of = keras.initializers.Constant(bias)
    dense = keras.layers.Dense(
        units, activation, kernel_initializer="zeros", bias_initializer=bias_of
    )
    return keras.Model(images, dense(features))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (head(1, "sigmoid"), r"to 1 output: expected .* 2 outputs, negative and positive"),
        (head(3, "softmax"), "to 3 outputs: expected"),
        (head(2, "softmax", (8, 8, 1)), r"takes inputs of shape \(None, 8, 8, 1\): expected"),
        (head(2, "softmax", (8, 3)), r"takes inputs of shape \(None, 8, 3\)"),
    ],
)
def test_models_of_another_kind_are_refused_when_loaded(model: Any, words: str) -> None:
    with pytest.raises(CrackdetError, match=words):
        load_classifier(model)


@pytest.mark.parametrize(
    ("activation", "bias", "shown"),
    [(None, 0.4, "0.4, 0.4"), ("sigmoid", 2.0, "0.8808, 0.8808"), ("softmax", np.nan, "nan, nan")],
    ids=["logits", "two sigmoids", "no numbers"],
)
def test_rows_that_are_no_probabilities_are_refused(
    activation: str | None, bias: float, shown: str
) -> None:
    classifier = load_classifier(head(2, activation, bias=bias))
    with pytest.raises(CrackdetError, match="returns no probabilities") as error:
        classifier.scores(np.zeros((3, 8, 8, 3), np.uint8))
    assert f"[{shown}]" in str(error.value)
    assert "put a softmax at its end" in str(error.value)


def test_a_model_that_was_loaded_before_a_fork_is_refused_instead_of_waiting(run: Path) -> None:
    parent = dataclasses.replace(load_classifier(str(run)), _process=1)
    images = np.zeros((1, 8, 8, 3), np.uint8)
    if keras.backend.backend() == "torch":
        assert parent.scores(images).shape == (1,)
        return
    with pytest.raises(CrackdetError, match="load it in each worker"):
        parent.scores(images)
