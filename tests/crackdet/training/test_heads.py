"""Heads trained side by side come out as each would alone, whoever stands beside them."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from crackdet.data import CrackData
from crackdet.features import FeatureCache
from crackdet.models import replace_head
from crackdet.models.units import HEAD_NAME
from crackdet.training import fit, fit_heads

MakeModel = Callable[..., keras.Model]

RATES = (1e-2, 3e-3, 1e-4)
DROPOUTS = (0.0, 0.3, 0.6)
SEEDS = (4, 5, 9)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FeatureCache:
    return FeatureCache(tmp_path_factory.mktemp("cache"), engine="keras", verbose=0)


@pytest.fixture(scope="module")
def classifier(make_model: MakeModel) -> keras.Model:
    """Whose backbone the heads stand on; their training changes nothing of it."""
    return make_model(augmentation=keras.layers.RandomBrightness(0.3))


def heads(classifier: keras.Model, places: tuple[int, ...] = (0, 1, 2)) -> list[keras.Model]:
    return [replace_head(classifier, dropout=DROPOUTS[p], seed=SEEDS[p]) for p in places]


def side_by_side(
    models: list[keras.Model],
    data: CrackData,
    cache: FeatureCache,
    places: tuple[int, ...] = (0, 1, 2),
    **options: Any,
) -> list[Any]:
    return fit_heads(
        models,
        data,
        learning_rates=[RATES[place] for place in places],
        seeds=[SEEDS[place] for place in places],
        cache=cache,
        **options,
    )


def weights_of(model: keras.Model) -> list[np.ndarray]:
    return model.get_layer(HEAD_NAME).get_weights()


def test_each_head_comes_out_as_alone(
    classifier: keras.Model, data: CrackData, cache: FeatureCache
) -> None:
    places = (0, 2)
    models = heads(classifier, places)
    found = side_by_side(models, data, cache, places, epochs=2, views=2)
    for place, model, history in zip(places, models, found, strict=True):
        (alone,) = heads(classifier, (place,))
        expected = fit(
            alone, data, epochs=2, learning_rate=RATES[place], seed=SEEDS[place], view_seed=0,
            views=2, cache=cache, verbose=0,
        )  # fmt: skip
        assert history.history.keys() == expected.history.keys()
        for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
            np.testing.assert_allclose(
                history.history[name], expected.history[name], rtol=1e-4, err_msg=name
            )
        for ours, theirs in zip(weights_of(model), weights_of(alone), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)
    assert found[0].history["loss"] != found[1].history["loss"]


def test_who_stands_beside_a_head_changes_no_bit(
    classifier: keras.Model, data: CrackData, cache: FeatureCache
) -> None:
    together = heads(classifier)
    histories = side_by_side(together, data, cache, epochs=2)
    for places in ((1,), (2, 0)):
        others = heads(classifier, places)
        found = side_by_side(others, data, cache, places, epochs=2)
        for place, model, history in zip(places, others, found, strict=True):
            for name in ("loss", "val_loss"):
                assert history.history[name] == histories[place].history[name]
            np.testing.assert_equal(weights_of(model), weights_of(together[place]))


@pytest.mark.slow
def test_each_head_stops_when_it_would_alone(
    make_model: MakeModel, data: CrackData, cache: FeatureCache
) -> None:
    first = make_model(dropout=0.5)
    models = [first, replace_head(first, dropout=0.5, seed=1)]
    options: dict[str, Any] = {"epochs": 5, "patience": 1, "cache": cache}
    found = fit_heads(models, data, learning_rates=[3.0, 1e-3], seeds=[0, 1], **options)
    again = replace_head(first, dropout=0.5, seed=1)
    for place, alone in enumerate([make_model(dropout=0.5), again]):
        rate = (3.0, 1e-3)[place]
        expected = fit(alone, data, learning_rate=rate, seed=place, views=1, verbose=0, **options)
        lengths = [len(each.history["loss"]) for each in (found[place], expected)]
        assert lengths[0] == lengths[1]
    assert len(found[0].history["loss"]) < 5, "it stops early"
    models[0].compile(loss="sparse_categorical_crossentropy")
    loss = models[0].evaluate(data.validation.in_order(), verbose=0)
    assert loss == pytest.approx(min(found[0].history["val_loss"]), rel=1e-2)


def test_a_head_that_diverges_is_told_and_leaves_the_others_alone(
    classifier: keras.Model, data: CrackData, cache: FeatureCache
) -> None:
    models = heads(classifier)
    untrained = weights_of(models[2])[0]
    models[1].get_layer(HEAD_NAME).set_weights(
        [np.full_like(weight, np.nan) for weight in weights_of(models[1])]
    )
    first, second, third = side_by_side(models, data, cache, epochs=2)
    assert second is None
    for history in (first, third):
        assert np.isfinite(history.history["val_loss"]).all()
    assert np.isfinite(weights_of(models[2])[0]).all()
    assert not np.array_equal(weights_of(models[2])[0], untrained)


@pytest.mark.slow
def test_a_head_that_is_given_up_stops_there(
    classifier: keras.Model, data: CrackData, cache: FeatureCache
) -> None:
    told: list[list[float]] = []

    def give_up(losses: list[float]) -> bool:
        told.append(losses)
        return losses[0] == told[0][0]  # the first head

    found = side_by_side(heads(classifier, (0, 1)), data, cache, (0, 1), epochs=3, give_up=give_up)
    assert [len(history.history["loss"]) for history in found] == [1, 3]
    assert [len(losses) for losses in told] == [1, 1, 2, 3]
    assert told[-1] == found[1].history["val_loss"]


def test_models_that_share_nothing_are_refused(
    make_model: MakeModel, classifier: keras.Model, data: CrackData, cache: FeatureCache
) -> None:
    with pytest.raises(ValueError, match="share their backbone"):
        side_by_side([classifier, make_model()], data, cache, (0, 1))
    with pytest.raises(ValueError, match="depth 0"):
        side_by_side([make_model(2)], data, cache, (0,))
    with pytest.raises(ValueError, match="pooling='local'"):
        side_by_side([replace_head(classifier, pooling="local")], data, cache, (0,))
    with pytest.raises(ValueError, match="1 models, 2 learning rates, 1 seeds"):
        fit_heads([classifier], data, learning_rates=[1, 2], seeds=[0], cache=cache)
    for wrong in ({"learning_rates": [0.0]}, {"learning_rates": [1.0], "epochs": 0}):
        with pytest.raises(ValueError, match="Expected"):
            fit_heads([classifier], data, seeds=[0], cache=cache, **wrong)
