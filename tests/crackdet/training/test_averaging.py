"""`fit_averaged`: the mean of trainings from one start, and what a killed call leaves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from crackdet.data import CrackData
from crackdet.features import FeatureCache
from crackdet.files import read_csv
from crackdet.training import averaging, fit, fit_averaged
from crackdet.training.averaging import best_shift

OPTIONS: dict[str, Any] = {"epochs": 1, "views": 1, "seed": 3, "verbose": 0}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FeatureCache:
    return FeatureCache(tmp_path_factory.mktemp("cache"), engine="keras", verbose=0)


def test_the_model_ends_with_the_mean_of_trainings_from_one_start(
    make_model: Callable[..., keras.Model], data: CrackData, cache: FeatureCache
) -> None:
    model = make_model(0)
    start = model.get_weights()
    found = []
    for number in range(2):
        model.set_weights(start)
        own = {**OPTIONS, "seed": 3 + number, "view_seed": 3, "learning_rate": 2e-2}
        log = fit(model, data, cache=cache, **own).history
        found.append(model.get_weights())
    model.set_weights(start)
    history = fit_averaged(model, data, members=2, learning_rate=2e-2, cache=cache, **OPTIONS)
    bias = model.get_layer("predictions").bias.path  # it is fitted again
    left = best_shift(cache.predict(model, data.validation), data.validation.labels)
    np.testing.assert_allclose(left, 0, atol=2e-3)
    for variable, mean, first, second in zip(
        model.weights, model.get_weights(), *found, strict=True
    ):
        if "seed" not in variable.path and variable.path != bias:
            np.testing.assert_allclose(mean, (first + second) / 2, rtol=1e-6, atol=1e-9)
    assert not all(np.array_equal(*pair) for pair in zip(*found, strict=True))
    assert history.history["member"] == [1, 2]
    assert history.history["val_loss"][1] == log["val_loss"][0]
    with pytest.raises(ValueError, match="members of 1 or more"):
        fit_averaged(model, data, members=0)


def test_the_shift_is_that_of_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    odds = 3 * (2 * labels - 1) + rng.normal(2, 4, 400)
    fitted = LogisticRegression(C=np.inf).fit(odds[:, None], labels)
    shift = best_shift(np.stack([expit(-odds), expit(odds)], 1), labels)
    expected = fitted.intercept_[0] / fitted.coef_[0, 0]
    assert shift[1] - shift[0] == pytest.approx(expected, abs=1e-2)


def test_a_member_that_is_done_is_not_trained_again(
    make_model: Callable[..., keras.Model],
    data: CrackData,
    cache: FeatureCache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained: list[int] = []

    def watched(model: keras.Model, data: CrackData, **options: Any) -> keras.callbacks.History:
        trained.append(options["seed"])
        if len(trained) == 2:
            raise KeyboardInterrupt
        return fit(model, data, **options)

    monkeypatch.setattr(averaging, "fit", watched)
    model = make_model(0)
    start = model.get_weights()
    options = {**OPTIONS, "members": 2, "cache": cache, "run_dir": tmp_path, "tensorboard": False}
    with pytest.raises(KeyboardInterrupt):
        fit_averaged(model, data, **options)
    model.set_weights(start)
    again = FeatureCache(tmp_path / "other", engine="keras", verbose=0)
    fit_averaged(model, data, **{**options, "cache": again})
    assert trained == [3, 4, 4]
    rows = read_csv(tmp_path / "history.csv")
    assert [row["member"] for row in rows] == ["1", "2"]
    resumed = model.get_weights()
    model.set_weights(start)
    fit_averaged(model, data, **{**options, "run_dir": None})
    for one, other in zip(resumed, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    # Another training is not taken for it.
    model.set_weights(start)
    fit_averaged(model, data, **{**options, "learning_rate": 5e-3})
    assert trained == [3, 4, 4, 3, 4, 3, 4]
