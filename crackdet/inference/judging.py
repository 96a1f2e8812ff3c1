"""Image files in, one answer each out."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crackdet.errors import CrackdetError
from crackdet.images import read_image, require_patch, resize, thread_pool
from crackdet.inference.classifier import Classifier

BATCH = 32
# With sides beyond twice the model's, an image is a photo of a wall rather than a patch of it.
PATCH_SIDES = 2


def judge(
    paths: Sequence[Path], classifier: Classifier, bits: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yields one row for each file, in order; one that cannot be read stops no other.

    Args:
        paths: Image files.
        classifier: What judges them, each as one patch.
        bits: What `crackdet.images.shared_bits` says of them, for 16-bit pictures.

    Yields:
        `file`, `label`, `probability` (of a crack) and `photo` (whether the image is much larger
        than a patch), or `file` and `error`.
    """
    for start in range(0, len(paths), BATCH):
        batch = paths[start : start + BATCH]
        read = list(thread_pool().map(lambda path: _read(path, classifier.image_size, bits), batch))
        patches = [patch for patch, _, _ in read if patch is not None]
        scores = iter(classifier.scores(np.stack(patches)) if patches else ())
        for path, (patch, photo, error) in zip(batch, read, strict=True):
            if patch is None:
                yield {"file": str(path), "error": error}
                continue
            probability = float(next(scores))
            label = classifier.label(probability)
            yield {"file": str(path), "label": label, "probability": probability, "photo": photo}


def _read(
    path: Path, size: tuple[int, int], bits: int | None
) -> tuple[np.ndarray | None, bool, str]:
    """Returns the image at the model's size, whether it was much larger, and what failed."""
    try:
        image = read_image(path, bits=bits)
        require_patch(image, str(path))
    except CrackdetError as error:
        return None, False, str(error)
    photo = min(image.shape[:2]) > PATCH_SIDES * max(size)
    return resize(image, size), photo, ""
