"""`crackdet predict`: cracked or sound, for each image file."""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crackdet.cli import options as cli
from crackdet.errors import CrackdetError
from crackdet.keras_import import import_keras
from crackdet.listing import list_pictures
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
        "images", metavar="IMAGE", nargs="+", help="image files, or folders of them"
    )
    parser.add_argument(
        "--model", default="concrete", metavar="MODEL", help=f"{cli.MODEL_HELP} (default concrete)"
    )
    cli.add_threshold(parser)
    parser.add_argument("--json", action="store_true", help="prints one JSON object")
    cli.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: Namespace) -> int:
    """Prints a line for each image; returns 1 when one could not be read."""
    import_keras()
    from crackdet.images import shared_bits
    from crackdet.inference import judge, load_classifier
    from crackdet.sample_bits import bits_note

    files = image_files(arguments.images)
    classifier = load_classifier(arguments.model, arguments.threshold)
    if not arguments.json:
        print(f"threshold {classifier.threshold:.4f} ({classifier.threshold_from})")
    bits = shared_bits(files)
    if note := bits_note(bits):
        print(f"crackdet: {note}", file=sys.stderr)
    rows = []
    for row in judge(files, classifier, bits):
        rows.append(row)
        if "error" in row:
            print(f"crackdet: {printable(row['error'])}", file=sys.stderr)
        elif not arguments.json:
            name = printable(row["file"])
            print(f"{row['label']}  {row['probability']:.4f}  {name}", flush=True)
    if arguments.json:
        facts = {
            "model": arguments.model,
            "threshold": classifier.threshold,
            "threshold_from": classifier.threshold_from,
        }
        # In ASCII: valid on any terminal, and names that are no UTF-8 come back from it.
        print(json.dumps({**facts, "images": rows}, indent=2))
    photos = [printable(row["file"]) for row in rows if row.get("photo")]
    if photos:
        height, width = classifier.image_size
        print(
            f"crackdet: {len(photos)} of {len(rows)} images, {photos[0]} first, are much larger "
            f"than the {width}x{height} patches that the model knows; each was judged as one "
            "patch, so thin cracks in it may be lost: cut it into patches",
            file=sys.stderr,
        )
    return int(any("error" in row for row in rows))


def image_files(names: Sequence[str]) -> list[Path]:
    """Returns the files themselves, and the images below the folders in sorted order.

    What folders hold besides is counted on stderr.
    """
    files: list[Path] = []
    for name in names:
        path = Path(name)
        if not path.is_dir():
            files.append(path)
            continue
        listing = list_pictures(path)
        if listing.note:
            print(f"crackdet: {printable(name)}: {listing.note}", file=sys.stderr)
        if not listing.paths:
            raise CrackdetError(f"{name} holds no image files: name a folder that does.")
        files.extend(listing.paths)
    return files
