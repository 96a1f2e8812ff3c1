"""Folders of pictures: which class and split each file belongs to, and what cannot be read."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from crackdet.data.dataset import DEFAULT_CLASSES
from crackdet.errors import CrackdetError
from crackdet.images import DeepPicture, check_patch, read_file, thread_pool
from crackdet.listing import list_pictures
from crackdet.sample_bits import bits_for, common_bits, require_visible

Progress = Callable[[int, int, str], None]  # (done, total, what is being done)

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}

# Compared in lower case with everything but letters and digits taken out. The two-letter names
# are SDNET2018's: cracked/uncracked bridge decks, pavements and walls.
NEGATIVE_FOLDERS = {"negative", "negatives", "neg", "nocrack", "nocracks", "noncrack"} | {
    *("noncracked", "uncracked", "sound", "intact", "healthy", "ud", "up", "uw"),
}
POSITIVE_FOLDERS = {"positive", "positives", "pos", "crack", "cracks", "cracked", "cd", "cp", "cw"}


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
        images: The readable pictures.
        class_names: Names in the order of the labels.
        unreadable: For each picture left out what is wrong with it.
        skipped: What is no picture to `list_pictures`, counted by kind in words, or nothing.
    """

    images: tuple[FolderImage, ...]
    class_names: tuple[str, ...]
    unreadable: tuple[str, ...]
    skipped: str = ""


def bits_of(images: Iterable[FolderImage]) -> int | None:
    """Returns the bits of 16-bit samples that do not say how many they use; None without any."""
    return next((image.bits for image in images if image.bits is not None), None)


def list_folder(
    folder: Path, *, for_training: bool = True, progress: Progress | None = None
) -> FolderListing:
    """Finds, labels and test-reads every picture under a folder.

    A class is a folder's name: `positive` / `negative`, `crack` / `no_crack`,
    `cracked` / `uncracked`, SDNET2018's `CD` / `UD` and the like in any case become the classes
    negative (0) and positive (1), wherever they stand in the path. Otherwise the first level
    (below `train`, `validation` or `test`, if there) names the classes in sorted order.

    Args:
        folder: A folder with one sub-folder a class, or with such folders under `train`, `val`
            / `valid` / `validation` and `test`.
        for_training: Whether there must be a readable picture of each class, and a train folder
            where there are split folders. What is only to be measured may lack them.
        progress: Called as `progress(done, total, text)` while files are read.

    Raises:
        CrackdetError: If the folder holds no pictures or not exactly two classes.
    """
    listed = list_pictures(folder)
    paths = listed.paths
    if not paths:
        skipped = f" ({listed.note})" if listed.note else ""
        raise CrackdetError(
            f"Found no pictures in {folder}{skipped}: it needs one sub-folder a class, such as "
            "negative/ and positive/, with JPEG or PNG files in them."
        )
    splits = _split_names(folder, paths)
    if for_training and any(splits) and "train" not in splits:
        raise CrackdetError(f"{folder} has split folders but no train/: add it.")
    parts = [path.relative_to(folder).parts[:-1] for path in paths]
    classes = [part[1:] if split else part for part, split in zip(parts, splits, strict=True)]
    labels, class_names = _label(folder, paths, classes)
    images, unreadable = [], []
    for path, split, label, file in zip(
        paths, splits, labels, read_files(paths, progress), strict=True
    ):
        if file.error:
            unreadable.append(file.error)
        else:
            key = path.relative_to(folder).as_posix()
            images.append(FolderImage(path, key, split, label, file.digest, file.bits))
    _require_two_classes(folder, class_names)
    if for_training:
        readable = [image.label for image in images]
        _require_pictures_of_both(folder, readable, class_names, unreadable)
    return FolderListing(tuple(images), class_names, tuple(unreadable), listed.note)


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


def _split_names(folder: Path, paths: Sequence[Path]) -> list[str]:
    """Returns the split of each file, or "" for all when the folder is not divided."""
    tops = [path.relative_to(folder).parts[0] for path in paths]
    names = [SPLIT_FOLDERS.get(top.lower(), "") for top in tops]
    if not any(names):
        return names
    if outside := sorted({top for top, name in zip(tops, names, strict=True) if not name}):
        raise CrackdetError(
            f"{folder} mixes split folders with {outside[0]!r}: put every class folder under "
            "train/, validation/ or test/."
        )
    return names


def _label(
    folder: Path, paths: Sequence[Path], classes: Sequence[tuple[str, ...]]
) -> tuple[list[int], tuple[str, ...]]:
    known = [_known_label(parts) for parts in classes]
    if None not in known:
        return [int(label) for label in known if label is not None], DEFAULT_CLASSES
    for path, parts in zip(paths, classes, strict=True):
        if not parts:
            raise CrackdetError(
                f"{path} stands in no class folder: move it into one, such as negative/ or "
                f"positive/ in {folder}."
            )
    names = sorted({parts[0] for parts in classes})
    return [names.index(parts[0]) for parts in classes], tuple(names)


def _known_label(parts: tuple[str, ...]) -> int | None:
    for part in reversed(parts):
        name = re.sub(r"[^a-z0-9]", "", part.lower())
        if name in NEGATIVE_FOLDERS:
            return 0
        if name in POSITIVE_FOLDERS:
            return 1
    return None


def _require_two_classes(folder: Path, class_names: tuple[str, ...]) -> None:
    if len(class_names) != 2:
        raise CrackdetError(
            f"{folder} holds {len(class_names)} classes ({', '.join(class_names)}): two are "
            "needed, without crack and with crack."
        )


def _require_pictures_of_both(
    folder: Path, labels: list[int], class_names: tuple[str, ...], unreadable: Sequence[str]
) -> None:
    counts = Counter(labels)
    for label, name in enumerate(class_names):
        if not counts[label]:
            why = f" {unreadable[0]}" if unreadable else ""
            raise CrackdetError(f"{folder} holds no readable picture of the class {name!r}.{why}")


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
