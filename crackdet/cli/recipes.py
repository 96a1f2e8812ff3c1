"""Recipes: values of many options under one name, for `crackdet train --recipe NAME`."""

from collections.abc import Iterable
from typing import Any

from crackdet.runs.record import flag, spelled

# For sites that no training has seen: what the stress validation ranked first among the recipes of
# `examples/benchmarks/unseen_sites.csv`; the preset `concrete` was trained by it. All units are at
# the full rate from the first step, and the weights are the mean of two trainings. `patience` is
# none since the rate falls to 0 over all epochs; the best of them counts. `miss_cost`: a survey
# meets few cracks. Where 6 of 100 patches are cracked and a missed one costs 5 false alarms, that
# is 5 * 0.06 / 0.94 on a validation that is balanced.
RECIPES: dict[str, dict[str, Any]] = {
    "unseen": {
        "weights": "imagenet",
        "pooling": "local",
        "dropout": 0.3,
        "learning_rate": 3e-4,
        "unfreeze_depth": 10,
        "epochs": 6,
        "head_epochs": 0,
        "fine_tune_factor": 1.0,
        "patience": None,
        "views": 5,
        "members": 2,
        "painting": 1.5,
        "train_images": 12000,
        "miss_cost": 0.3,
    },
}


def recipe_values(recipe: str | None, names: Iterable[str]) -> dict[str, Any]:
    """Returns what a recipe sets of some options; nothing without a recipe."""
    values = RECIPES[recipe] if recipe else {}
    return {name: values[name] for name in names if name in values}


def in_words() -> str:
    """Returns what each recipe sets, as it would be given on the command line."""
    return "; ".join(
        f"{recipe}: {' '.join(f'{flag(name)} {spelled(value)}' for name, value in values.items())}"
        for recipe, values in RECIPES.items()
    )
