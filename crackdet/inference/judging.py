"""Pictures in, one answer each out."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crackdet.errors import CrackdetError
from crackdet.images import read_image, require_patch, resize, thread_pool
from crackdet.inference.classifier import Classifier
from crackdet.inference.pictures import Picture, Pictures

# With its longer side beyond twice that of the patches that the model was trained from, a picture
# is a photo of a wall, or a strip of one, rather than a patch: a crack in it is seen at less than
# half the size that the model knows.
PATCH_SIDES = 2


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of one picture.

    Attributes:
        file: Its file, or "image 3" for the fourth picture where it has none.
        label: The model's name of the class; None for a picture that could not be read.
        cracked: Whether that class is the crack; None for a picture that could not be read.
        probability: Of a crack, 0 to 1; None for a picture that could not be read.
        unsure: Whether the picture is like nothing that the classifier was trained on, so that
            its label is worth nothing. Models without statistics of their training never say so.
        photo: Whether the picture is much larger than a patch. It was judged as one all the same,
            so that thin cracks in it may be lost.
        error: Why it could not be read, in words.
    """

    file: str
    label: str | None = None
    cracked: bool | None = None
    probability: float | None = None
    unsure: bool = False
    photo: bool = False
    error: str | None = None

    @property
    def answer(self) -> str:
        """The answer in a word for people: cracked, sound, unsure or unreadable."""
        if self.error is not None:
            return "unreadable"
        if self.unsure:
            return "unsure"
        return "cracked" if self.cracked else "sound"

    def as_dict(self) -> dict[str, Any]:
        """Returns the row by names, as in JSON: `file` and `error`, or all but the latter."""
        if self.error is not None:
            return {"file": self.file, "error": self.error}
        return {name: value for name, value in asdict(self).items() if name != "error"}


def judge(
    pictures: Pictures, classifier: Classifier, *, batch_size: int = 32
) -> Iterator[Prediction]:
    """Yields one row for each picture, in order; one that cannot be read stops no other.

    Args:
        pictures: What `find_pictures` returns. No more are asked for than the batch needs.
        classifier: What judges them, each as one patch.
        batch_size: Pictures that the model sees at once.

    Raises:
        CrackdetError: If the model returns no probabilities.
        ValueError: If `batch_size` is less than 1.
    """
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be 1 or more. Received: batch_size={batch_size!r}")
    stream = iter(pictures.stream)
    while batch := list(islice(stream, batch_size)):
        yield from _judge_batch(batch, classifier, pictures.bits)


def _judge_batch(
    batch: Sequence[Picture], classifier: Classifier, bits: int | None
) -> Iterator[Prediction]:
    read = list(thread_pool().map(lambda picture: _read(picture, classifier, bits), batch))
    patches = [patch for patch, _, error in read if error is None]
    answers = iter(zip(*classifier.answers(np.stack(patches)), strict=True) if patches else ())
    for picture, (_, photo, error) in zip(batch, read, strict=True):
        if error is not None:
            yield Prediction(picture.name, error=error)
            continue
        score, unsure = next(answers)
        probability = float(score)
        label = classifier.label(probability)
        cracked = probability >= classifier.threshold
        yield Prediction(picture.name, label, cracked, probability, bool(unsure), photo)


def _read(
    picture: Picture, classifier: Classifier, bits: int | None
) -> tuple[NDArray[np.uint8], bool, str | None]:
    """Returns a picture at the model's size, whether it was much larger, and what failed."""
    pixels = picture.pixels
    try:
        if isinstance(pixels, CrackdetError):
            raise pixels
        if isinstance(pixels, Path):
            pixels = read_image(pixels, bits=bits)
        require_patch(pixels, picture.name)
    except CrackdetError as error:
        return np.empty(0, np.uint8), False, str(error)
    photo = max(pixels.shape[:2]) > PATCH_SIDES * classifier.patch_side
    return resize(pixels, classifier.image_size), photo, None
