"""`crackdet search`: hyperparameters for a data set, without the final fit."""

from argparse import Namespace
from typing import Any

from crackdet.cli import options as cli
from crackdet.cli import stages
from crackdet.cli.painting import stress_stage
from crackdet.runs import files
from crackdet.runs.folder import open_folder, undone_on_failure


def add_parser(subparsers: Any) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "search",
        help="search dropout, learning rate and unfreeze depth",
        description="Searches hyperparameters with KerasTuner. `crackdet run` with the same "
        "--out goes on from there.",
        allow_abbrev=False,
    )
    cli.add_source(parser)
    cli.add_out(parser)
    cli.add(parser, *cli.LOADING, title="loading")
    cli.add(parser, *cli.BACKBONE, title="model")
    cli.add(parser, *cli.SEARCH, title="search")
    cli.add(parser, *cli.PAINTING, title="painting")
    cli.add(parser, *cli.COMPUTING, title="computing")
    cli.add_workers(parser)
    cli.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: Namespace) -> None:
    """Searches, unless the folder holds the finished search."""
    options = cli.resolve(
        vars(arguments),
        arguments.data,
        *(cli.LOADING, cli.BACKBONE, cli.SEARCH, cli.PAINTING, cli.COMPUTING),
    )
    folder = open_folder(arguments.out, {"data": arguments.data, **options})
    with undone_on_failure(folder):
        data = stages.load_stage(arguments, options, folder)
        if not (folder / files.BEST_OF_SEARCH).exists():
            cache = stages.open_cache(arguments, folder)
            stress = stress_stage(arguments, options, folder, data)
            stages.search_stage(arguments, options, folder, data, cache, stress)
            stages.remove_own_cache(folder)
    best = stages.hyperparameters_of(folder)
    stages.say("Best: " + ", ".join(f"{name} {value}" for name, value in best.items()))
    stages.say(f"Trials: {folder / files.SEARCH / files.TRIALS}")
    pictures = stages.draw_search(folder)
    stages.say(
        f"Pictures: {', '.join(path.name for path in pictures)} in {folder / files.PICTURES}"
    )
    source = cli.source_words(arguments, arguments.data)
    stages.say(f"Next: crackdet train --data {source} --out DIR --from {folder}")
