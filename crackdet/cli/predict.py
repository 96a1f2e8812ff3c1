"""`crackdet predict`: cracked or sound, for each image file."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crackdet.cli import options as cli
from crackdet.inference.classifier import MODEL_HELP, Classifier, load_classifier
from crackdet.errors import CrackdetError
from crackdet.keras_import import import_keras

if TYPE_CHECKING:
    import numpy as np

BATCH = 32
# With sides beyond twice the model's, an image is a photo of a wall rather than a patch of it.
PATCH_SIDES = 2


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
        "--model", default="concrete", metavar="MODEL", help=f"{MODEL_HELP} (default concrete)"
    )
    cli.add_threshold(parser)
    parser.add_argument("--json", action="store_true", help="prints one JSON object")
    cli.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: Namespace) -> int:
    """Prints a line for each image; returns 1 when one could not be read."""
    import_keras()
    files = image_files(arguments.images)
    classifier = load_classifier(arguments.model, arguments.threshold)
    if not arguments.json:
        print(f"threshold {classifier.threshold:.4f} ({classifier.threshold_from})")
    rows = []
    for row in judge(files, classifier):
        rows.append(row)
        if "error" in row:
            print(f"crackdet: {row['error']}", file=sys.stderr)
        elif not arguments.json:
            print(f"{row['label']}  {row['probability']:.4f}  {row['file']}", flush=True)
    if arguments.json:
        facts = {
            "model": arguments.model,
            "threshold": classifier.threshold,
            "threshold_from": classifier.threshold_from,
        }
        print(json.dumps({**facts, "images": rows}, indent=2, ensure_ascii=False))
    photos = [row["file"] for row in rows if row.get("photo")]
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
    """Returns the files themselves, and the images below the folders in sorted order."""
    from crackdet.images import IMAGE_SUFFIXES

    files: list[Path] = []
    for name in names:
        path = Path(name)
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        if not inside:
            raise CrackdetError(f"{name} holds no image files: name a folder that does.")
        files.extend(inside)
    return files


def judge(files: Sequence[Path], classifier: Classifier) -> Iterator[dict[str, Any]]:
    """Yields one row for each file, in order.

    A row has `file`, `label`, `probability` (of a crack) and `photo` (whether the image is much
    larger than a patch), or `file` and `error`.
    """
    import numpy as np

    from crackdet.images import thread_pool

    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        read = list(thread_pool().map(lambda path: _read(path, classifier.image_size), batch))
        patches = [patch for patch, _, _ in read if patch is not None]
        scores = iter(classifier.model.predict_on_batch(np.stack(patches)) if patches else ())
        for path, (patch, photo, error) in zip(batch, read, strict=True):
            if patch is None:
                yield {"file": str(path), "error": error}
                continue
            probability = float(next(scores)[1])
            label = classifier.class_names[probability >= classifier.threshold]
            yield {"file": str(path), "label": label, "probability": probability, "photo": photo}


def _read(path: Path, size: tuple[int, int]) -> tuple["np.ndarray | None", bool, str]:
    """Returns the image at the model's size, whether it was much larger, and what failed."""
    from crackdet.images import read_image, resize

    try:
        image = read_image(path)
    except CrackdetError as error:
        return None, False, str(error)
    photo = min(image.shape[:2]) > PATCH_SIDES * max(size)
    return resize(image, size), photo, ""
