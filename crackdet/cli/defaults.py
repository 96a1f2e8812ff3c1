"""The default of every option, and what the data sets change about them."""

from typing import Any

# The Python functions' own defaults, but for what a whole run on tens of thousands of images wants.
DEFAULTS: dict[str, Any] = {
    "image_size": 224,
    "batch_size": 32,
    "validation_fraction": 0.1,
    "test_fraction": 0.1,
    "group_by": None,
    "groups": None,
    "audit": True,
    "seed": 0,
    "positive": None,
    "labels": None,
    "alpha": 1.0,
    "weights": "imagenet",
    "tuner": "bayesian",
    "max_trials": 12,
    "objective": "val_loss",
    "search_images": 2000,
    "halving_factor": 4,
    "pruning": None,
    "search_epochs": 3,
    "search_views": 1,
    "epochs": 10,
    "head_epochs": None,
    "fine_tune_factor": 0.1,
    "schedule": "cosine",
    "patience": 3,
    "class_weight": None,
    "views": 4,
    "mixed_precision": False,
    "dropout": 0.3,
    "learning_rate": 1e-3,
    "unfreeze_depth": 0,
    "miss_cost": 5.0,
    "bootstrap": 1000,
}

# What a data set changes. `demo` starts from the shipped weights, so that nothing is downloaded,
# and searches little, so that the whole run takes a few minutes.
DATA_DEFAULTS: dict[str, dict[str, Any]] = {
    "demo": {
        "weights": "concrete",
        "max_trials": 4,
        "search_images": 320,
        "halving_factor": None,
        "search_epochs": 2,
        "epochs": 4,
        "views": 2,
    },
}


def default(name: str, data: str) -> Any:
    """The default of an option for a data set, say `default("epochs", "demo")`."""
    return DATA_DEFAULTS.get(_data_set(data), {}).get(name, DEFAULTS[name])


def _data_set(data: str) -> str:
    return "demo" if data == "concrete_cracks/demo" else data
