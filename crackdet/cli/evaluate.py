"""`crackdet evaluate`: the metrics of any classifier on images that it has not met."""

import math
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crackdet.cli import options as cli
from crackdet.cli import stages
from crackdet.cli.judging import add_threshold, add_unsure, classifier_of, load_for
from crackdet.cli.readers import one_of
from crackdet.files import read_json, write_json
from crackdet.keras_import import import_keras
from crackdet.runs import files
from crackdet.runs.record import flag

if TYPE_CHECKING:
    from crackdet.inference import Classifier

# The image size is the model's own.
LOADING = tuple(name for name in cli.LOADING if name != "image_size")


def add_parser(subparsers: Any) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure a classifier on images that it has not met",
        description="Measures a classifier on a folder or data set, with 95% intervals by group: "
        "on the split that is named; else, where the images are those of the model's own run, on "
        "its test split; else on all of them. Images that the model was trained or tuned on are "
        "left out.",
        allow_abbrev=False,
    )
    parser.add_argument("model", metavar="MODEL", help=cli.MODEL_HELP)
    cli.add_source(parser)
    parser.add_argument(
        "--split",
        type=one_of("all", "train", "validation", "test"),
        metavar="NAME",
        help="all, train, validation or test (default: the test split of the model's own run where "
        "these are its images, else all)",
    )
    parser.add_argument(
        "--include-seen",
        action="store_true",
        help="judges images too that the model was trained or tuned on",
    )
    add_threshold(parser)
    add_unsure(parser)
    parser.add_argument("--out", metavar="FILE", help="writes the metrics to this JSON file")
    cli.add(parser, *LOADING, title="loading")
    cli.add(parser, "bootstrap", title="evaluation")
    cli.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: Namespace) -> None:
    """Prints the metrics, and writes them when asked to."""
    # A split that the data lack is cut where it is asked for.
    cut = arguments.split not in (None, "all")
    for name in ("validation_fraction", "test_fraction"):
        if name in arguments and not cut:
            raise cli.UsageError(f"{flag(name)} cuts a split: say which one is judged with --split")
    import_keras()
    from crackdet.evaluation import choose_images, evaluate
    from crackdet.models import known_images

    options = cli.resolve(vars(arguments), arguments.data, LOADING, ("bootstrap",))
    classifier = classifier_of(arguments)
    data = load_for(
        classifier,
        arguments,
        arguments.data,
        {name: options[name] for name in LOADING},
        cut=cut,
    )
    chosen = choose_images(
        data,
        known_images(arguments.model),
        split=arguments.split,
        include_seen=arguments.include_seen,
    )
    stages.say(chosen.reason)
    row = evaluate(
        classifier.model,
        chosen.images,
        threshold=classifier.threshold,
        detector=classifier.detector,
        bootstrap=options["bootstrap"],
        seed=options["seed"],
    )
    _print_row(row, f"{data.name}, {chosen.split}", classifier)
    if detection := _detection(arguments.model, classifier.threshold):
        print(detection)
    print(data.classes)
    if data.notes:
        print(data.notes)
    if arguments.out:
        images = {"images": chosen.counts, "reason": chosen.reason}
        about = {"model": arguments.model, "data": data.name, "classes": data.classes, **images}
        write_json(arguments.out, {**about, **row})
        print(f"Metrics: {arguments.out}")
    stages.say(f"Next: crackdet predict photo.jpg --model {arguments.model}")


def _print_row(row: Mapping[str, Any], title: str, classifier: "Classifier") -> None:
    """Prints the figures of one row; one that the images do not define is said in words."""
    from crackdet.report.cautions import (
        against_trivial,
        few_cracks,
        groups_behind,
        nothing_wrong,
    )
    from crackdet.report.words import unsure_line

    print(f"{title}: {row['n']} images, {row['positives']} cracked")
    print(f"threshold {classifier.threshold:.4f} ({classifier.threshold_from})")
    for name, interval in row["intervals"].items():
        value = "undefined" if row[name] is None else f"{row[name]:.4f}"
        bounds = "" if interval is None else "  [{:.4f}, {:.4f}]".format(*interval)
        print(f"{name:>24}  {value}{bounds}")
    (tn, fp), (fn, tp) = row["confusion"]
    print(f"{'cracks':>24}  {tp} found, {fn} missed")
    print(f"{'sound concrete':>24}  {tn} passed, {fp} false alarms")
    print(f"{'precision':>24}  {_by_prevalence(row)}")
    if "unsure" in row:
        print(f"{'unsure':>24}  {unsure_line(row['unsure'])}")
    print(f"95% intervals from {groups_behind(row)}")
    for sentence in (
        *nothing_wrong(row),
        *against_trivial(row["trivial"], fitted_here=True),
        *few_cracks(row),
    ):
        print(sentence)


def _detection(model: str, threshold: float) -> str:
    """Returns how wide a crack the model's own run found at this threshold; "" if it is not known.

    Args:
        model: A run's folder or its model's file, or a preset's name.
        threshold: The threshold that judges.
    """
    from crackdet.models import preset_card, preset_names
    from crackdet.report.words import detection_line

    path = Path(model)
    if not path.exists() and model in preset_names():
        facts = preset_card(model)
    else:
        metrics = (path if path.is_dir() else path.parent) / files.METRICS
        facts = read_json(metrics) if metrics.exists() else {}
    found = facts.get("detection")
    if found is None or not math.isclose(found["threshold"], threshold, abs_tol=1e-6):
        return ""
    return detection_line(found)


def _by_prevalence(row: Mapping[str, Any]) -> str:
    """Returns the precision where cracks are rarer, on one line."""
    from crackdet.report.words import of_hundred, percent

    return ", ".join(
        f"{percent(each['precision'])} where {of_hundred(each['prevalence'])} % are cracked"
        for each in row["precision_at_prevalence"]
    )
