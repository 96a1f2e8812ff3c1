"""Cross-validation by group: on a few hundred images, all of them judge, none its own model."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from crackdet.data import CrackData, ImageSplit
from crackdet.errors import CrackdetError
from crackdet.evaluation.baseline import baseline_scores, fit_contrast, oriented
from crackdet.evaluation.calibration import calibrated_scores, fit_temperature
from crackdet.evaluation.familiar import cross_fitted_statistics, painted_inputs
from crackdet.evaluation.filing import (
    checked_probabilities,
    predict_probabilities,
    predict_with_features,
    require_two_classes,
    write_model,
    write_prediction_rows,
    write_shown,
    written_score,
)
from crackdet.evaluation.metrics import metrics_row
from crackdet.evaluation.samples import collect_samples, painted_samples
from crackdet.evaluation.threshold import choose_threshold
from crackdet.evaluation.trivial import compare_with_trivial
from crackdet.features import FeatureCache, Uncached
from crackdet.files import write_json
from crackdet.models import scale_logits
from crackdet.models.known_images import SEEN, KnownImages
from crackdet.models.validation_scores import ValidationScores
from crackdet.runs import files
from crackdet.runs.judged import CROSS_VALIDATION
from crackdet.training.folds import Fold, deal_folds, fit_all, fit_folds

_IN_A_FOLD = ("accuracy", "recall", "precision", "auroc")


@dataclass(frozen=True)
class CrossFit:
    """Calibrated scores and thresholds, each image's chosen without its own fold.

    Attributes:
        scores: Calibrated probabilities of the positive class, float32 `(n,)`.
        thresholds: The threshold that each image is judged by, `(n,)`.
        temperatures: The temperature of each fold, `(folds,)`.
    """

    scores: NDArray[np.float32]
    thresholds: NDArray[np.float64]
    temperatures: NDArray[np.float64]


def cross_fit(
    probabilities: ArrayLike,
    labels: ArrayLike,
    fold_of: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    miss_cost: float = 5.0,
) -> CrossFit:
    """Calibrates out-of-fold scores and chooses thresholds, each fold's by the other folds alone.

    Args:
        probabilities: What each image's own fold's model said of it, shape `(n, 2)`.
        labels: Integers of shape `(n,)`, 0 or 1; without any one fold both must be left.
        fold_of: The fold of each image, integers from 0, shape `(n,)`.
        groups: As in `choose_threshold`.
        miss_cost: As in `choose_threshold`.

    Example:

    >>> p = np.array([[0.9, 0.1], [0.2, 0.8], [0.8, 0.2], [0.3, 0.7]])
    >>> cross_fit(p, [0, 1, 0, 1], [0, 0, 1, 1]).thresholds.round(1)
    array([0.2, 0.2, 0.2, 0.2])
    """
    p, y, fold = np.asarray(probabilities), np.asarray(labels), np.asarray(fold_of)
    group_of = np.arange(y.size) if groups is None else np.asarray(groups)
    scores = np.empty(y.size, np.float32)
    thresholds, temperatures = np.empty(y.size), []
    for number in range(int(fold.max()) + 1):
        own = fold == number
        temperature = fit_temperature(p[~own], y[~own])
        choice = choose_threshold(
            y[~own],
            calibrated_scores(p[~own], temperature),
            groups=group_of[~own],
            miss_cost=miss_cost,
            bootstrap=0,
        )
        scores[own] = calibrated_scores(p[own], temperature)
        thresholds[own] = choice.threshold
        temperatures.append(temperature)
    return CrossFit(scores, thresholds, np.array(temperatures))


def cross_validate(
    model: keras.Model,
    before_model: keras.Model,
    data: CrackData,
    run_dir: str | Path,
    *,
    folds: int = 5,
    validation_fraction: float = 0.1,
    cache: FeatureCache | None = None,
    stress_images: int | None = None,
    seed: int = 0,
    miss_cost: float = 5.0,
    bootstrap: int = 1000,
    started_from: KnownImages | None = None,
    notes: Sequence[str] = (),
    seconds: dict[str, float] | None = None,
    verbose: int = 1,
    **fit_options: Any,
) -> dict[str, Any]:
    """Measures a training by cross-validation, trains on all images and files the results.

    For a folder of a few hundred images, of which a test split would hold a few dozen:

    1. Whole groups are dealt into folds, each with its share of both classes.
    2. For each fold a model is trained on the others (`crackdet.training.fit`, stopped by a part
       of them) and judges the fold. So each image gets a score out of its fold.
    3. Each fold's temperature and threshold are chosen by the scores of the other folds. The
       figures are of all images, with intervals by group.
    4. The model that is kept is trained on all images, for the median of the folds' best epochs,
       with the temperature and the threshold that suit the scores of all. No figure is its own:
       it has seen every image. So none tells either of what it is unsure: it is, of 1 % of images
       like these.

    Args:
        model: A classifier with the weights that training starts from. It ends trained on all
            images, its last layer changed by the temperature.
        before_model: The same classifier freshly initialised, for the comparison before and after
            training; its threshold is 0.5.
        data: Data of two classes without splits of their own: `load_data(folder, cut=False)`.
        run_dir: The run's folder. Folds that are done stand there: a call that was stopped goes on.
        folds: The most folds; fewer where groups are few.
        validation_fraction: Share of all images by which each fold's training stops.
        cache: Where frozen features are kept, which all folds share; needed for `views`.
        stress_images: How many pictures are made of each fold's validation images, on which its
            epochs are measured under stress; None for none.
        seed: Seed of the folds, the trainings, the resampling and the choice of images shown.
        miss_cost: Cost of a missed crack in false alarms, see `choose_threshold`.
        bootstrap: Number of resamples of groups behind the intervals.
        started_from: What the starting weights knew; a caution says where it is among the images.
        notes: Further sentences that a reader of the figures must know.
        seconds: Seconds of the stages before this one, passed on to `metrics.json`.
        verbose: 0 silent, 1 progress bar, 2 one line an epoch.
        **fit_options: Further arguments of `crackdet.training.fit`.

    Returns:
        The content of `metrics.json`: as that of `evaluate_run`, its rows under the name
        "cross_validation" in place of splits, and `cross_validation` with what the folds were.

    Writes what `evaluate_run` writes, and `history.csv` of the training on all images;
    `predictions.csv` tells the fold and the threshold of each image.

    Raises:
        ValueError: If the data do not have two classes or an argument is out of range.
        CrackdetError: If the data have splits of their own, or too few groups.

    Example:

    >>> data = crackdet.load_data("my_patches", cut=False)
    >>> model, before = (crackdet.models.mobilenet_v2_classifier() for _ in range(2))
    >>> metrics = cross_validate(model, before, data, "runs/mine", epochs=10)
    >>> metrics["after"]["cross_validation"]["recall"]
    """
    require_two_classes(data)
    start, run_dir = time.perf_counter(), Path(run_dir)
    (run_dir / files.METRICS).unlink(missing_ok=True)
    images = undivided(data)
    dealt = deal_folds(images, folds, validation_fraction=validation_fraction, seed=seed)
    options = {"seed": seed, **fit_options}
    painting = options.get("painting")
    shared = {"cache": cache, "run_dir": run_dir, "verbose": verbose, **options}
    results = fit_folds(
        model, images, dealt, data.class_names, stress_images=stress_images, **shared
    )
    fold_of, probabilities = _out_of_fold(images, dealt, [each.probabilities for each in results])
    labels, groups = images.labels, images.groups
    fitted = cross_fit(probabilities, labels, fold_of, groups=groups, miss_cost=miss_cost)

    _, epochs = fit_all(model, images, results, data.class_names, **shared)
    temperature = fit_temperature(probabilities, labels)
    calibrated = calibrated_scores(probabilities, temperature)
    choice = choose_threshold(
        labels,
        calibrated,
        groups=groups,
        miss_cost=miss_cost,
        bootstrap=bootstrap,
        seed=seed,
        chosen_on="cross-validation",
    )
    scale_logits(model, temperature)
    views = [(predict_with_features(model, images, cache or Uncached())[1], labels)]
    if cache is not None and painting is not None:
        views.append(painted_inputs(model, images, cache, painting, seed))
    facts = {
        **data.facts(),
        "counts": {"all": _counts(images, data.class_names)},
        "groups": {"all": len(np.unique(groups))},
    }
    known = KnownImages.of({"train": images.digests}, started_from)
    write_model(
        run_dir,
        model,
        data,
        choice,
        ValidationScores.of(labels, calibrated, choice.chosen_on),
        temperature,
        facts=facts,
        trained_on=images,
        known=known,
        statistics=cross_fitted_statistics(views, fold_of, seed=seed),
    )

    before = predict_probabilities(before_model, images, cache or Uncached())[:, 1]

    def row(scores: ArrayLike, thresholds: Any, **options: Any) -> dict[str, Any]:
        return metrics_row(
            labels,
            scores,
            threshold=thresholds,
            groups=groups,
            bootstrap=bootstrap,
            seed=seed,
            **options,
        )

    baseline, margins = _cross_fitted_contrast(images, fold_of)
    contrast = row(margins, 0.0, are_probabilities=False) | {"threshold": baseline["threshold"]}
    metrics = {
        "data": facts,
        "temperature": temperature,
        **choice.facts(),
        "before": {CROSS_VALIDATION: row(before, 0.5)},
        "after": {CROSS_VALIDATION: row(fitted.scores, fitted.thresholds)},
        "baseline": {**baseline, CROSS_VALIDATION: contrast},
        "trivial": compare_with_trivial(
            labels,
            fitted.scores,
            threshold=fitted.thresholds,
            groups=groups,
            miss_cost=miss_cost,
            contrast_alarms=margins >= 0,
        ),
        CROSS_VALIDATION: {
            "folds": len(dealt),
            "folds_wanted": folds,
            "epochs": epochs,
            "each": [
                _fold_facts(images, fold_of == number, fitted, number)
                | {"epochs": dict(result.epochs), "val_loss": result.val_loss}
                for number, result in enumerate(results)
            ],
            "notes": [*_notes(images, len(dealt), folds, started_from), *notes],
        },
    }
    write_prediction_rows(
        run_dir / files.PREDICTIONS,
        _prediction_rows(images, fitted, before, fold_of),
        further=("fold", "threshold"),
    )
    shown = collect_samples(model, images, images, fitted.scores, fitted.thresholds, seed=seed)
    if painting is not None:
        shown |= painted_samples(painting, images, seed=seed)
    write_shown(run_dir, model, shown)
    metrics["seconds"] = {**(seconds or {}), CROSS_VALIDATION: time.perf_counter() - start}
    write_json(run_dir / files.METRICS, metrics)
    return metrics


def undivided(data: CrackData) -> ImageSplit:
    """Returns all images of data whose splits are not their own.

    Raises:
        CrackdetError: If they have splits of their own: test is there to be read once.
    """
    own = [name for name, split in data.splits.items() if split.num_images and name not in data.cut]
    if len(own) > 1 or (own and data.cut):
        raise CrackdetError(
            f"{data.name} has splits of its own ({', '.join(own)}), which say what is to be "
            "trained and tested on: cross-validation is for data without them. Leave --folds out."
        )
    return data.whole()


def _out_of_fold(
    images: ImageSplit, dealt: Sequence[Fold], judged: Sequence[NDArray[np.float32]]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Returns the fold of each image, and what that fold's model said of it."""
    fold_of = np.empty(images.num_images, np.int64)
    probabilities = np.full((images.num_images, 2), np.nan, np.float32)
    for number, (fold, rows) in enumerate(zip(dealt, judged, strict=True)):
        fold_of[fold.held_out] = number
        probabilities[fold.held_out] = rows
    return fold_of, checked_probabilities(probabilities, images)


def _cross_fitted_contrast(
    images: ImageSplit, fold_of: NDArray[np.int64]
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """Returns the threshold on contrast, and by how much each image is above its fold's.

    A fold's is fitted on the other folds. An image of a margin of 0 or more is called cracked.
    """
    deviations, margins = baseline_scores(images), np.empty(images.num_images)
    for number in range(int(fold_of.max()) + 1):
        own = fold_of == number
        fit = fit_contrast(images.labels[~own], deviations[~own])
        least = oriented(np.array(fit["threshold"]), fit["direction"])
        margins[own] = oriented(deviations[own], fit["direction"]) - least
    return fit_contrast(images.labels, deviations), margins


def _fold_facts(
    images: ImageSplit, own: NDArray[np.bool_], fitted: CrossFit, number: int
) -> dict[str, Any]:
    threshold = float(fitted.thresholds[own][0])
    row = metrics_row(
        images.labels[own],
        fitted.scores[own],
        threshold=threshold,
        groups=images.groups[own],
        bootstrap=0,
    )
    return {
        "fold": number + 1,
        **{name: row[name] for name in ("n", "positives", "groups", "threshold", *_IN_A_FOLD)},
        "temperature": float(fitted.temperatures[number]),
    }


def _notes(
    images: ImageSplit, folds: int, wanted: int, started_from: KnownImages | None
) -> list[str]:
    notes = []
    if folds < wanted:
        notes.append(
            f"There are {folds} folds, not {wanted}: groups are too few for each fold to have "
            "both classes to train on and to validate on."
        )
    if started_from is not None:
        met = sum(role in SEEN for role in started_from.roles(images.digests))
        if met:
            notes.append(
                f"{met} of the images were used to make the starting weights: the figures are "
                "too good."
            )
    return notes


def _counts(images: ImageSplit, class_names: Sequence[str]) -> dict[str, int]:
    return {name: int(np.sum(images.labels == label)) for label, name in enumerate(class_names)}


def _prediction_rows(
    images: ImageSplit,
    fitted: CrossFit,
    before: NDArray[np.float32],
    fold_of: NDArray[np.int64],
) -> list[tuple[Any, ...]]:
    columns = (
        images.keys,
        [CROSS_VALIDATION] * images.num_images,
        images.labels.tolist(),
        map(written_score, fitted.scores),
        map(written_score, before),
        images.groups.tolist(),
        (fold_of + 1).tolist(),
        fitted.thresholds.tolist(),
    )
    return list(zip(*columns, strict=True))
