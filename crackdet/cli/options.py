"""The options that commands share: one name, one meaning, one default each.

An option is declared once, here, under the name of its Python argument. `add` puts options on a
command's parser; `resolve` returns what was given, with the data set's defaults for the rest.
"""

import argparse
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crackdet.cli.defaults import DATA_DEFAULTS, DEFAULTS, FEW_IMAGES, defaults
from crackdet.cli.painting import settle
from crackdet.cli.readers import Reader, even, increasing, one_of, optional, real, whole, yes_or_no
from crackdet.cli.recipes import RECIPES, in_words, recipe_values
from crackdet.errors import UsageError
from crackdet.runs.record import flag, spelled
from crackdet.runs.trials import OBJECTIVES


@dataclass(frozen=True)
class Option:
    """How an option is read from the command line, and what it means."""

    read: Reader
    metavar: str
    help: str


OPTIONS = {
    # crackdet.load_data
    "image_size": Option(whole(32), "PX", "side of the square images that the model sees"),
    "batch_size": Option(whole(1), "N", "images in one training step"),
    "validation_fraction": Option(
        real(0, 0.5, open_low=True), "F", "share for validation of a folder without splits"
    ),
    "test_fraction": Option(
        real(0, 0.5, open_low=True), "F", "share for testing of a folder without splits"
    ),
    "group_by": Option(
        optional(str),
        "REGEX",
        "images in whose path the first group of this expression is the same belong together, such "
        "as tiles of one photo",
    ),
    "groups": Option(
        optional(str),
        "FILE",
        "a CSV of path and group, for the same; `data group` writes one",
    ),
    "audit": Option(
        yes_or_no,
        "yes|no",
        "looks for twins and overlapping crops in a folder; --no-audit is short for no",
    ),
    "seed": Option(whole(0), "N", "the same seed gives the same results"),
    "positive": Option(
        optional(str),
        "NAME",
        "the class folder, or label, that counts as cracked; none for what the names say",
    ),
    "labels": Option(
        optional(str),
        "FILE",
        "a CSV of path and label (0, 1 or names) that replaces the folders' labels",
    ),
    # crackdet.models.mobilenet_v2_classifier
    "alpha": Option(real(0, open_low=True), "A", "width of MobileNetV2"),
    "pooling": Option(
        optional(one_of("average", "gem", "local")),
        "NAME",
        "what is decided from: average, gem, or local, the highest places of a crack map too; none "
        "for that of the weights, or else average",
    ),
    "weights": Option(
        optional(str),
        "W",
        "starting weights: imagenet, concrete, a .weights.h5 or .keras file, or none",
    ),
    "dropout": Option(real(0, 0.99), "F", "share of features dropped before the head"),
    "unfreeze_depth": Option(
        whole(0, 18), "N", "MobileNetV2 units to train, from the top: 0 the head only, 18 all"
    ),
    # tuning.search
    "tuner": Option(
        one_of("bayesian", "hyperband", "random", "grid"),
        "NAME",
        "KerasTuner's tuner: bayesian, hyperband, random or grid",
    ),
    "max_trials": Option(whole(1), "N", "trials of the search"),
    "objective": Option(
        one_of(*OBJECTIVES),
        "NAME",
        f"what the search is after: {', '.join(OBJECTIVES)}",
    ),
    "search_images": Option(
        optional(whole(2)), "N", "train images of the search, class by class; none for all"
    ),
    "halving_factor": Option(
        optional(whole(2)),
        "K",
        "runs the best of each K trials again on K times as many images, until all; none for not",
    ),
    "pruning": Option(
        optional(one_of("median")),
        "NAME",
        "median stops trials that do clearly worse than the others; or none",
    ),
    "search_epochs": Option(whole(1), "N", "epochs of one trial"),
    "search_views": Option(whole(1), "N", "views of each image in the search; see --views"),
    # crackdet.training.fit
    "epochs": Option(whole(1), "N", "most epochs of the final fit"),
    "head_epochs": Option(
        optional(whole(0)), "N", "epochs of the head alone, before unfreezing; none for a third"
    ),
    "learning_rate": Option(real(0, open_low=True), "R", "learning rate of the head"),
    "fine_tune_factor": Option(
        real(0, 1, open_low=True), "F", "learning rate of the unfrozen units over the head's"
    ),
    "schedule": Option(one_of("cosine", "plateau"), "NAME", "learning rate: cosine or plateau"),
    "patience": Option(
        optional(whole(0)), "N", "epochs without a better val_loss before training stops"
    ),
    "class_weight": Option(
        optional(one_of("balanced")), "NAME", "balanced gives both classes equal weight; or none"
    ),
    "views": Option(
        optional(whole(1)),
        "N",
        "views of each image, one as it is and the rest augmented, whose frozen features are "
        "computed once; none augments anew in every epoch, which is slower",
    ),
    "mixed_precision": Option(
        yes_or_no,
        "yes|no",
        "trains the backbone in bfloat16: faster on GPUs and processors that compute in it",
    ),
    # crackdet.layers.painting, crackdet.stress
    "painting": Option(
        increasing(real(0, 2), 3),
        "S",
        "strength at which cracks, and what is mistaken for them elsewhere, are painted on images "
        "of training; 0 for not; a search chooses among up to three, say 0.5,1,1.5",
    ),
    "stress_images": Option(
        even(2), "N", "pictures of the stress validation, by which a painted training is measured"
    ),
    # crackdet train
    "recipe": Option(
        optional(one_of(*RECIPES)),
        "NAME",
        f"sets defaults that were found together. {in_words()}",
    ),
    "train_images": Option(
        optional(whole(2)),
        "N",
        "train images to train on, of as many groups as possible; with --painting, which makes "
        "cracks, 35%% of them cracked; none for all",
    ),
    "members": Option(
        whole(1), "N", "trainings from the same weights, each in another order, whose mean is taken"
    ),
    # crackdet.evaluation.cross_validate
    "folds": Option(
        optional(whole(2)),
        "K",
        "judges each image by a model of the other of K folds of whole groups, and trains the last "
        "model on all; none for a test split. A small folder has no splits of its own and fewer "
        f"than {FEW_IMAGES:,} images",
    ),
    # crackdet.evaluation.evaluate_run
    "miss_cost": Option(
        real(0, open_low=True),
        "C",
        "what a missed crack costs, in false alarms: sets the threshold",
    ),
    "bootstrap": Option(whole(1), "N", "resamples behind the 95%% intervals"),
}

GROUPS = ("group_by", "groups")
LABELLING = ("positive", "labels")
CUTTING = ("validation_fraction", "test_fraction", *GROUPS, "audit", *LABELLING, "seed")
LOADING = ("image_size", "batch_size", *CUTTING)
BACKBONE = ("alpha", "pooling", "weights")
SEARCH = (
    "tuner",
    "max_trials",
    "objective",
    "search_images",
    "halving_factor",
    "pruning",
    "search_epochs",
    "search_views",
)
TRAINING = (
    "epochs",
    "head_epochs",
    "fine_tune_factor",
    "schedule",
    "patience",
    "class_weight",
    "views",
)
PAINTING = ("painting", "stress_images")
RECIPE = ("recipe",)
TRAIN_IMAGES = ("train_images",)
MEMBERS = ("members",)
COMPUTING = ("mixed_precision",)
EVALUATION = ("folds", "miss_cost", "bootstrap")

MODEL_HELP = "a .keras file, a run's folder, or a preset's name"

NOT_FOR_HYPERBAND = ("halving_factor", "pruning")
NOT_FOR_FOLDS = ("train_images", "members")


def add(parser: argparse.ArgumentParser, *names: str, title: str) -> None:
    """Adds options to a command under a title of its help."""
    group = parser.add_argument_group(title)
    for name in names:
        option = OPTIONS[name]
        group.add_argument(
            flag(name),
            type=option.read,
            metavar=option.metavar,
            default=argparse.SUPPRESS,
            help=f"{option.help} ({_default_help(name)})",
        )
        if name == "audit":
            group.add_argument(
                "--no-audit",
                dest=name,
                action="store_false",
                default=argparse.SUPPRESS,
                help=argparse.SUPPRESS,
            )


def add_source(parser: argparse.ArgumentParser) -> None:
    """Adds --data and the places that a TFDS data set is read from."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data",
        required=True,
        metavar="SOURCE",
        help="concrete_cracks[/random|/twins], demo, or a folder with one folder a class",
    )
    add_strict(group)
    add_places(parser)


def add_strict(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Adds --strict."""
    parser.add_argument(
        "--strict",
        action="store_true",
        help="anything amiss is an error: unreadable or contradictory images, splits that leak",
    )


def source_words(arguments: argparse.Namespace, source: str) -> str:
    """Returns a source as a next command is to name it, with what was said of its labels."""
    given = vars(arguments)
    said = [word for name in LABELLING if given.get(name) for word in (flag(name), given[name])]
    return shlex.join([source, *said])


def add_places(parser: argparse.ArgumentParser) -> None:
    """Adds the folders of a TFDS data set. They do not change what it holds."""
    group = parser.add_argument_group("places")
    group.add_argument(
        "--data-dir", metavar="DIR", help="where built data sets stand (default: TFDS's own)"
    )
    group.add_argument(
        "--manual-dir",
        metavar="DIR",
        help="folder that holds the data set's .rar, .zip or Positive and Negative folders",
    )


def add_out(parser: argparse.ArgumentParser) -> None:
    """Adds --out, the run's folder, and what the cache of frozen features is told."""
    parser.add_argument("--out", required=True, metavar="DIR", help="the run's folder")
    parser.add_argument(
        "--cache-dir",
        metavar="DIR",
        help="keeps frozen features here, for other runs too (default: in --out, removed at the "
        "end)",
    )
    parser.add_argument(
        "--cache-gb",
        type=real(0, open_low=True),
        metavar="GB",
        help="disk that frozen features may take; what was not used for longest goes first "
        "(default: a quarter of the free disk)",
    )
    parser.add_argument(
        "--cache-locks",
        type=yes_or_no,
        default=True,
        metavar="yes|no",
        help="no for a file system without locks, as some that machines share: this process alone "
        "fills the cache, and nothing is removed from it (default yes)",
    )
    parser.add_argument(
        "--half-precision",
        action="store_true",
        help="computes frozen features in float16, for GPUs; refused if a model does not bear it",
    )


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Adds where trials run."""
    group = parser.add_argument_group("where trials run")
    group.add_argument(
        "--workers",
        type=whole(1),
        metavar="N",
        help="trials at once (default: one a core, as far as memory goes, on Ray one for each of "
        "the cluster's; for bayesian and hyperband at most a quarter of the trials, or 2)",
    )
    group.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="runs trials on the Ray cluster at this address, auto for the one around; "
        "needs crackdet[ray]",
    )
    group.add_argument(
        "--gpus-per-trial",
        type=real(0),
        metavar="N",
        help="GPUs, or a fraction of one, that each trial on Ray asks for (default: 1 where the "
        "cluster has some)",
    )


def add_common(parser: argparse.ArgumentParser) -> None:
    """Adds what every command takes."""
    parser.add_argument(
        "--verbose", type=whole(0, 1), default=1, metavar="0|1", help="0 shows no progress"
    )
    parser.add_argument(
        "--debug", action="store_true", help="shows where in the code an error arose"
    )


def resolve(given: Mapping[str, Any], data: str, *groups: tuple[str, ...]) -> dict[str, Any]:
    """Returns the value of every option of some groups.

    Args:
        given: What the command line named; other options are absent.
        data: The data set, whose defaults count.
        *groups: Groups of option names.

    Returns:
        Option name to value, in the groups' order.

    Raises:
        UsageError: If options do not go together.
    """
    names = [name for group in groups for name in group]
    options = defaults(names, data)
    options |= recipe_values(given.get("recipe"), names)
    options |= {name: given[name] for name in names if name in given}
    if options.get("tuner") == "hyperband":
        options |= {name: given.get(name) for name in NOT_FOR_HYPERBAND}
        for name in NOT_FOR_HYPERBAND:
            if options[name] is not None:
                raise UsageError(
                    f"{flag(name)} is not for hyperband, which halves by itself: leave it out"
                )
    if options.get("search_images", 0) is None:  # all trials have all images
        options["halving_factor"] = given.get("halving_factor")
        if options["halving_factor"] is not None:
            raise UsageError(
                "--halving-factor runs trials again on more images than --search-images: leave it "
                "out, or give a number of images"
            )
    if "painting" in options:
        settle(options, given, searches="tuner" in options)
    if options.get("folds") is not None and "test_fraction" in options:
        if "test_fraction" in given and "folds" in given:
            raise UsageError("--test-fraction cuts a test split, which --folds has not: leave one")
        if "test_fraction" in given:  # who asks for a test split gets one
            options["folds"] = None
        else:
            del options["test_fraction"]
    if options.get("folds") is not None:
        for name in options.keys() & NOT_FOR_FOLDS:
            if given.get(name, DEFAULTS[name]) != DEFAULTS[name]:
                raise UsageError(f"{flag(name)} is of one training, --folds of many: leave one")
            options[name] = DEFAULTS[name]  # not a recipe's
    return options


def _default_help(name: str) -> str:
    others = [f"{data}: {spelled(own[name])}" for data, own in DATA_DEFAULTS.items() if name in own]
    return "; ".join([f"default {spelled(DEFAULTS[name])}", *others])
