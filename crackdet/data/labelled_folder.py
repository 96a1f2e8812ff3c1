"""A folder of labelled pictures and what they have in common, before it is cut into splits."""

import os
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from crackdet.data.dataset import make_universe
from crackdet.data.folders import FolderImage, Progress, bits_of, list_folder
from crackdet.data.groups import GroupsFile, compiled, given_groups
from crackdet.data.partition import find_walls
from crackdet.data.splits import ImageSplit
from crackdet.data.walls import Walls
from crackdet.errors import CrackdetError, CrackdetWarning
from crackdet.sample_bits import bits_note

_MOST_NAMED = 10


class _Labelled(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def label(self) -> Any: ...


_P = TypeVar("_P", bound=_Labelled)


@dataclass(frozen=True)
class LabelledFolder:
    """The pictures of a folder that can be used.

    Attributes:
        path: The folder.
        images: The pictures, readable and of one class each.
        class_names: Names in the order of the labels.
        classes: A sentence: what counts as cracked, and what as sound.
        walls: What the pictures have in common.
        notes: Sentences on what was left out and what the groups are.
    """

    path: Path
    images: tuple[FolderImage, ...]
    class_names: tuple[str, ...]
    classes: str
    walls: Walls
    notes: tuple[str, ...]

    def part(self, name: str, members: Iterable[int], options: dict[str, Any]) -> ImageSplit:
        """Returns some of the pictures as a split.

        Args:
            name: The split's name; train changes its order from epoch to epoch.
            members: Which pictures.
            options: Further arguments of `ImageSplit`: `image_size`, `batch_size`, `seed`.
        """
        chosen = list(members)
        images = [self.images[i] for i in chosen]
        return ImageSplit(
            name,
            [image.encoded for image in images],
            [image.label for image in images],
            keys=[image.key for image in images],
            digests=[image.digest for image in images],
            groups=self.walls.groups[chosen],
            shuffle=name == "train",
            universe=make_universe([[image.digest for image in self.images]]),
            **options,
        )


class CutError(CrackdetError):
    """Too few groups for splits that hold whole ones; `folder` is what could not be cut."""

    def __init__(self, message: str, folder: LabelledFolder):
        super().__init__(message)
        self.folder = folder


def read_folder(
    path: Path,
    *,
    positive: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    group_by: str | None = None,
    groups: GroupsFile | None = None,
    audit: bool = True,
    strict: bool = False,
    for_training: bool = True,
    verbose: int = 1,
    progress: Progress | None = None,
) -> LabelledFolder:
    """Reads a folder, leaves out what cannot be used, and finds out what belongs together.

    Args:
        path: A folder as `crackdet.data.folders.list_folder` describes it.
        positive, labels, group_by, groups, audit, strict, verbose, progress: As in
            `crackdet.load_data`.
        for_training: As in `crackdet.data.folders.list_folder`.

    Raises:
        CrackdetError: If the folder holds too little, or anything is left out and `strict` is set.
    """
    if group_by is not None:
        compiled(group_by)  # says what is wrong with it before the pictures are read
    listing = list_folder(
        path,
        positive=positive,
        labels=labels,
        groups=groups,
        for_training=for_training,
        progress=progress,
    )
    contradictory = contradictions(listing.images)
    left_out = {image.digest for copies in contradictory for image in copies}
    images = [image for image in listing.images if image.digest not in left_out]
    notes = list(listing.remarks)
    for note in (listing.skipped and f"{listing.skipped}.", bits_note(bits_of(images))):
        if note:
            warnings.warn(note, CrackdetWarning, stacklevel=3)
            notes.append(note)
    for finding in (
        *listing.findings,
        unreadable_note(listing.unreadable),
        contradiction_note(contradictory),
    ):
        if not finding:
            continue
        if strict:
            raise CrackdetError(f"{path}: {finding} (--strict)")
        warnings.warn(finding, CrackdetWarning, stacklevel=3)
        notes.append(finding)
    given, groups_note = given_groups([image.key for image in images], group_by, groups, path)
    walls = find_walls(images, given, compare=audit, verbose=verbose, progress=progress)
    if groups_note:
        notes.append(groups_note)
    return LabelledFolder(
        path, tuple(images), listing.class_names, listing.classes, walls, tuple(notes)
    )


def contradictions(pictures: Iterable[_P]) -> list[list[_P]]:
    """Returns the sets of exact copies that stand under more than one class."""
    copies: dict[str, list[_P]] = defaultdict(list)
    for picture in pictures:
        copies[picture.digest].append(picture)
    return [each for each in copies.values() if len({picture.label for picture in each}) > 1]


def contradiction_note(contradictory: Sequence[Sequence[_Labelled]]) -> str:
    """Returns a sentence on copies under both classes; empty when there are none."""
    if not contradictory:
        return ""
    named = [" = ".join(each.key for each in copies) for copies in contradictory[:_MOST_NAMED]]
    more = len(contradictory) - len(named)
    return (
        f"The labels of {sum(map(len, contradictory))} pictures contradict each other: the same "
        f"file stands under both classes ({', '.join(named)}{f', and {more} more' if more else ''})"
        "; none of them is used."
    )


def unreadable_note(errors: Sequence[str]) -> str:
    """Returns sentences on pictures that are unreadable or no patches; empty without any."""
    if not errors:
        return ""
    more = len(errors) - _MOST_NAMED
    rest = f" And {more} more." if more > 0 else ""
    named = " ".join(errors[:_MOST_NAMED])
    were = "picture was" if len(errors) == 1 else "pictures were"
    return f"{len(errors)} {were} left out. {named}{rest}"
