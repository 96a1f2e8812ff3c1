"""The stages of a run, which `crackdet run`, `search` and `train` put together.

Each takes the options of the command line and leaves its results in the run's folder.
"""

import contextlib
import shutil
import sys
import textwrap
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crackdet.cli.figures import figure_lines
from crackdet.cli.loading import load_images
from crackdet.cli.options import COMPUTING, LOADING, TRAINING
from crackdet.cli.painting import fewer_train_images, fold_images, painting_of
from crackdet.errors import CrackdetError, UsageError
from crackdet.files import atomic_write, read_json
from crackdet.keras_import import import_keras
from crackdet.memory import keep_freed_memory
from crackdet.runs import files
from crackdet.runs.folder import is_evaluated, is_new, seconds, timed
from crackdet.runs.record import amend_config, made_with, write_config
from crackdet.runs.trials import HYPERPARAMETERS, PAINTING

if TYPE_CHECKING:
    import keras

    from crackdet.data import CrackData
    from crackdet.features import FeatureCache
    from crackdet.stress import StressSplit

Options = Mapping[str, Any]

# What must be said of a cross-validation whose hyperparameters a search on its images has chosen.
SEARCHED = (
    "The search chose the hyperparameters on some of these images, so the figures may be a little "
    "too good; `crackdet train` without --from chooses nothing on them."
)

# Arguments that a run hangs on beside its options, but that may differ where it goes on.
MADE_WITH = ("data_dir", "manual_dir", "workers", "ray", "gpus_per_trial", "half_precision")


def load_stage(
    arguments: Namespace, options: Options, folder: Path, *, cut: bool = True
) -> "CrackData":
    """Loads the data and begins the run's record, or checks that the images are still the same.

    Args:
        arguments: The command line.
        options: Its options, with defaults.
        folder: The run's folder.
        cut: Whether splits that a folder lacks are cut from it.
    """
    import_keras()
    check_weights(options)
    say(f"Data: {arguments.data}")
    # The seconds of a run that has ended are those that it took.
    watch = contextlib.nullcontext() if is_evaluated(folder) else timed(folder, "data")
    with watch:
        chosen = {name: options[name] for name in LOADING if name in options}
        data = load_images(arguments, arguments.data, cut=cut, **chosen)
    data = fewer_train_images(options, data)
    if is_evaluated(folder):
        say(f"  {folder} holds the run of this command already.")
    if is_new(folder, data.fingerprint, options):
        how = {name: getattr(arguments, name, None) for name in MADE_WITH}
        given = {name: value for name, value in how.items() if value not in (None, False)}
        write_config(
            folder, {"data": arguments.data, **options}, data, {**made_with(folder), **given}
        )
    for name, counts in data.counts().items():
        if cut or any(counts.values()):
            place = name if cut or name in data.cut else "all"
            say(f"  {place}: " + ", ".join(f"{count} {label}" for label, count in counts.items()))
    say(f"  {data.classes}")
    if data.notes:
        say(textwrap.indent(data.notes, "  "))
    return data


def check_weights(options: Options) -> None:
    """Refuses starting weights that cannot be, before anything is loaded or written."""
    from crackdet.models.weights import check_weights as check

    try:
        check(options["weights"], options["alpha"], 2, options["pooling"])
    except (CrackdetError, ValueError) as error:
        raise UsageError(
            f"--weights {options['weights']}: {error} Give imagenet, a preset, a .keras or "
            ".weights.h5 file, or none."
        ) from error


def search_stage(
    arguments: Namespace,
    options: Options,
    folder: Path,
    data: "CrackData",
    cache: "FeatureCache",
    stress: "StressSplit | None" = None,
) -> None:
    """Searches dropout, learning rate and unfreeze depth; goes on with a search that stopped."""
    import tuning
    from tuning.project import workers_before

    say(f"Search: {options['max_trials']} trials of {options['search_epochs']} epochs")
    with timed(folder, "search"), _executor(arguments) as executor:
        tuning.search(
            data,
            tuner=options["tuner"],
            max_trials=options["max_trials"],
            directory=folder / files.SEARCH,
            space=tuning.SearchSpace(painting=options["painting"]),
            objective=options["objective"],
            epochs=options["search_epochs"],
            search_images=options["search_images"],
            halving_factor=options["halving_factor"],
            pruning=options["pruning"],
            views=options["search_views"],
            stress=stress,
            cache=cache,
            workers=arguments.workers,
            executor=executor,
            mixed_precision=options["mixed_precision"],
            seed=options["seed"],
            alpha=options["alpha"],
            pooling=options["pooling"],
            weights=options["weights"],
            verbose=arguments.verbose,
        )
    # What "bayesian" and "hyperband" propose hangs on the number that the search began with.
    amend_config(folder, workers=workers_before(folder / files.SEARCH))


@contextlib.contextmanager
def _executor(arguments: Namespace) -> "Iterator[Executor | None]":
    """Yields what runs the trials: a Ray cluster, or None for processes on this machine."""
    if arguments.ray is None:
        yield None
        return
    from tuning.executors import ray_executor

    with ray_executor(arguments.ray, gpus_per_trial=arguments.gpus_per_trial) as executor:
        yield executor


def draw_search(folder: Path) -> list[Path]:
    """Draws the pictures of the folder's search and returns their paths."""
    from crackdet.report import write_search_pictures

    return write_search_pictures(folder)


def fit_stage(
    arguments: Namespace,
    options: Options,
    hyperparameters: Mapping[str, Any],
    folder: Path,
    data: "CrackData",
    cache: "FeatureCache",
    stress: "StressSplit | None" = None,
) -> None:
    """Trains the final classifier on train; validation says when to stop."""
    from crackdet.training import fit_averaged

    say(f"Final fit: {_in_words(hyperparameters)}")
    with timed(folder, "fit"):
        model = new_model(options, hyperparameters["dropout"], hyperparameters["unfreeze_depth"])
        fit_averaged(
            model,
            data,
            members=options.get("members", 1),
            cache=cache,
            stress=stress,
            run_dir=folder,
            **_fit_options(arguments, options, hyperparameters),
        )
        with atomic_write(folder / files.FITTED_MODEL) as temporary:
            model.save(temporary)


def cross_validate_stage(
    arguments: Namespace,
    options: Options,
    hyperparameters: Mapping[str, Any],
    folder: Path,
    data: "CrackData",
    cache: "FeatureCache",
    notes: Sequence[str] = (),
) -> None:
    """Trains and judges fold by fold, then trains the final classifier on all images.

    Args:
        arguments: The command line.
        options: Its options, with defaults.
        hyperparameters: Of the training.
        folder: The run's folder.
        data: The data, without splits of their own.
        cache: Where frozen features are kept.
        notes: What must be said of the figures beside what the folds tell.
    """
    from crackdet.evaluation import cross_validate
    from crackdet.models import known_images

    (folder / files.REPORT).unlink(missing_ok=True)  # of an earlier evaluation
    say(f"Cross-validation in {options['folds']} folds: {_in_words(hyperparameters)}")
    with timed(folder, "cross_validation"):
        metrics = cross_validate(
            new_model(options, hyperparameters["dropout"], hyperparameters["unfreeze_depth"]),
            new_model(options, dropout=0.0, unfreeze_depth=0),
            data,
            folder,
            folds=options["folds"],
            validation_fraction=options["validation_fraction"],
            cache=cache,
            stress_images=fold_images(options),
            miss_cost=options["miss_cost"],
            bootstrap=options["bootstrap"],
            started_from=known_images(options["weights"]) if options["weights"] else None,
            notes=notes,
            seconds=seconds(folder),
            **_fit_options(arguments, options, hyperparameters),
        )
    for line in figure_lines(metrics):
        say(f"  {line}")


def _in_words(hyperparameters: Mapping[str, Any]) -> str:
    painted = [PAINTING] if hyperparameters.get(PAINTING) else []
    names = (*HYPERPARAMETERS, *painted)
    return ", ".join(f"{name} {hyperparameters[name]:.4g}" for name in names)


def _fit_options(
    arguments: Namespace, options: Options, hyperparameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns what `crackdet.training.fit` is told by the options."""
    keep_freed_memory()  # the process is ours
    names = (*TRAINING, *COMPUTING, "seed")
    return {
        **{name: options[name] for name in names},
        "learning_rate": hyperparameters["learning_rate"],
        "painting": painting_of(hyperparameters.get(PAINTING, 0.0)),
        # A bar redraws its line, which fills a log file: there, one line an epoch.
        "verbose": arguments.verbose if sys.stdout.isatty() else 2 * arguments.verbose,
    }


def evaluate_stage(
    options: Options,
    hyperparameters: Mapping[str, Any],
    folder: Path,
    data: "CrackData",
    cache: "FeatureCache",
    stress: "StressSplit | None" = None,
) -> None:
    """Calibrates and chooses the threshold on validation, then reads test, once."""
    import keras

    from crackdet.evaluation import evaluate_run
    from crackdet.models import known_images

    (folder / files.REPORT).unlink(missing_ok=True)  # of an earlier evaluation
    say("Evaluation: calibration and threshold on validation, then the test split")
    with timed(folder, "evaluation"):
        fitted = keras.saving.load_model(folder / files.FITTED_MODEL)
        before = new_model(options, dropout=0.0, unfreeze_depth=0)
        metrics = evaluate_run(
            fitted,
            before,
            data,
            folder,
            cache=cache,
            seed=options["seed"],
            miss_cost=options["miss_cost"],
            bootstrap=options["bootstrap"],
            started_from=known_images(options["weights"]) if options["weights"] else None,
            stress=stress,
            painting=painting_of(hyperparameters.get(PAINTING, 0.0)),
            seconds=seconds(folder),
        )
    for line in figure_lines(metrics):
        say(f"  {line}")


def finish(folder: Path) -> None:
    """Writes the report unless it stands, deletes the run's own cache, says where things are."""
    report = folder / files.REPORT
    if not report.exists():
        from crackdet.report import write_report

        say("Report: pictures and page")
        with timed(folder, "report"):
            write_report(folder)
    (folder / files.FITTED_MODEL).unlink(missing_ok=True)
    for trained in folder.glob(files.member_folder("*") + f"/{files.MEMBER}"):
        trained.unlink()
    remove_own_cache(folder)
    say(f"Seconds: {', '.join(f'{k} {v:.0f}' for k, v in seconds(folder).items())}")
    say(f"Report: {report}")
    say(f"Next: crackdet predict photo.jpg --model {folder}")


def new_model(options: Options, dropout: float, unfreeze_depth: int) -> "keras.Model":
    """Returns the untrained classifier that the options describe."""
    from crackdet.models import new_classifier

    return new_classifier(
        options["image_size"],
        unfreeze_depth=unfreeze_depth,
        dropout=dropout,
        alpha=options["alpha"],
        pooling=options["pooling"],
        weights=options["weights"],
        seed=options["seed"],
    )


def open_cache(arguments: Namespace, folder: Path) -> "FeatureCache":
    """Returns the cache of frozen features: --cache-dir, or inside the run's folder."""
    from crackdet.features import FeatureCache

    return FeatureCache(
        arguments.cache_dir or folder / files.CACHE,
        max_gb=arguments.cache_gb,
        half_precision=arguments.half_precision,
        locks=arguments.cache_locks,
        verbose=arguments.verbose,
    )


def remove_own_cache(folder: Path) -> None:
    """Deletes the cache in the run's folder: what is finished does not need its gigabytes."""
    shutil.rmtree(folder / files.CACHE, ignore_errors=True)


def hyperparameters_of(folder: Path) -> dict[str, Any]:
    """Returns the best hyperparameters that the folder's search found."""
    return dict(read_json(folder / files.BEST_OF_SEARCH))


def say(line: str) -> None:
    """Prints a line at once, also into a pipe."""
    print(line, flush=True)
