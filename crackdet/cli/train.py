"""`crackdet train`: a run without the search, with given hyperparameters or another run's best."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from crackdet.cli import options as cli
from crackdet.cli import stages
from crackdet.cli.painting import stress_stage
from crackdet.errors import CrackdetError
from crackdet.files import read_json
from crackdet.runs import files
from crackdet.runs.folder import is_evaluated, open_folder, undone_on_failure
from crackdet.runs.trials import HYPERPARAMETERS, hyperparameters_in

GROUPS = (
    cli.RECIPE,
    cli.LOADING,
    cli.BACKBONE,
    HYPERPARAMETERS,
    cli.TRAIN_IMAGES,
    cli.TRAINING,
    cli.MEMBERS,
    cli.PAINTING,
    cli.COMPUTING,
    cli.EVALUATION,
)


def add_parser(subparsers: Any) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "train",
        help="fit, evaluate and report with given hyperparameters",
        description="Fits the classifier, calibrates and measures it, and writes a report: "
        "`crackdet run` without the search.",
        allow_abbrev=False,
    )
    cli.add_source(parser)
    cli.add_out(parser)
    parser.add_argument(
        "--from",
        dest="from_run",
        metavar="RUN",
        help="takes the hyperparameters that are not given from the search in this run's folder",
    )
    cli.add(parser, *cli.RECIPE, title="recipe")
    cli.add(parser, *cli.LOADING, title="loading")
    cli.add(parser, *cli.BACKBONE, *HYPERPARAMETERS, title="model")
    cli.add(parser, *cli.TRAIN_IMAGES, *cli.TRAINING, *cli.MEMBERS, title="fit")
    cli.add(parser, *cli.PAINTING, title="painting")
    cli.add(parser, *cli.COMPUTING, title="computing")
    cli.add(parser, *cli.EVALUATION, title="evaluation")
    cli.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: Namespace) -> None:
    """Runs the stages that the run's folder lacks."""
    searched = _searched(arguments.from_run) if arguments.from_run else {}
    options = cli.resolve({**searched, **vars(arguments)}, arguments.data, *GROUPS)
    folder = open_folder(arguments.out, {"data": arguments.data, **options})
    folds = options["folds"] is not None
    with undone_on_failure(folder):
        data = stages.load_stage(arguments, options, folder, cut=not folds)
        if not is_evaluated(folder) and folds:
            cache = stages.open_cache(arguments, folder)
            notes = (stages.SEARCHED,) if _knows_images(arguments) else ()
            stages.cross_validate_stage(arguments, options, options, folder, data, cache, notes)
        elif not is_evaluated(folder):
            cache = stages.open_cache(arguments, folder)
            stress = stress_stage(arguments, options, folder, data)
            if not (folder / files.FITTED_MODEL).exists():
                stages.fit_stage(arguments, options, options, folder, data, cache, stress)
            stages.evaluate_stage(options, options, folder, data, cache, stress)
    stages.finish(folder)


def _knows_images(arguments: Namespace) -> bool:
    """Returns whether the hyperparameters are from a search on the same data."""
    if not arguments.from_run:
        return False
    searched = read_json(Path(arguments.from_run) / files.CONFIG)
    return bool(searched["options"]["data"] == arguments.data)


def _searched(run: str) -> dict[str, Any]:
    if not (Path(run) / files.BEST_OF_SEARCH).exists():
        raise CrackdetError(
            f"--from {run} holds no finished search ({files.BEST_OF_SEARCH} is missing): name the "
            "folder of a `crackdet run` or `crackdet search`."
        )
    best = stages.hyperparameters_of(Path(run))
    return {name: best[name] for name in hyperparameters_in(best)}
