"""`crackdet evaluate`: the metrics of any classifier on one split of any data."""

from argparse import Namespace
from typing import Any

from crackdet.cli import options as cli
from crackdet.cli import stages
from crackdet.cli.progress import shown_progress
from crackdet.files import write_json
from crackdet.keras_import import import_keras

# The image size is the model's own.
LOADING = tuple(name for name in cli.LOADING if name != "image_size")


def add_parser(subparsers: Any) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure a classifier on a split of a data set",
        description="Measures a classifier on one split, with 95% intervals that resample groups.",
        allow_abbrev=False,
    )
    parser.add_argument("model", metavar="MODEL", help=cli.MODEL_HELP)
    cli.add_source(parser)
    parser.add_argument(
        "--split",
        type=cli.one_of("train", "validation", "test"),
        default="test",
        metavar="NAME",
        help="train, validation or test (default test)",
    )
    cli.add_threshold(parser)
    parser.add_argument("--out", metavar="FILE", help="writes the metrics to this JSON file")
    cli.add(parser, *LOADING, title="loading")
    cli.add(parser, "bootstrap", title="evaluation")
    cli.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: Namespace) -> None:
    """Prints the metrics, and writes them when asked to."""
    import_keras()
    from crackdet.data import load_data
    from crackdet.evaluation import evaluate
    from crackdet.inference import load_classifier

    options = cli.resolve(vars(arguments), arguments.data, LOADING, ("bootstrap",))
    classifier = load_classifier(arguments.model, arguments.threshold)
    with shown_progress(arguments.verbose) as progress:
        data = load_data(
            arguments.data,
            image_size=classifier.image_size,
            data_dir=arguments.data_dir,
            manual_dir=arguments.manual_dir,
            strict=arguments.strict,
            verbose=arguments.verbose,
            progress=progress,
            **{name: options[name] for name in LOADING},
        )
    row = evaluate(
        classifier.model,
        data,
        arguments.split,
        threshold=classifier.threshold,
        bootstrap=options["bootstrap"],
        seed=options["seed"],
    )
    print(f"{data.name}, {arguments.split}: {row['n']} images, {row['positives']} cracked")
    print(f"threshold {classifier.threshold:.4f} ({classifier.threshold_from})")
    for name, (low, high) in row["intervals"].items():
        print(f"{name:>24}  {row[name]:.4f}  [{low:.4f}, {high:.4f}]")
    (tn, fp), (fn, tp) = row["confusion"]
    print(f"{'cracks':>24}  {tp} found, {fn} missed")
    print(f"{'sound concrete':>24}  {tn} passed, {fp} false alarms")
    if data.notes:
        print(data.notes)
    if arguments.out:
        write_json(arguments.out, {"model": arguments.model, "data": data.name, **row})
        print(f"Metrics: {arguments.out}")
    stages.say(f"Next: crackdet predict photo.jpg --model {arguments.model}")
