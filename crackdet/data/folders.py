"""Folders of pictures: which class and split each file belongs to, and what cannot be read."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from crackdet.data.labelling import label_pictures
from crackdet.errors import CrackdetError
from crackdet.images import DeepPicture, check_patch, read_file, thread_pool
from crackdet.listing import list_pictures
from crackdet.sample_bits import bits_for, common_bits, require_visible

Progress = Callable[[int, int, str], None]  # (done, total, what is being done)


class UntrainableError(CrackdetError):
    """A folder lacks what training needs, but a classifier can be measured on it."""


@dataclass(frozen=True)
class FolderImage:
    """A readable picture: its file, split ("" when the folder has none), label and content key.

    `bits` is set for 16-bit samples of which only the other pictures tell how many bits they use.
    """

    path: Path
    key: str
    split: str
    label: int
    digest: str
    bits: int | None = None

    @property
    def encoded(self) -> Path | DeepPicture:
        """What reads the picture, for an `ImageSplit`."""
        return self.path if self.bits is None else DeepPicture(self.path, self.bits)


@dataclass(frozen=True)
class FolderListing:
    """What a folder holds.

    Attributes:
        images: The readable pictures that have a label.
        class_names: Names of the classes 0 (sound) and 1 (cracked).
        classes: A sentence: what counts as cracked, and what as sound.
        unreadable: For each picture that cannot be read what is wrong with it.
        remarks: Sentences on where the labels are from and what they leave out.
        findings: Sentences on what is amiss with them.
        skipped: What is no picture to `list_pictures`, counted by kind in words, or nothing.
    """

    images: tuple[FolderImage, ...]
    class_names: tuple[str, ...]
    classes: str
    unreadable: tuple[str, ...]
    remarks: tuple[str, ...]
    findings: tuple[str, ...]
    skipped: str = ""


def bits_of(images: Iterable[FolderImage]) -> int | None:
    """Returns the bits of 16-bit samples that do not say how many they use; None without any."""
    return next((image.bits for image in images if image.bits is not None), None)


def list_folder(
    folder: Path,
    *,
    positive: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    groups: str | os.PathLike[str] | None = None,
    for_training: bool = True,
    progress: Progress | None = None,
) -> FolderListing:
    """Finds, labels and test-reads every picture under a folder.

    A class is a folder's name where both names leave no doubt which of them is the crack (see
    `crackdet.data.class_names.sides_of`): `positive` / `negative`, `Cracks` / `Non-Cracks`,
    `damaged` / `undamaged`, SDNET2018's `CD` / `UD`, at any depth. They become the classes negative
    (0) and positive (1). Where they leave doubt it is an error, unless `positive` or `labels` say
    what counts. Folders named as splits, such as `train`, `val_set` or `Testing Images`, above the
    classes or below them, divide the pictures and are no classes.

    Args:
        folder: A folder with one sub-folder a class, or with a `labels` file.
        positive: Name of the class that counts as cracked. The classes then bear the names of
            their folders.
        labels: A CSV file of path and label that replaces the class folders (see
            `crackdet.data.label_file.label_by_file`).
        groups: A table that the caller reads, so that it does not count as passed over.
        for_training: Whether there must be a readable picture of each class, and a train folder
            where there are split folders. What is only to be measured may lack them.
        progress: Called as `progress(done, total, text)` while files are read.

    Raises:
        CrackdetError: If the folder holds no pictures, or their classes are in doubt.
        UntrainableError: If it lacks what `for_training` asks for.
    """
    listed = list_pictures(folder, used=(labels, groups))
    if not listed.paths:
        skipped = f" ({listed.note})" if listed.note else ""
        raise CrackdetError(
            f"Found no pictures in {folder}{skipped}: it needs one sub-folder a class, such as "
            "negative/ and positive/, with JPEG or PNG files in them."
        )
    splits, labelling = label_pictures(folder, listed.paths, positive=positive, labels=labels)
    if for_training and any(splits) and "train" not in splits:
        raise UntrainableError(
            f"{folder} has only {' and '.join(sorted(set(splits)))} pictures and nothing "
            f"to train on: add a train folder; `crackdet evaluate MODEL --data {folder}` measures "
            "a classifier on it as it is."
        )
    labelled = [
        (path, split, label)
        for path, split, label in zip(listed.paths, splits, labelling.labels, strict=True)
        if label is not None
    ]
    images, unreadable = [], []
    for (path, split, label), file in zip(
        labelled, read_files([path for path, _, _ in labelled], progress), strict=True
    ):
        if file.error:
            unreadable.append(file.error)
        else:
            key = path.relative_to(folder).as_posix()
            images.append(FolderImage(path, key, split, label, file.digest, file.bits))
    if for_training:
        readable = [image.label for image in images]
        _require_pictures_of_both(folder, readable, labelling.class_names, unreadable)
    return FolderListing(
        tuple(images),
        labelling.class_names,
        labelling.in_words,
        tuple(unreadable),
        labelling.remarks,
        labelling.findings,
        listed.note,
    )


class ReadFile(NamedTuple):
    """What reading a file tells: its content key and bits (see `FolderImage`), or an error."""

    digest: str = ""
    bits: int | None = None
    error: str = ""


def read_files(paths: Sequence[Path], progress: Progress | None = None) -> list[ReadFile]:
    """Reads every picture whole, to find out which are patches and which bits 16-bit ones use."""
    checks = []
    for done, check in enumerate(thread_pool().map(_check, paths), start=1):
        checks.append(check)
        if progress:
            progress(done, len(paths), "reading pictures")
    bits = common_bits(peak for _, peak, _ in checks)
    return [
        ReadFile(digest, error=error)
        if peak is None or bits is None
        else _with_bits(path, digest, peak, bits)
        for path, (digest, peak, error) in zip(paths, checks, strict=True)
    ]


def _require_pictures_of_both(
    folder: Path, labels: list[int], class_names: tuple[str, ...], unreadable: Sequence[str]
) -> None:
    counts = Counter(labels)
    for label, name in enumerate(class_names):
        if not counts[label]:
            why = f" ({unreadable[0].rstrip('.')})" if unreadable else ""
            raise UntrainableError(
                f"{folder} holds no readable picture of the class {name!r}{why}: add some to train "
                f"on, or measure a classifier on the rest with `crackdet evaluate MODEL --data "
                f"{folder}`."
            )


def _check(path: Path) -> tuple[str, int | None, str]:
    """Returns a file's content key, what `check_patch` says of it, and what is wrong with it."""
    try:
        encoded = read_file(path)
        peak = check_patch(encoded, str(path))
    except CrackdetError as error:
        return "", None, str(error)
    return hashlib.sha256(encoded).hexdigest()[:16], peak, ""


def _with_bits(path: Path, digest: str, peak: int, bits: int) -> ReadFile:
    try:
        require_visible(peak, bits, str(path))
    except CrackdetError as error:
        return ReadFile(error=str(error))
    if bits != bits_for(peak):
        # The same bytes make other pixels than alone, and caches go by the content key.
        digest = hashlib.sha256(f"{digest} with {bits} bits".encode()).hexdigest()[:16]
    return ReadFile(digest, bits)
