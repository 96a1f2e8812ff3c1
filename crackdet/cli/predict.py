"""`crackdet predict`: cracked or sound, for each image file."""

import json
import sys
from argparse import Namespace
from typing import Any

from crackdet.cli import options as cli
from crackdet.cli.judging import add_threshold, add_unsure, classifier_of
from crackdet.keras_import import import_keras
from crackdet.names import printable


def add_parser(subparsers: Any) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "predict",
        help="cracked or sound, for image files",
        description="Judges each image as one patch: its label and the probability of a crack.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "images",
        metavar="IMAGE",
        nargs="+",
        help="image files, folders of them, or quoted patterns such as 'walls/**/*.jpg'",
    )
    parser.add_argument(
        "--model", default="concrete", metavar="MODEL", help=f"{cli.MODEL_HELP} (default concrete)"
    )
    add_threshold(parser)
    add_unsure(parser)
    parser.add_argument("--json", action="store_true", help="prints one JSON object")
    parser.add_argument("--csv", metavar="FILE", help="writes one line an image to this file")
    cli.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: Namespace) -> int:
    """Prints a line for each picture; returns 1 when one could not be read."""
    import_keras()
    from crackdet.inference import (
        Predictions,
        find_pictures,
        judge,
        line_of,
        photo_note,
    )

    pictures = find_pictures(arguments.images, _tell)
    classifier = classifier_of(arguments)
    if classifier.limits:
        _tell(classifier.limits)
    if not arguments.json:
        print(f"threshold {classifier.threshold:.4f} ({classifier.threshold_from})")
    rows = Predictions()
    for row in judge(pictures, classifier):
        rows.append(row)
        if row.error is not None:
            _tell(row.error)
        elif not arguments.json:
            print(line_of(row), flush=True)
    if arguments.json:
        facts = {
            "model": arguments.model,
            "threshold": classifier.threshold,
            "threshold_from": classifier.threshold_from,
        }
        # In ASCII: valid on any terminal, and names that are no UTF-8 come back from it.
        print(json.dumps({**facts, "images": [row.as_dict() for row in rows]}, indent=2))
    if arguments.csv:
        rows.to_csv(arguments.csv)
    if note := photo_note(rows, classifier):
        _tell(note)
    return int(any(row.error is not None for row in rows))


def _tell(sentence: str) -> None:
    print(f"crackdet: {printable(sentence)}", file=sys.stderr, flush=True)
