"""`crackdet.predict`: cracked or sound, for whatever a program holds pictures in."""

import os
import warnings
from pathlib import Path
from typing import Any

import keras

from crackdet.errors import CrackdetWarning
from crackdet.files import write_csv
from crackdet.inference.classifier import Classifier, load_classifier
from crackdet.inference.judging import Prediction, judge
from crackdet.inference.pictures import find_pictures
from crackdet.names import printable

COLUMNS = ("file", "label", "cracked", "probability", "unsure", "photo", "error")
_ROWS_SHOWN = 20


class Predictions(list[Prediction]):
    """The rows of `crackdet.predict`: a list of `Prediction` that shows itself as a table."""

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Writes one line a picture, with the columns of `Prediction`; complete or not at all.

        Pictures that could not be read are among them, with their error. Truth values are written
        as true and false; probabilities so that they come back to the bit.

        Args:
            path: The file to write.

        Returns:
            The file.
        """
        write_csv(path, COLUMNS, ([_cell(getattr(row, name)) for name in COLUMNS] for row in self))
        return Path(path)

    def counts(self) -> dict[str, int]:
        """Returns how many pictures got each answer, as `Prediction.answer` calls them."""
        words = ("cracked", "sound", "unsure", "unreadable")
        numbers = {word: sum(row.answer == word for row in self) for word in words}
        return {word: number for word, number in numbers.items() if number}

    def __repr__(self) -> str:
        counted = ", ".join(f"{number} {word}" for word, number in self.counts().items())
        lines = [f"{len(self)} picture{'s' * (len(self) != 1)}: {counted or 'nothing to judge'}"]
        lines += [line_of(row) for row in self[:_ROWS_SHOWN]]
        if len(self) > _ROWS_SHOWN:
            lines.append(f"... {len(self) - _ROWS_SHOWN} more")
        return "\n".join(lines)


def predict(
    images: Any,
    model: str | Path | keras.Model | Classifier = "concrete",
    *,
    threshold: float | None = None,
    recall: float | None = None,
    false_alarm_rate: float | None = None,
    unsure: bool = True,
    batch_size: int = 32,
) -> Predictions:
    """Judges pictures, each as one patch of concrete: cracked or sound.

    Every picture gets a row, in order. A file that cannot be read gets one with its `error` and
    None for an answer; a warning counts those, and another one counts photos and strips that are
    much larger than a patch, in which thin cracks may be lost.

    A shipped model is loaded once a process. Load your own with `crackdet.load_model`, or
    `crackdet.inference.load_classifier`, which also reads its threshold and class names, and give
    it at each call. What the shipped model does on sites unlike those of its training stands in
    `crackdet.models.preset_card("concrete")`: measure it on your own before you rely on it.

    TensorFlow and JAX do not survive a fork: a model that was loaded before it would wait for ever
    in the child, and is refused there. Load it in each worker, or start workers with the method
    "spawn" of `multiprocessing`.

    Args:
        images: A path, a folder (all pictures below it), a pattern such as `"walls/**/*.jpg"`, a
            PIL image, an RGB array of shape `(H, W, 3)` or `(N, H, W, 3)` with values from 0 to
            255 (integers, or floats, which are rounded), or an iterable of any of these, such as
            a list, a table's column of paths or a generator, of which a batch at a time is read.
        model: A `.keras` file, a run's folder, the name of a preset, a `keras.Model` with two
            outputs after a softmax (its threshold is 0.5, its classes are negative and positive),
            or a `crackdet.inference.Classifier`.
        threshold: Probability from which a picture counts as cracked, 0 to 1. None takes the
            model's own.
        recall: Takes the threshold that finds at least this share of the cracks of the validation
            scores that the model stores, above 0 and at most 1.
        false_alarm_rate: Takes the one that raises an alarm on at most this share of their sound
            images, 0 to 1. One of the three at most.
        unsure: Whether the model may be unsure: of pictures that are like nothing in its training,
            such as a face or grass. Their label stands in the row, and is worth nothing.
        batch_size: Pictures that the model sees at once.

    Returns:
        A list of `Prediction`, one a picture, each with `file`, `label` (the model's class name),
        `cracked` (bool), `probability` (of a crack, 0 to 1), `unsure`, `photo` and `error`; it has
        a method `to_csv(path)`.

    Raises:
        CrackdetError: If a folder or a pattern holds no picture; if something is no image, such
            as an array of another shape, with NaN, or with floats in 0..1 or -1..1; if the model
            cannot be loaded, returns no probabilities of two classes, or stores no scores to
            choose a threshold from.
        ValueError: If `threshold`, `recall`, `false_alarm_rate` or `batch_size` is out of range.

    Example:

    >>> wall = np.random.default_rng(0).integers(90, 110, (227, 227, 3), "uint8")
    >>> rows = crackdet.predict(wall)
    >>> rows[0].cracked
    False
    """
    classifier = load_classifier(
        model, threshold, recall=recall, false_alarm_rate=false_alarm_rate, unsure=unsure
    )
    notes: list[str] = []
    pictures = find_pictures(images, notes.append)
    rows = Predictions(judge(pictures, classifier, batch_size=batch_size))
    for note in (*notes, unread_note(rows), photo_note(rows, classifier)):
        if note:
            warnings.warn(note, CrackdetWarning, stacklevel=2)
    return rows


def line_of(row: Prediction) -> str:
    """Returns a row for people: answer, probability of a crack and file, or what failed."""
    if row.error is not None:
        return f"{row.answer}  {printable(row.error)}"
    return f"{row.answer}  {row.probability:.4f}  {printable(row.file)}"


def unread_note(rows: list[Prediction]) -> str:
    """Returns a sentence that counts pictures without an answer, or nothing."""
    unread = [row for row in rows if row.error is not None]
    if not unread:
        return ""
    return (
        f"{len(unread)} of {len(rows)} pictures have no answer. {printable(str(unread[0].error))}"
    )


def photo_note(rows: list[Prediction], classifier: Classifier) -> str:
    """Returns a sentence that counts pictures much larger than a patch, or nothing."""
    photos = [row.file for row in rows if row.photo]
    if not photos:
        return ""
    return (
        f"{len(photos)} of {len(rows)} images, {printable(photos[0])} first, are much larger than "
        f"the patches of {classifier.patch_side} pixels that the model was trained from; each was "
        "judged as one patch, so thin cracks in it may be lost: cut it into patches"
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    # Nine digits tell any two float32 values apart.
    return f"{value:.9g}" if isinstance(value, float) else str(value)
