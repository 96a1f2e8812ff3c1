"""`crackdet adapt`: a classifier adapted to a new site by a few labelled patches."""

import tempfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crackdet.cli import options as cli
from crackdet.cli import stages
from crackdet.cli.judging import load_for
from crackdet.cli.tables import aligned
from crackdet.errors import CrackdetError
from crackdet.keras_import import import_keras
from crackdet.runs import files
from crackdet.runs.folder import check_out

if TYPE_CHECKING:
    from crackdet.data import CrackData, ImageSplit
    from crackdet.evaluation.adaptation import Adapted
    from crackdet.inference import Classifier

# The image size is the model's own, and no split is cut.
LOADING = ("batch_size", *cli.GROUPS, "audit", *cli.LABELLING, "seed")
EVALUATION = ("miss_cost", "bootstrap")
# Beyond so many patches a training learns more, and this takes longer than one.
_MOST = 1000
_SHOWN = {
    "auroc": "AUROC",
    "log_loss": "log loss",
    "recall": "recall",
    "false_alarm_rate": "false alarms",
}


def add_parser(subparsers: Any) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "adapt",
        help="adapt a classifier to a new site by a few labelled patches",
        description="Adapts a classifier's head and crack map to some 10 to 100 labelled patches "
        "of a new site, and to views of these with painted cracks, near what it was and with a "
        "replay of what it was trained on. Cross-validation by photo measures it before and after, "
        "and decides: a model that is no better on the new site is not written, and the command "
        "fails. Without --miss-cost a missed crack costs what it cost when the model's own "
        "threshold was chosen.",
        allow_abbrev=False,
    )
    parser.add_argument("model", metavar="MODEL", help=cli.MODEL_HELP)
    cli.add_source(parser)
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="the folder of the adapted model"
    )
    parser.add_argument(
        "--cache-dir",
        metavar="DIR",
        help="keeps the patches' features here, for other adaptations too (default: nowhere)",
    )
    cli.add(parser, *LOADING, title="loading")
    cli.add(parser, *EVALUATION, title="evaluation")
    cli.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: Namespace) -> None:
    """Adapts, prints before and after, and writes the model where it is better."""
    folder = Path(arguments.out)
    check_out(folder, files.ADAPTATION, "adapted model")
    import_keras()
    from crackdet.evaluation.adaptation import adapt, write_adapted
    from crackdet.features import FeatureCache
    from crackdet.inference import load_classifier
    from crackdet.models import feature_statistics, known_images

    options = cli.resolve(vars(arguments), arguments.data, LOADING, EVALUATION)
    classifier, known = load_classifier(arguments.model), known_images(arguments.model)
    if "miss_cost" not in arguments and classifier.miss_cost is not None:
        options["miss_cost"] = classifier.miss_cost  # what it is worth to whoever chose the model
    statistics = feature_statistics(arguments.model)
    data, images = _load(arguments, options, classifier)
    with tempfile.TemporaryDirectory(prefix="crackdet-") as temporary:
        cache = FeatureCache(arguments.cache_dir or temporary, verbose=arguments.verbose)
        stages.say(f"Adapting to {images.num_images} patches: cross-validation by photo")
        adapted = adapt(
            classifier.model,
            images,
            cache,
            statistics=statistics,
            threshold=classifier.threshold,
            seed=options["seed"],
            **{name: options[name] for name in EVALUATION},
        )
    _print(adapted)
    if not adapted.better:
        raise CrackdetError(_refusal(adapted, arguments))
    about = {"model": str(arguments.model), "threshold_before": classifier.threshold}
    write_adapted(
        folder,
        classifier.model,
        adapted,
        data,
        images,
        known=known,
        about=about,
    )
    print(f"threshold {adapted.choice.threshold:.4f} ({adapted.choice.rule})")
    if adapted.choice.caution:
        print(adapted.choice.caution)
    print(f"Model: {folder / files.MODEL}")
    stages.say(f"Next: crackdet predict photo.jpg --model {folder}")


def _load(
    arguments: Namespace, options: Mapping[str, Any], classifier: "Classifier"
) -> tuple["CrackData", "ImageSplit"]:
    """Loads the patches that the model was not trained or tuned on."""
    from crackdet.evaluation import choose_images
    from crackdet.models import known_images

    given = {name: options[name] for name in LOADING}
    data = load_for(classifier, arguments, arguments.data, given)
    known = known_images(arguments.model)
    chosen = choose_images(data, known, split="all", include_seen=None)
    for line in (chosen.reason, data.classes, data.notes):
        if line:
            stages.say(line)
    count = chosen.images.num_images
    if count > _MOST:
        raise CrackdetError(
            f"{arguments.data} holds {count:,} patches, and adapting is for some 10 to 100, at "
            f"most {_MOST:,}: so many are worth `crackdet train --data {arguments.data}`."
        )
    return data, chosen.images


def _print(adapted: "Adapted") -> None:
    from crackdet.report.words import interval, written

    rows = [
        [title]
        + [
            f"{written(name, row[name])} [{spread}]"
            if (spread := interval(name, row))
            else written(name, row[name])
            for row in (adapted.before, adapted.after)
        ]
        for name, title in _SHOWN.items()
    ]
    print(aligned(["cross-validated by photo", "before", "after"], rows))
    gain = adapted.gain
    for name, what in (("auroc", "AUROC gained"), ("log_loss", "log loss saved")):
        bounds = gain[f"{name}_interval"]
        spread = "" if bounds is None else " [{:+.4f}, {:+.4f}]".format(*bounds)
        print(f"{what} {gain[name]:+z.4f}{spread}")
    if adapted.forgotten is not None:
        print(
            "on features as its old training images had them: AUROC {:.4f} before, {:.4f} after, "
            "log loss {:.4f} and {:.4f}".format(
                *adapted.forgotten["auroc"], *adapted.forgotten["log_loss"]
            )
        )
    if adapted.unsure is not None:
        print(
            f"unsure of {adapted.unsure:.1%} of the patches before; the adapted model's limit lets "
            "patches like these pass (figures are of all patches, unsure or not)"
        )
    for note in adapted.notes:
        print(note)


def _refusal(adapted: "Adapted", arguments: Namespace) -> str:
    return (
        f"The adapted model is no better on {arguments.data} than {arguments.model} "
        f"({adapted.why_not}), so nothing was written: go on with the old one, or label more "
        "patches, of more photos."
    )
