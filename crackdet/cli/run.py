"""`crackdet run`: data, search, final fit, evaluation, report; skips every stage that stands."""

from argparse import Namespace
from typing import Any

from crackdet.cli import options as cli
from crackdet.cli import stages
from crackdet.cli.painting import stress_stage
from crackdet.runs import files
from crackdet.runs.folder import is_evaluated, open_folder, undone_on_failure

GROUPS = (
    cli.LOADING,
    cli.BACKBONE,
    cli.SEARCH,
    cli.TRAINING,
    cli.PAINTING,
    cli.COMPUTING,
    cli.EVALUATION,
)


def add_parser(subparsers: Any) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "run",
        help="the whole job: data, search, final fit, evaluation, report",
        description="Searches hyperparameters, fits the classifier with the best of them, "
        "calibrates and measures it, and writes a report. The same command goes on with a run "
        "that was stopped.",
        allow_abbrev=False,
    )
    cli.add_source(parser)
    cli.add_out(parser)
    cli.add(parser, *cli.LOADING, title="loading")
    cli.add(parser, *cli.BACKBONE, title="model")
    cli.add(parser, *cli.SEARCH, title="search")
    cli.add_workers(parser)
    cli.add(parser, *cli.TRAINING, title="final fit")
    cli.add(parser, *cli.PAINTING, title="painting, in search and final fit")
    cli.add(parser, *cli.COMPUTING, title="computing")
    cli.add(parser, *cli.EVALUATION, title="evaluation")
    cli.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: Namespace) -> None:
    """Runs the stages that the run's folder lacks."""
    options = cli.resolve(vars(arguments), arguments.data, *GROUPS)
    folder = open_folder(arguments.out, {"data": arguments.data, **options})
    with undone_on_failure(folder):
        data = stages.load_stage(arguments, options, folder)
        if not is_evaluated(folder):
            cache = stages.open_cache(arguments, folder)
            searched = (folder / files.BEST_OF_SEARCH).exists()
            stress = None
            if not searched or options["folds"] is None:  # folds make their own
                stress = stress_stage(arguments, options, folder, data)
            if not searched:
                stages.search_stage(arguments, options, folder, data, cache, stress)
            best = stages.hyperparameters_of(folder)
            if options["folds"] is not None:
                notes = (stages.SEARCHED,)
                stages.cross_validate_stage(arguments, options, best, folder, data, cache, notes)
            else:
                if not (folder / files.FITTED_MODEL).exists():
                    stages.fit_stage(arguments, options, best, folder, data, cache, stress)
                stages.evaluate_stage(options, best, folder, data, cache, stress)
    stages.finish(folder)
