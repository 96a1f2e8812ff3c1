"""The default of every option, and what the data sets change about them."""

import os
from collections.abc import Iterable
from typing import Any

from crackdet.listing import list_pictures

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
    "pooling": None,
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
    "painting": 0.0,
    "stress_images": 2040,
    "mixed_precision": False,
    "dropout": 0.3,
    "learning_rate": 1e-3,
    "unfreeze_depth": 0,
    "recipe": None,
    "train_images": None,
    "members": 1,
    "folds": None,
    "miss_cost": 5.0,
    "bootstrap": 1000,
}

# What a tenth of fewer images than these is, a test split of 150 with 75 cracks, tells of a recall
# of 95 % no more than that it is between 90 and 100.
FEW_IMAGES = 1500
SMALL_FOLDER = "small folder"

# What a data set changes. `demo` starts from the shipped weights, so that nothing is downloaded,
# and searches little, so that the whole run takes a few minutes. In a small folder all images
# judge, out of their folds, and an epoch has few steps: it takes more epochs.
DATA_DEFAULTS: dict[str, dict[str, Any]] = {
    "demo": {
        "weights": "concrete",
        "max_trials": 4,
        "search_images": 320,
        "stress_images": 340,
        "halving_factor": None,
        "search_epochs": 2,
        "epochs": 4,
        "views": 2,
    },
    # On 240 images of the official train split, whole walls apart, the log loss out of folds was
    # 0.052 with 10 epochs and patience 3, 0.021 to 0.025 with 30, 0.018 to 0.023 with 60.
    SMALL_FOLDER: {"folds": 5, "epochs": 60, "patience": 10},
}


def defaults(names: Iterable[str], data: str) -> dict[str, Any]:
    """Returns the defaults of options for a data set, say `defaults(["epochs"], "demo")`."""
    wanted = list(names)
    own = DATA_DEFAULTS.get("demo" if data == "concrete_cracks/demo" else data, {})
    small = DATA_DEFAULTS[SMALL_FOLDER]
    if small.keys() & set(wanted) and os.path.isdir(data) and is_small(data):
        own = small
    return {name: own.get(name, DEFAULTS[name]) for name in wanted}


def is_small(folder: str) -> bool:
    """Returns whether a folder holds few pictures, which it does not divide into splits itself.

    A train folder alone is no division: test is still to be cut.
    """
    paths = list_pictures(folder).paths
    if len(paths) >= FEW_IMAGES:
        return False
    from crackdet.keras_import import import_keras

    import_keras()  # crackdet.data does, and would not keep it quiet
    from crackdet.data.folder_names import split_of

    names = {name for path in paths for name in path.parent.relative_to(folder).parts}
    return not any(split_of(name) in ("validation", "test") for name in names)
