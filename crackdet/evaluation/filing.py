"""The files that an evaluation leaves in a run's folder."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from crackdet.data import CrackData, ImageSplit
from crackdet.evaluation.architecture import architecture
from crackdet.evaluation.threshold import ThresholdChoice
from crackdet.features import FeatureCache, Uncached
from crackdet.files import atomic_write, write_csv, write_json
from crackdet.models.feature_statistics import FeatureStatistics, statistics_file
from crackdet.models.known_images import KnownImages, images_file
from crackdet.models.out_of_distribution import OutOfDistribution
from crackdet.models.outputs import check_probabilities
from crackdet.models.record import ModelRecord, write_record
from crackdet.models.units import with_head_inputs, without_augmentation
from crackdet.models.validation_scores import ValidationScores
from crackdet.runs import files
from crackdet.runs.record import versions


def require_two_classes(data: CrackData) -> None:
    """Raises ValueError unless a data set has two classes."""
    if len(data.class_names) != 2:
        raise ValueError(
            f"Evaluation needs two classes, negative first; received {list(data.class_names)}."
        )


def predict_probabilities(
    model: keras.Model, split: ImageSplit, predictor: FeatureCache | Uncached
) -> NDArray[np.float32]:
    """Returns probabilities of shape `(n, 2)` in the order of the split's labels."""
    return checked_probabilities(predictor.predict(model, split), split)


def predict_with_features(
    model: keras.Model, split: ImageSplit, predictor: FeatureCache | Uncached
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns probabilities `(n, 2)` and what the head takes, `(n, channels)`, of one pass."""
    probabilities, features = predictor.predict(with_head_inputs(model), split)
    return checked_probabilities(probabilities, split), np.asarray(features, np.float32)


def scores_and_doubt(
    model: keras.Model, split: ImageSplit, detector: OutOfDistribution | None
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
    """Returns the scores of a split's images `(n,)`, and of which of them a classifier is unsure.

    The latter is None without a detector. The whole model runs.
    """
    if detector is None:
        return predict_probabilities(model, split, Uncached())[:, 1], None
    probabilities, features = Uncached().predict(detector.answers_of(model), split)
    return checked_probabilities(probabilities, split)[:, 1], detector.unsure(features)


def checked_probabilities(probabilities: Any, split: ImageSplit) -> NDArray[np.float32]:
    """Returns what a model said of a split as float32 `(n, 2)`.

    Raises:
        ValueError: If these are no probabilities of two classes for each image.
    """
    probabilities = np.asarray(probabilities, np.float32)
    if probabilities.shape != (split.num_images, 2):
        raise ValueError(
            "The model must return the probabilities of two classes, shape "
            f"({split.num_images}, 2); received {probabilities.shape}."
        )
    check_probabilities(probabilities, "The model")
    return probabilities


def write_model(
    run_dir: Path,
    model: keras.Model,
    data: CrackData,
    choice: ThresholdChoice,
    scores: ValidationScores,
    temperature: float,
    *,
    facts: Mapping[str, Any],
    trained_on: ImageSplit,
    known: KnownImages,
    statistics: FeatureStatistics | None,
) -> None:
    """Writes `model.keras` with its record, the images that it knows and their statistics.

    Args:
        run_dir: The run's folder.
        model: The calibrated classifier.
        data: What it was made from.
        choice: Its threshold.
        scores: The calibrated scores that it was chosen on.
        temperature: What its head was calibrated with.
        facts: What the record says of the data.
        trained_on: The images that it was trained on.
        known: The images that it knows.
        statistics: What those that it was trained on looked like to its head; None where nobody
            knows.
    """
    with atomic_write(run_dir / files.MODEL) as temporary:
        # Augmentation is of training alone, and needs crackdet: plain Keras loads the rest.
        without_augmentation(model).save(temporary)
    record = ModelRecord(
        tuple(data.class_names),
        choice.threshold,
        choice.rule,
        temperature,
        {"data": dict(facts), "threshold": choice.facts(), "versions": versions()},
        trained_on.patch_side(),
        scores.stored(),
        choice.miss_cost,
    )
    write_record(run_dir / files.MODEL, record)
    known.write(images_file(run_dir / files.MODEL))
    if statistics is not None:
        statistics.write(statistics_file(run_dir / files.MODEL))


def write_shown(run_dir: Path, model: keras.Model, samples: Mapping[str, NDArray[Any]]) -> None:
    """Writes what the report shows: `samples.npz` and `architecture.json`."""
    with atomic_write(run_dir / files.SAMPLES) as temporary:
        np.savez_compressed(temporary, **samples)  # type: ignore[arg-type]
    write_json(run_dir / files.ARCHITECTURE, architecture(model))


def write_prediction_rows(
    path: Path, rows: Iterable[Sequence[Any]], further: Sequence[str] = ()
) -> None:
    """Writes one row per image: key, split, label, score, score_before (empty if none), group.

    The table is UTF-8 whatever the names are; `crackdet.files.read_csv` gives them back exactly.

    Args:
        path: The file.
        rows: The cells of each row.
        further: Names of further columns.
    """
    write_csv(path, ("key", "split", "label", "score", "score_before", "group", *further), rows)


def written_score(score: float) -> str:
    """Returns a score as text: nine digits tell any two float32 values apart."""
    return f"{score:.9g}"
