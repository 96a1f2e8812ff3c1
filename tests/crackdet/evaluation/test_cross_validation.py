"""Cross-validation: what each figure knows of the image that it judges, and what is filed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.errors import CrackdetError
from crackdet.evaluation import (
    choose_threshold,
    cross_validate,
    cross_validation,
    fit_temperature,
    metrics_row,
)
from crackdet.evaluation.cross_validation import cross_fit, undivided
from crackdet.features import FeatureCache
from crackdet.files import read_csv
from crackdet.models.known_images import KnownImages, images_file
from crackdet.models.record import read_record
from crackdet.report import write_report
from crackdet.runs.record import write_config
from crackdet.training import folds
from tests.tiny import make_model, part

__all__ = ["make_model"]

# Folds are trained on every backend in `training/test_folds.py` and by the whole job.
pytestmark = pytest.mark.slow

OPTIONS: dict[str, Any] = {
    "folds": 3, "epochs": 6, "learning_rate": 3e-2, "views": 1, "bootstrap": 20, "verbose": 0,
}  # fmt: skip


def undivided_data() -> CrackData:
    """Sixty images in thirty groups of one class each, all in one split."""
    images, labels = part(60, 0)
    groups = np.arange(60) // 4 * 2 + np.arange(60) % 2
    return CrackData.from_arrays(
        train=part(0, 1), validation=part(0, 1), test=(images, labels, groups), batch_size=8
    )


@pytest.fixture(scope="module")
def done(
    make_model: Callable[..., keras.Model], tmp_path_factory: pytest.TempPathFactory
) -> tuple[CrackData, keras.Model, dict[str, Any], Path]:
    data, run = undivided_data(), tmp_path_factory.mktemp("runs") / "small"
    cache = FeatureCache(run.parent / "cache", engine="keras", verbose=0)
    model = make_model()
    known = KnownImages.of({"train": data.test.digests[:2]})
    metrics = cross_validate(
        model, make_model(), data, run, cache=cache, started_from=known, **OPTIONS
    )
    return data, model, metrics, run


def test_a_folds_threshold_and_temperature_know_nothing_of_the_fold() -> None:
    """A leak would show: labels of a fold turned round move what judges it."""
    random = np.random.default_rng(0)
    labels, fold_of = np.arange(60) % 2, np.arange(60) // 20
    score = np.clip(0.3 + 0.3 * labels + random.normal(0, 0.2, 60), 0.02, 0.98)
    probabilities = np.stack([1 - score, score], axis=1)
    fitted = cross_fit(probabilities, labels, fold_of)
    turned = cross_fit(probabilities, np.where(fold_of == 1, 1 - labels, labels), fold_of)
    own = fold_of == 1
    np.testing.assert_array_equal(turned.thresholds[own], fitted.thresholds[own])
    assert turned.temperatures[1] == fitted.temperatures[1]
    assert turned.temperatures[0] != fitted.temperatures[0]
    assert not np.array_equal(turned.thresholds[~own], fitted.thresholds[~own])


def test_every_image_is_judged_once_out_of_its_fold(
    done: tuple[CrackData, keras.Model, dict[str, Any], Path],
) -> None:
    data, _, metrics, run = done
    rows = read_csv(run / "predictions.csv")
    assert [row["key"] for row in rows] == data.test.keys
    assert {row["split"] for row in rows} == {"cross_validation"}
    where: dict[str, set[str]] = {}
    for row in rows:
        where.setdefault(row["group"], set()).add(row["fold"])
    assert all(len(each) == 1 for each in where.values())
    assert {fold for each in where.values() for fold in each} == {"1", "2", "3"}

    row = metrics["after"]["cross_validation"]
    again = metrics_row(
        [int(each["label"]) for each in rows],
        np.array([each["score"] for each in rows], np.float32),
        threshold=np.array([float(each["threshold"]) for each in rows]),
        groups=[int(each["group"]) for each in rows],
        bootstrap=20,
    )
    assert again == row
    assert (row["n"], row["groups"]) == (60, 30)
    assert row["auroc"] != metrics["before"]["cross_validation"]["auroc"], "it was trained"
    assert json.loads((run / "metrics.json").read_text()) == metrics
    found = metrics["cross_validation"]
    assert found["folds"] == len(found["each"]) == 3
    assert sum(fold["n"] for fold in found["each"]) == 60
    assert found["notes"] == [
        "2 of the images were used to make the starting weights: the figures are too good."
    ]


def test_the_kept_model_has_seen_all_images_and_the_threshold_of_all_scores(
    done: tuple[CrackData, keras.Model, dict[str, Any], Path],
) -> None:
    data, model, metrics, run = done
    made = [np.load(run / "folds" / f"{number}.npz") for number in (1, 2, 3)]
    rows = read_csv(run / "predictions.csv")
    probabilities = np.empty((60, 2), np.float32)
    for number, fold in enumerate(made, start=1):
        probabilities[[row["fold"] == str(number) for row in rows]] = fold["probabilities"]
    temperature = fit_temperature(probabilities, data.test.labels)
    assert metrics["temperature"] == temperature
    logits = np.log(probabilities.astype(np.float64)) / temperature
    calibrated = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    choice = choose_threshold(
        data.test.labels, calibrated.astype(np.float32), groups=data.test.groups
    )
    assert metrics["threshold"] == pytest.approx(choice.threshold, rel=1e-3)
    record = read_record(run / "model.keras")
    assert record is not None
    assert record.threshold == metrics["threshold"]
    assert "cross-validation" in record.threshold_rule
    assert set(KnownImages.read(images_file(run / "model.keras")).roles(data.test.digests)) == {
        "train"
    }
    saved = keras.saving.load_model(run / "model.keras")
    images = data.test.images(range(8))
    np.testing.assert_allclose(
        saved.predict(images, verbose=0), model.predict(images, verbose=0), atol=1e-6
    )
    best = sorted(sum(fold["epochs"].values()) for fold in metrics["cross_validation"]["each"])[1]
    assert len(read_csv(run / "history.csv")) == best


def test_the_report_says_cross_validated(
    done: tuple[CrackData, keras.Model, dict[str, Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _, _, run = done
    write_config(run, {"data": "x", "folds": 3, "weights": None}, data)
    page = write_report(run).read_text()
    assert "cross-validated on 60 images in 30 groups, 3 folds" in page
    assert "trained on none of its group" in page
    assert "Folds: what was held out" in page
    assert "--folds 3" in page
    for word in ("test split", "test images", "Test was read", "on validation and train"):
        assert word not in page, word


def test_no_figure_hangs_on_the_model_that_has_seen_all_images(
    done: tuple[CrackData, keras.Model, dict[str, Any], Path],
    make_model: Callable[..., keras.Model],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """One that answers nonsense changes none of them; folds that are done are not trained again."""
    data, _, metrics, run = done

    def nonsense(model: keras.Model, *_: object, **__: object) -> tuple[None, dict[str, int]]:
        model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
        return None, {"head": 1, "fine_tune": 0}

    def unexpected(*_: object, **__: object) -> None:
        raise AssertionError("this fold is done")

    shutil.copytree(run / "folds", tmp_path / "folds")
    monkeypatch.setattr(cross_validation, "fit_all", nonsense)
    monkeypatch.setattr(folds, "fit", unexpected)
    known = KnownImages.of({"train": data.test.digests[:2]})
    again = cross_validate(
        make_model(), make_model(), data, tmp_path, started_from=known, **OPTIONS
    )
    for name in ("after", "baseline", "trivial", "threshold", "temperature"):
        assert again[name] == metrics[name]


def test_data_with_splits_of_their_own_are_refused() -> None:
    own = CrackData.from_arrays(train=part(8, 0), validation=part(4, 1), test=part(4, 2))
    with pytest.raises(
        CrackdetError, match=r"splits of its own \(train, validation, test\).*--folds"
    ):
        undivided(own)
    three = CrackData.from_arrays(
        train=part(3, 0), validation=part(0, 1), test=part(0, 2), class_names=("a", "b", "c")
    )
    with pytest.raises(ValueError, match="two classes"):
        cross_validate(None, None, three, "run")  # type: ignore[arg-type]
