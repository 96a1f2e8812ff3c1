"""Evaluation of one split, and of a whole run with every choice made before test is read."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from crackdet.data import CrackData, ImageSplit
from crackdet.evaluation.baseline import (
    baseline_scores,
    contrast_alarms,
    fit_baseline,
    fit_contrast,
    oriented,
)
from crackdet.evaluation.calibration import calibrated_scores, fit_temperature
from crackdet.evaluation.choice import SPLITS
from crackdet.evaluation.detection import detection_by_width
from crackdet.evaluation.familiar import (
    familiar_statistics,
    features_to_judge,
    painted_inputs,
    surface,
    surface_depth,
    with_familiar_surface,
)
from crackdet.evaluation.filing import (
    predict_probabilities,
    predict_with_features,
    require_two_classes,
    scores_and_doubt,
    write_model,
    write_prediction_rows,
    write_shown,
    written_score,
)
from crackdet.evaluation.metrics import metrics_row
from crackdet.evaluation.samples import collect_samples, painted_samples, stress_samples
from crackdet.evaluation.stress import stress_score
from crackdet.evaluation.threshold import choose_threshold
from crackdet.evaluation.trivial import compare_with_trivial
from crackdet.features import FeatureCache, Uncached
from crackdet.files import write_json
from crackdet.models import scale_logits
from crackdet.models.known_images import KnownImages
from crackdet.models.out_of_distribution import OutOfDistribution
from crackdet.models.validation_scores import ValidationScores
from crackdet.runs import files
from crackdet.stress import StressSplit, width_split

DETECTION_IMAGES = 600  # pictures with cracks of known width, where there is a stress validation


def evaluate(
    model: keras.Model,
    data: CrackData | ImageSplit,
    split: str = "test",
    *,
    threshold: float = 0.5,
    detector: OutOfDistribution | None = None,
    batch_size: int | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Returns the metrics of a model on one split.

    Args:
        model: Maps uint8 images to softmax probabilities of shape `(batch, 2)`.
        data: A `crackdet.data.CrackData`, or one `ImageSplit`, such as `choose_images` returns: all
            images that the model has not met.
        split: `"train"`, `"validation"` or `"test"` of the data. Of a single split all is measured.
        threshold: An image raises an alarm when its positive probability reaches it. Choose it
            on validation (`choose_threshold`).
        detector: That of `crackdet.inference.load_classifier`: images that it is unsure of count as
            mistakes, and the row tells the figures without them. None is never unsure.
        batch_size: Images per step; `None` takes the data's.
        bootstrap: Number of resamples of groups behind the intervals.
        seed: Seed of the resampling.

    Returns:
        The row of `metrics_row` with `split` and `trivial` added: the comparison of
        `compare_with_trivial`, its threshold on contrast fitted on these very images.

    Raises:
        ValueError: If there is no such split, or the model does not return two classes.

    Example:

    >>> data = crackdet.load_data("demo")
    >>> model = crackdet.load_model("concrete")
    >>> evaluate(model, data)["auroc"]
    """
    images = data if isinstance(data, ImageSplit) else _split(data, split)
    if batch_size is not None:
        images = images.in_order()
        images.batch_size = batch_size
    scores, unsure = scores_and_doubt(model, images, detector)
    row = metrics_row(
        images.labels,
        scores,
        threshold=threshold,
        groups=images.groups,
        bootstrap=bootstrap,
        seed=seed,
        unsure=unsure,
    )
    contrast = _fitted_here(images) if 0 < row["positives"] < row["n"] else None
    trivial = compare_with_trivial(
        images.labels,
        scores,
        threshold=threshold,
        groups=images.groups,
        contrast_alarms=contrast,
        unsure=unsure,
    )
    return {"split": images.name, **row, "trivial": trivial}


def evaluate_run(
    model: keras.Model,
    before_model: keras.Model,
    data: CrackData,
    run_dir: str | Path,
    *,
    cache: FeatureCache | None = None,
    seed: int = 0,
    miss_cost: float = 5.0,
    bootstrap: int = 1000,
    started_from: KnownImages | None = None,
    stress: StressSplit | None = None,
    painting: keras.Layer | None = None,
    seconds: dict[str, float] | None = None,
) -> dict[str, Any]:
    """Calibrates a trained model, chooses its threshold, measures it and files the results.

    In this order, so that no choice sees test: the temperature from validation, folded into the
    head of `model` (`crackdet.models.scale_logits`); the threshold from the calibrated validation
    scores; the baseline's threshold from train. Only then is test predicted, once. Where there is a
    stress validation, it stands for validation in these choices: on clean patches like those of
    training every score is right, and says nothing about how sure to be elsewhere. It also asks
    for the probability of detection by crack width (`crackdet.evaluation.detection`).

    The model is unsure of images that are unlike those of its training, as 1 % of validation are
    (`crackdet.models.out_of_distribution`). In the figures at the threshold that is a mistake.
    After training deep on painted views it judges that by features that training did not move
    (`crackdet.evaluation.familiar`).

    Args:
        model: The trained classifier. Its last layer is changed in place by the temperature.
        before_model: The same classifier freshly initialised, for the comparison before and after
            training; its threshold is 0.5, nothing having been chosen for it.
        data: A `crackdet.data.CrackData` with two classes.
        run_dir: The run's folder.
        cache: A `crackdet.training.FeatureCache` to predict through; `None` runs the whole model.
        seed: Seed of the resampling and of the choice of images shown.
        miss_cost: Cost of a missed crack in false alarms, see `choose_threshold`.
        bootstrap: Number of resamples of groups behind the intervals.
        started_from: What the model's starting weights knew: images that they were trained or
            tuned on count as seen by this model too.
        stress: The stress validation of `crackdet.stress.stress_split`, if there is one.
        painting: What painted the views that it was trained on in `cache`, if anything did: they
            are nothing to be unsure of either.
        seconds: Seconds of the stages before this one, passed on to `metrics.json`.

    Returns:
        The content of `metrics.json`.

    Writes `predictions.csv`, `samples.npz`, `architecture.json`, `model.keras` with its record, the
    images that it knows and their statistics, and, last, `metrics.json` into `run_dir`; each file
    appears complete or not at all.

    Raises:
        ValueError: If the data do not have two classes, or validation lacks one.

    Example:

    >>> metrics = evaluate_run(model, before_model, data, "runs/demo")
    >>> metrics["after"]["test"]["recall"]
    """
    require_two_classes(data)
    start, run_dir = time.perf_counter(), Path(run_dir)
    predictor = cache or Uncached()
    # metrics.json marks a finished evaluation: an older one must not stand beside a new model.
    (run_dir / files.METRICS).unlink(missing_ok=True)
    choosing = data.validation if stress is None else stress
    validated, validation_inputs = predict_with_features(model, data.validation, predictor)
    uncalibrated, choosing_inputs = validated, validation_inputs
    if stress is not None:
        uncalibrated, choosing_inputs = predict_with_features(model, stress, predictor)
    temperature = fit_temperature(uncalibrated, choosing.labels)
    calibrated = calibrated_scores(uncalibrated, temperature)
    choice = choose_threshold(
        choosing.labels,
        calibrated,
        groups=choosing.groups,
        miss_cost=miss_cost,
        bootstrap=bootstrap,
        seed=seed,
        chosen_on="validation" if stress is None else "stress validation",
    )
    threshold = choice.threshold
    baseline = fit_baseline(data.train)
    scale_logits(model, temperature)

    trained, inputs = predict_with_features(model, data.train, predictor)
    scores = {"train": trained[:, 1], "validation": calibrated_scores(validated, temperature)}
    familiar: list[tuple[NDArray[np.float32], ArrayLike]] = [(inputs, data.train.labels)]
    if painting is not None and cache is not None:
        familiar.append(painted_inputs(model, data.train, cache, painting, seed))
    statistics = familiar_statistics(familiar, validation_inputs, seed=seed)
    depth = None if stress is None or painting is None or cache is None else surface_depth(model)

    def judged(split: ImageSplit, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        return features_to_judge(model, split, predictor, inputs, depth)

    looks = {
        "train": judged(data.train, inputs),
        "validation": judged(data.validation, validation_inputs),
    }
    if stress is not None:
        looks["stress"] = judged(stress, choosing_inputs)
    if stress is not None and depth is not None:
        painted = surface(model, data.train, predictor, depth, view=1, seed=seed, painting=painting)
        statistics = with_familiar_surface(
            statistics,
            depth,
            [(looks["train"], data.train.labels), painted],
            looks["validation"],
            (looks["stress"], stress.labels),
            stress.families,
            seed=seed,
        )
    detector = OutOfDistribution.of(statistics)
    assert detector is not None
    unsure = {name: detector.unsure(features) for name, features in looks.items()}
    del familiar, inputs, choosing_inputs, looks
    write_model(
        run_dir,
        model,
        data,
        choice,
        ValidationScores.of(choosing.labels, calibrated, choice.chosen_on),
        temperature,
        facts=data.facts(),
        trained_on=data.train,
        known=KnownImages.of(data.content_keys(), started_from),
        statistics=statistics,
    )

    before = {"validation": predict_probabilities(before_model, data.validation, predictor)[:, 1]}
    # Every choice is made and the model is on disk: from here on test is read.
    tested, test_inputs = predict_with_features(model, data.test, predictor)
    scores["test"], unsure["test"] = tested[:, 1], detector.unsure(judged(data.test, test_inputs))
    before["test"] = predict_probabilities(before_model, data.test, predictor)[:, 1]

    deviations = {name: baseline_scores(data.splits[name]) for name in ("validation", "test")}

    def row_of(
        split: ImageSplit, values: ArrayLike, threshold: float, **options: Any
    ) -> dict[str, Any]:
        return metrics_row(
            split.labels,
            values,
            threshold=threshold,
            groups=split.groups,
            bootstrap=bootstrap,
            seed=seed,
            **options,
        )

    def row(name: str, *values: Any, **options: Any) -> dict[str, Any]:
        return row_of(data.splits[name], *values, **options)

    metrics = {
        "data": data.facts(),
        "temperature": temperature,
        **choice.facts(),
        "before": {name: row(name, values, 0.5) for name, values in before.items()},
        "after": {name: row(name, scores[name], threshold, unsure=unsure[name]) for name in SPLITS},
        "baseline": {
            **baseline,
            **{name: _baseline_row(row, name, deviations[name], baseline) for name in deviations},
        },
    }
    if stress is not None:
        metrics["stress"] = {"row": row_of(stress, calibrated, threshold, unsure=unsure["stress"])}
        metrics["stress"] |= stress_score(
            stress.labels,
            calibrated,
            stress.families,
            stress.severities,
            threshold=threshold,
            groups=stress.groups,
        )
        metrics["detection"] = _detection(
            model, data.validation, predictor, detector, threshold, stress.num_images, seed
        )
    metrics["trivial"] = compare_with_trivial(
        data.test.labels,
        scores["test"],
        threshold=threshold,
        groups=data.test.groups,
        miss_cost=miss_cost,
        contrast_alarms=contrast_alarms(deviations["test"], baseline),
        unsure=unsure["test"],
    )
    write_predictions(run_dir / files.PREDICTIONS, data, scores, before, unsure)
    samples = collect_samples(model, data.train, data.test, scores["test"], threshold, seed=seed)
    if painting is not None:
        samples |= painted_samples(painting, data.train, seed=seed)
    if stress is not None:
        samples |= stress_samples(stress, calibrated, threshold=threshold)
    write_shown(run_dir, model, samples)
    metrics["seconds"] = {**(seconds or {}), "evaluation": time.perf_counter() - start}
    write_json(run_dir / files.METRICS, metrics)
    return metrics


def _detection(
    model: keras.Model,
    validation: ImageSplit,
    predictor: FeatureCache | Uncached,
    detector: OutOfDistribution,
    threshold: float,
    most: int,
    seed: int,
) -> dict[str, Any]:
    """Measures how wide a painted crack has to be to be found, on at most so many pictures."""
    painted = width_split(validation, images=min(DETECTION_IMAGES, most), seed=seed)
    probabilities, inputs = predict_with_features(model, painted, predictor)
    looks = features_to_judge(model, painted, predictor, inputs, detector.depth)
    return {
        "side": max(painted.image_size),
        **detection_by_width(
            painted.labels,
            probabilities[:, 1],
            painted.widths,
            painted.contrasts,
            threshold=threshold,
            groups=painted.groups,
            unsure=detector.unsure(looks),
        ),
    }


def write_predictions(
    path: Path,
    data: CrackData,
    scores: Mapping[str, NDArray[np.float32]],
    before: Mapping[str, NDArray[np.float32]],
    unsure: Mapping[str, NDArray[np.bool_]],
) -> None:
    """Writes one row per image of each split, see `write_prediction_rows`."""
    rows = _prediction_rows(data, scores, before, unsure)
    write_prediction_rows(path, rows, further=("unsure",))


def _prediction_rows(
    data: CrackData,
    scores: Mapping[str, NDArray[np.float32]],
    before: Mapping[str, NDArray[np.float32]],
    unsure: Mapping[str, NDArray[np.bool_]],
) -> Iterator[tuple[Any, ...]]:
    for name in SPLITS:
        split = data.splits[name]
        earlier = [*map(written_score, before[name])] if name in before else [""] * len(split.keys)
        doubt = ["true" if each else "false" for each in unsure[name]]
        for key, label, score, score_before, group, doubtful in zip(
            split.keys, split.labels, scores[name], earlier, split.groups, doubt, strict=True
        ):
            yield key, name, int(label), written_score(score), score_before, int(group), doubtful


def _baseline_row(
    row: Callable[..., dict[str, Any]],
    name: str,
    deviations: NDArray[np.float64],
    baseline: dict[str, Any],
) -> dict[str, Any]:
    direction = baseline["direction"]
    values = oriented(deviations, direction)
    signed = float(oriented(np.array(baseline["threshold"]), direction))
    return row(name, values, signed, are_probabilities=False) | {"threshold": baseline["threshold"]}


def _fitted_here(images: ImageSplit) -> NDArray[np.bool_]:
    """Alarms of the threshold on contrast that suits these images best."""
    deviations = baseline_scores(images)
    return contrast_alarms(deviations, fit_contrast(images.labels, deviations))


def _split(data: CrackData, name: str) -> ImageSplit:
    if name not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}; received {name!r}.")
    return data.splits[name]
