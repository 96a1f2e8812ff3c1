"""A model with what its outputs mean: threshold and class names."""

import functools
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from crackdet.errors import CrackdetError
from crackdet.evaluation.operating_points import operating_point
from crackdet.models import feature_statistics, load_model, preset_card, preset_names
from crackdet.models.out_of_distribution import OutOfDistribution
from crackdet.models.outputs import check_probabilities
from crackdet.models.record import ModelRecord, read_record, record_file, record_of_card
from crackdet.models.units import HEAD_NAME
from crackdet.models.validation_scores import ValidationScores
from crackdet.runs import files


@dataclass(frozen=True)
class Classifier:
    """A loaded model, where its threshold comes from, and what its classes are called.

    Attributes:
        model: Maps images to probabilities of two classes.
        threshold: Probability of class 1 from which an image counts as positive.
        threshold_from: Where the threshold comes from, in words.
        class_names: Names of the two classes.
        name: What messages call the model.
        patch_side: Longer side, in pixels, of the pictures that it was trained from.
        limits: What its user must know, in words; empty where nobody has said it.
        detector: Tells pictures that are like nothing in training, on which the classifier is
            unsure; None where the model's file says nothing of them, or nobody wants to know.
        stored_scores: The validation scores that other thresholds are chosen from, as the model's
            record holds them; None where it holds none.
        miss_cost: What a missed crack cost in false alarms when its own threshold was chosen; None
            where the record does not say.
    """

    model: keras.Model
    threshold: float
    threshold_from: str
    class_names: tuple[str, ...]
    name: str = "the model"
    patch_side: int = 0
    limits: str = ""
    detector: OutOfDistribution | None = field(default=None, repr=False)
    stored_scores: dict[str, str] | None = field(default=None, repr=False)
    miss_cost: float | None = None
    _process: int = field(default_factory=os.getpid, repr=False)

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images that the model sees."""
        _, height, width, _ = self.model.inputs[0].shape
        return height, width

    def scores(self, images: np.ndarray) -> NDArray[np.float32]:
        """Returns the probability of class 1 for images of the model's size, float32 `(any,)`.

        Raises:
            CrackdetError: As `answers`.
        """
        return self.answers(images)[0]

    def answers(self, images: np.ndarray) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Returns the probability of class 1, float32 `(any,)`, and whether it is unsure, `(any,)`.

        One pass through the network gives both. Without a `detector` it is never unsure.

        Raises:
            CrackdetError: If the model returns no probabilities, or was loaded before a fork.
        """
        if os.getpid() != self._process and keras.backend.backend() != "torch":
            raise CrackdetError(
                f"{self.name} was loaded before this process was forked, which leaves it without "
                f"the threads of {keras.backend.backend()}: load it in each worker, or start "
                'workers with "spawn".'
            )
        if self.detector is None:
            rows = np.asarray(self.model.predict_on_batch(images), np.float32)
            unsure = np.zeros(len(rows), bool)
        else:
            outputs = self._with_features.predict_on_batch(images)
            rows, features = (np.asarray(each, np.float32) for each in outputs)
            unsure = self.detector.unsure(features)
        check_probabilities(rows, self.name)
        return rows[:, 1], unsure

    @functools.cached_property
    def _with_features(self) -> keras.Model:
        assert self.detector is not None
        return self.detector.answers_of(self.model)

    def label(self, score: float) -> str:
        """Returns the name of the class that a score means."""
        return self.class_names[score >= self.threshold]


def load_classifier(
    model: str | Path | keras.Model | Classifier,
    threshold: float | None = None,
    *,
    recall: float | None = None,
    false_alarm_rate: float | None = None,
    unsure: bool = True,
) -> Classifier:
    """Loads a model and the threshold that belongs to it, or another one.

    Args:
        model: A .keras file, a run's folder, a preset's name, a model that is loaded already, or
            a `Classifier`.
        threshold: Overrides the model's own, which stands in the record beside it (a preset's, in
            its card); 0.5 when the model has none.
        recall: Chooses the threshold that finds at least this share of the cracks, above 0 and at
            most 1, of the validation scores that stand beside the model; see
            `crackdet.evaluation.operating_point`.
        false_alarm_rate: Chooses the one that raises an alarm on at most this share of the sound
            images, 0 to 1.
        unsure: Whether it may be unsure of pictures that are like nothing in its training.

    Raises:
        CrackdetError: If the model cannot be loaded, is no classifier of two classes, or stores no
            validation scores to choose from.
        ValueError: If more than one of the three is given, or one is out of range.
    """
    wishes = {"threshold": threshold, "recall": recall, "false_alarm_rate": false_alarm_rate}
    given = [name for name, wish in wishes.items() if wish is not None]
    if len(given) > 1:
        raise ValueError(f"Give one threshold: {' and '.join(given)} exclude each other.")
    classifier = _classifier(model)
    if not unsure:
        classifier = replace(classifier, detector=None)
    if recall is not None or false_alarm_rate is not None:
        return _chosen_by(classifier, recall, false_alarm_rate)
    if threshold is None:
        return classifier
    if not 0 <= threshold <= 1:
        raise ValueError(
            f"`threshold` must be a probability, 0 to 1. Received: threshold={threshold!r}"
        )
    return replace(classifier, threshold=float(threshold), threshold_from="--threshold")


def _chosen_by(
    classifier: Classifier, recall: float | None, false_alarm_rate: float | None
) -> Classifier:
    if classifier.stored_scores is None:
        raise CrackdetError(
            f"{classifier.name} comes without the validation scores that a threshold for a recall "
            "or a false-alarm rate is chosen from: give --threshold, or train it anew with this "
            "version."
        )
    scores = ValidationScores.read(classifier.stored_scores)
    point = operating_point(scores, recall=recall, false_alarm_rate=false_alarm_rate)
    return replace(classifier, threshold=point.threshold, threshold_from=point.source)


def _classifier(model: Any) -> Classifier:
    if isinstance(model, Classifier):
        return model
    if isinstance(model, keras.Model):
        name = f"the model {model.name!r}"
        return _assemble(model, name, ModelRecord(), f"the default, since {name} is given alone")
    if not isinstance(model, str | Path):
        raise ValueError(
            "`model` must be a .keras file, a run's folder, a preset's name, a keras.Model or a "
            f"Classifier. Received: model={model!r}"
        )
    path, name = Path(model), str(model)
    if not path.exists() and name in preset_names():
        return _preset(name)
    file = path / files.MODEL if path.is_dir() else path
    loaded = load_model(model)
    record, source = read_record(file), str(record_file(file))
    if record is None:
        record, source = ModelRecord(), f"the default, since {name} comes without one"
    return _with_detector(_assemble(loaded, name, record, source), file)


@functools.cache
def _preset(name: str) -> Classifier:
    """Loads a shipped classifier once a process: its files do not change."""
    card = preset_card(name)
    source = f"the card of the preset {name}"
    classifier = _assemble(load_model(name), name, record_of_card(card), source)
    return _with_detector(replace(classifier, limits=_limits(name, card)), name)


def _with_detector(classifier: Classifier, model: str | Path) -> Classifier:
    """Adds what stands beside a model to tell pictures that are like nothing in its training."""
    statistics = feature_statistics(model)
    detector = OutOfDistribution.of(statistics)
    if statistics is None or detector is None:
        return classifier
    layers = {layer.name: layer for layer in classifier.model.layers}
    channels = statistics.means.shape[1]
    if HEAD_NAME not in layers or layers[HEAD_NAME].input.shape[1:] != (channels,):
        raise CrackdetError(
            f"The statistics beside {classifier.name} are those of another model, whose head takes "
            f"{channels} features: copy the model's files again, or remove its .statistics.npz."
        )
    return replace(classifier, detector=detector)


def _limits(name: str, card: dict[str, Any]) -> str:
    """Returns what a preset's card says of sites that it was not trained on, in one line."""
    sentences = [f"{name}: {card['limits']}"] if "limits" in card else []
    figures = [
        f"{site['data']}: {site['recall']:.1%} of the cracks found at "
        f"{site['false_alarm_rate']:.1%} false alarms"
        for site in card.get("elsewhere", ())
    ]
    if figures:
        sentences.append(f"On other sites: {'; '.join(figures)}.")
    return " ".join(sentences)


def _assemble(model: keras.Model, name: str, record: ModelRecord, source: str) -> Classifier:
    _check_signature(model, name)
    side = record.patch_side or max(model.inputs[0].shape[1:3])
    return Classifier(
        model,
        record.threshold,
        source,
        record.class_names,
        name,
        side,
        stored_scores=record.scores,
        miss_cost=record.miss_cost,
    )


def _check_signature(model: keras.Model, name: str) -> None:
    """Raises unless a model maps RGB images of one size to two outputs."""
    inputs, outputs = (
        [tuple(tensor.shape) for tensor in getattr(model, ends, None) or ()]
        for ends in ("inputs", "outputs")
    )
    expected = (
        "expected a classifier with RGB images of a fixed size and 2 outputs, negative and "
        "positive, after a softmax"
    )
    if len(inputs) != 1 or len(outputs) != 1:
        raise CrackdetError(
            f"{name} has {len(inputs)} inputs and {len(outputs)} outputs that Keras knows: "
            f"{expected}."
        )
    if len(inputs[0]) != 4 or None in inputs[0][1:] or inputs[0][3] != 3:
        raise CrackdetError(f"{name} takes inputs of shape {inputs[0]}: {expected}.")
    if len(outputs[0]) != 2 or outputs[0][1] != 2:
        count = outputs[0][-1] if outputs[0] else 0
        raise CrackdetError(
            f"{name} maps images of {inputs[0][1:3]} to {count} output{'s' * (count != 1)}: "
            f"{expected}."
        )
