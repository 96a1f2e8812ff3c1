"""The name of every file of a run and of a search, relative to its folder."""

# A run.
CONFIG = "config.json"
SECONDS = "seconds.json"
MODEL = "model.keras"
# The classifier between the final fit and the evaluation, which calibrates it and saves MODEL: an
# evaluation that was killed half-way starts again from the uncalibrated one.
FITTED_MODEL = "fitted.keras"
HISTORY = "history.csv"
TENSORBOARD = "tensorboard"
PREDICTIONS = "predictions.csv"
SAMPLES = "samples.npz"
ARCHITECTURE = "architecture.json"
METRICS = "metrics.json"
PICTURES = "pictures"
REPORT = "report.html"
FOLDS = "folds"  # of a cross-validation
MEMBERS = "members"  # of a training whose weights are averaged, each in a folder of its number
MEMBER = "trained.npz"  # its weights and epochs
CACHE = "cache"
SEARCH = "search"

# An adapted model, in a folder of its own with MODEL and PREDICTIONS.
ADAPTATION = "adaptation.json"

# Other sites, in a folder of their own with PREDICTIONS, PICTURES and REPORT.
SITES = "sites.json"
SITES_TABLE = "sites.csv"

# A search, which is a run's folder SEARCH or stands alone.
SEARCH_OPTIONS = "search.json"
SEARCH_LOCK = ".lock"
JOURNAL = "journal.jsonl"
TRIALS = "trials.csv"
BEST_HYPERPARAMETERS = "best_hyperparameters.json"
BEST_OF_SEARCH = f"{SEARCH}/{BEST_HYPERPARAMETERS}"  # in a run's folder

# What an evaluation leaves, and what any stage leaves that is worth going on from.
OF_EVALUATION = (MODEL, PREDICTIONS, SAMPLES, ARCHITECTURE, METRICS)
RESULTS = (
    *(f"{SEARCH}/{TRIALS}", BEST_OF_SEARCH, FOLDS, MEMBERS, HISTORY, FITTED_MODEL),
    *OF_EVALUATION,
)


def fold_file(number: int) -> str:
    """Returns where a fold of a cross-validation stands that is done, counted from 1."""
    return f"{FOLDS}/{number}.npz"


def member_folder(number: int | str) -> str:
    """Returns the folder of a member of an averaged training, counted from 1."""
    return f"{MEMBERS}/{number}"


def trial_folder(trial: str) -> str:
    """Returns a trial's folder in that of its search, under KerasTuner's own name."""
    return f"trial_{trial}"


def checkpoint(trial: str) -> str:
    """Returns where a trial's weights stand in the search's folder, under KerasTuner's own name."""
    return f"{trial_folder(trial)}/checkpoint.weights.h5"


def error_file(trial: str) -> str:
    """Returns where the traceback of a failed trial stands in the search's folder."""
    return f"{trial_folder(trial)}/error.txt"


def curves(trial: str) -> str:
    """Returns the folder of a trial's TensorBoard curves in that of its search."""
    return f"{TENSORBOARD}/{trial}"
