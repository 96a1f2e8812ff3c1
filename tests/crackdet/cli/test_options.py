"""Options: that they mirror Python arguments, and their defaults."""

import argparse
import inspect

import pytest

from crackdet.cli import options
from crackdet.cli.defaults import DATA_DEFAULTS, DEFAULTS
from crackdet.cli.recipes import RECIPES
from crackdet.runs.record import spelled


def test_the_data_set_decides_what_was_not_given() -> None:
    resolved = options.resolve({"epochs": 7, "other": 1}, "demo", options.TRAINING)
    assert resolved["epochs"] == 7
    assert resolved["views"] == DATA_DEFAULTS["demo"]["views"]
    assert resolved["patience"] == DEFAULTS["patience"]
    assert "other" not in resolved
    assert options.resolve({}, "photos", options.TRAINING)["views"] == DEFAULTS["views"]


def test_both_names_of_the_demo_have_its_defaults() -> None:
    assert options.resolve({}, "concrete_cracks/demo", ("weights",)) == {"weights": "concrete"}


def test_every_default_belongs_to_an_option_and_could_be_given() -> None:
    assert set(DEFAULTS) == set(options.OPTIONS)
    for table in (DEFAULTS, *DATA_DEFAULTS.values(), *RECIPES.values()):
        for name, value in table.items():
            text = spelled(value)
            assert options.OPTIONS[name].read(text) == value


def test_options_are_named_like_the_python_arguments_they_become() -> None:
    import tuning
    from crackdet.data import load_data
    from crackdet.evaluation import cross_validate
    from crackdet.models import mobilenet_v2_classifier
    from crackdet.training import fit

    # `run` holds a search and a final fit, so the search's own epochs and views have a prefix.
    search = tuple(
        name.removeprefix("search_") if name != "search_images" else name for name in options.SEARCH
    )
    for function, names in (
        (load_data, options.LOADING),
        (mobilenet_v2_classifier, (*options.BACKBONE, "dropout", "unfreeze_depth")),
        (tuning.search, (*search, *options.COMPUTING)),
        (fit, (*options.TRAINING, *options.COMPUTING, "learning_rate")),
        (cross_validate, options.EVALUATION),
    ):
        assert set(names) <= set(inspect.signature(function).parameters)


@pytest.mark.parametrize(("name", "value"), [("pruning", "median"), ("halving_factor", 4)])
def test_hyperband_halves_by_itself(name: str, value: object) -> None:
    resolved = options.resolve({"tuner": "hyperband"}, "photos", options.SEARCH)
    assert resolved["pruning"] is resolved["halving_factor"] is None
    with pytest.raises(options.UsageError, match=options.flag(name)):
        options.resolve({"tuner": "hyperband", name: value}, "photos", options.SEARCH)


def test_painting_is_judged_by_the_loss_under_stress_and_needs_views() -> None:
    groups = (options.SEARCH, options.TRAINING, options.PAINTING)
    plain = options.resolve({}, "photos", *groups)
    assert (plain["painting"], plain["objective"], plain["search_views"]) == (0, "val_loss", 1)
    read = options.OPTIONS["painting"].read
    painted = options.resolve({"painting": read("0.5,1")}, "photos", *groups)
    assert painted["painting"] == [0.5, 1.0]
    assert painted["objective"] == "val_stress_loss"
    assert painted["search_views"] > 1
    given = {"painting": 1.0, "objective": "val_accuracy"}
    assert options.resolve(given, "photos", *groups)["objective"] == "val_accuracy"
    for name in ("views", "search_views"):
        with pytest.raises(options.UsageError, match=f"{options.flag(name)} 1 shows"):
            options.resolve({"painting": 1.0, name: 1}, "photos", *groups)
    with pytest.raises(options.UsageError, match="give one"):
        options.resolve({"painting": [0.5, 1.0]}, "photos", *groups[1:])
    for wrong in ("1,0.5", "0,0.5,1,2", "2.5", "much"):
        with pytest.raises(argparse.ArgumentTypeError):
            read(wrong)


def test_a_recipe_sets_defaults_and_what_is_given_beside_it_wins() -> None:
    from crackdet.cli.train import GROUPS

    recipe = RECIPES["unseen"]
    resolved = options.resolve({"recipe": "unseen", "epochs": 3}, "photos", *GROUPS)
    assert {name: resolved[name] for name in recipe} == {**recipe, "epochs": 3}
    assert resolved["recipe"] == "unseen"
    unset = set(resolved) - set(recipe) - {"recipe"}
    assert all(resolved[name] == DEFAULTS[name] for name in unset)
    with pytest.raises(argparse.ArgumentTypeError, match=f"expected {' or '.join(RECIPES)}"):
        options.OPTIONS["recipe"].read("seen")


def test_train_images_thin_a_train_split() -> None:
    groups = (options.LOADING, options.TRAIN_IMAGES, options.EVALUATION)
    assert options.resolve({"train_images": 9}, "photos", *groups)["train_images"] == 9
    with pytest.raises(options.UsageError, match="--train-images is of one training"):
        options.resolve({"train_images": 9, "folds": 5}, "photos", *groups)


def test_members_are_of_a_training_with_splits() -> None:
    groups = (options.LOADING, options.MEMBERS, options.EVALUATION)
    assert options.resolve({"members": 3}, "photos", *groups)["members"] == 3
    with pytest.raises(options.UsageError, match="--members is of one training"):
        options.resolve({"members": 3, "folds": 5}, "photos", *groups)


def test_objectives_are_those_of_the_search() -> None:
    from crackdet.runs.trials import OBJECTIVES

    for name in OBJECTIVES:
        assert options.OPTIONS["objective"].read(name) == name
    with pytest.raises(argparse.ArgumentTypeError, match=" or ".join(OBJECTIVES)):
        options.OPTIONS["objective"].read("accuracy")


def test_a_search_on_all_images_has_no_rounds() -> None:
    assert options.resolve({"search_images": None}, "x", options.SEARCH)["halving_factor"] is None
    assert options.resolve({"search_images": 9}, "x", options.SEARCH)["halving_factor"] == 4
    with pytest.raises(options.UsageError, match="--halving-factor runs trials again on more"):
        options.resolve({"search_images": None, "halving_factor": 2}, "x", options.SEARCH)
