"""The classifier that judges, as the command line names it, and the images that it is shown."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from crackdet.cli.loading import load_images
from crackdet.cli.readers import real, yes_or_no

if TYPE_CHECKING:
    from crackdet.data import CrackData
    from crackdet.inference import Classifier


def add_threshold(parser: argparse.ArgumentParser) -> None:
    """Adds what overrides the model's own threshold: --threshold, or a wish that chooses it."""
    group = parser.add_argument_group("threshold", "one of these; default: the model's own")
    one = group.add_mutually_exclusive_group()
    one.add_argument(
        "--threshold",
        type=real(0, 1),
        metavar="T",
        help="probability from which an image counts as cracked",
    )
    one.add_argument(
        "--recall",
        type=real(0, 1, open_low=True),
        metavar="F",
        help="finds at least this share of the cracks, by the validation scores that the model "
        "stores",
    )
    one.add_argument(
        "--false-alarm-rate",
        type=real(0, 1),
        metavar="F",
        help="raises an alarm on at most this share of sound images, by the same scores",
    )


def add_unsure(parser: argparse.ArgumentParser) -> None:
    """Adds --unsure, which says whether the classifier may answer that it cannot tell."""
    parser.add_argument(
        "--unsure",
        type=yes_or_no,
        default=True,
        metavar="yes|no",
        help="answers unsure for pictures that are like nothing in the model's training (default "
        "yes)",
    )


def classifier_of(arguments: argparse.Namespace) -> "Classifier":
    """Returns the classifier that a command line names, with the threshold that it asks for."""
    from crackdet.inference import load_classifier

    wishes = {name: getattr(arguments, name) for name in ("recall", "false_alarm_rate", "unsure")}
    return load_classifier(arguments.model, arguments.threshold, **wishes)


def load_for(
    classifier: "Classifier",
    arguments: argparse.Namespace,
    source: str,
    options: Mapping[str, Any],
    *,
    cut: bool = False,
) -> "CrackData":
    """Loads images in the size that a classifier takes; `options` are `load_data`'s."""
    return load_images(arguments, source, image_size=classifier.image_size, cut=cut, **options)
