"""Leak-free splits of a folder: crops of one piece of wall never stand in two of them."""

import dataclasses
from collections.abc import Sequence
from functools import partial

import numpy as np

from crackdet.data.folders import FolderImage, Progress, bits_of
from crackdet.data.walls import Walls, joined_groups
from crackdet.errors import CrackdetError
from crackdet.images import read_image

SPLITS = ("train", "validation", "test")


def find_walls(
    images: Sequence[FolderImage],
    given: np.ndarray,
    *,
    compare: bool = True,
    verbose: int = 1,
    progress: Progress | None = None,
) -> Walls:
    """Finds out which pictures belong together.

    For the official images the shipped table knows it; others are compared with each other.

    Args:
        images: Pictures of a folder.
        given: int64 `(count,)`, groups that the user gave, -1 for none; they are joined with those
            that are found.
        compare: Whether twins and overlapping crops are looked for. Exact copies always are.
        verbose: 0 for no line about what is done.
        progress: Called as `progress(done, total, text)` while crops are compared.
    """
    digests = [image.digest for image in images]
    if not compare or not images:
        return Walls.of_groups(digests, given)
    from tfds_builder.concrete_cracks.splits import shipped_table
    from tfds_builder.grouping import find_links

    table = shipped_table()
    if all(digest in table for digest in digests):
        crops, groups = (
            np.array([int(table[digest][unit]) for digest in digests])
            for unit in ("twin_group", "group")
        )
        known = Walls.of_groups(digests, joined_groups(groups, given), compared=True)
        return dataclasses.replace(known, crops=crops)
    if verbose:
        print(f"Looking for crops of the same wall among {len(images)} pictures.")
    links = find_links(
        [image.path for image in images],
        decode=partial(read_image, bits=bits_of(images)),
        progress=progress and (lambda text, done, total: progress(done, total, text)),
    )
    return Walls.of_links(digests, links, given)


def complete_splits(
    images: Sequence[FolderImage],
    walls: Walls,
    fractions: tuple[float, float] | None,
    seed: int,
) -> tuple[np.ndarray, tuple[str, ...], str]:
    """Decides the split of each picture.

    Splits that the folder lacks are cut from its training pictures, whole groups at a time.

    Args:
        images: What the folder holds.
        walls: What the pictures have in common.
        fractions: Shares of the pictures for validation and for test, where they are lacking. None
            cuts nothing: pictures of a folder without splits are all in test.
        seed: Seed of the draw.

    Returns:
        For each picture the name of its split, `(count,)`, the names of the splits that were cut
        from others, and a sentence on how the splits were made.

    Raises:
        CrackdetError: If the fractions leave nothing.
    """
    splits = np.array([image.split for image in images], "U10")
    if fractions is None:
        own = "The splits are the folder's own." if any(splits != "") else ""
        return np.where(splits == "", "test", splits), (), own
    lacking = [name for name in SPLITS[1:] if name not in splits]
    if not lacking:
        return splits, (), "The splits are the folder's own."
    shares = dict(zip(SPLITS[1:], fractions, strict=True))
    validation, test = (shares[name] if name in lacking else 0.0 for name in SPLITS[1:])
    if min(shares[name] for name in lacking) <= 0 or validation + test >= 1:
        raise CrackdetError(
            "validation_fraction and test_fraction must be above 0 and leave something to train "
            f"on; received {fractions[0]} and {fractions[1]}."
        )
    from tfds_builder.grouping import assign_splits

    members = np.flatnonzero((splits == "") | (splits == "train"))
    cut = [images[i] for i in members.tolist()]
    dealt = assign_splits(
        walls.groups[members],
        np.array([image.label for image in cut]),
        [image.digest for image in cut],
        fractions=(1 - validation - test, validation, test),
        seed=seed,
    )
    splits[members] = np.array(SPLITS)[dealt]
    what = "crops of one wall" if walls.compared else "exact copies and given groups"
    how = f"Cut {' and '.join(lacking)} from the folder, keeping {what} together."
    if any(np.mean(splits[members] == name) < shares[name] / 2 for name in lacking):
        sizes = np.bincount(walls.groups[members])
        how += (
            f" The largest of {np.count_nonzero(sizes)} groups holds {sizes.max()} of "
            f"{len(members)} pictures, so not all splits have the size that was asked for."
        )
    return splits, ("train", *lacking), how


def few_groups(images: Sequence[FolderImage], walls: Walls, label: int) -> str:
    """Returns how few groups the pictures that splits are cut from have of a class, in words."""
    own = [
        group
        for image, group in zip(images, walls.groups.tolist(), strict=True)
        if image.label == label and image.split in ("", "train")
    ]
    groups = len(set(own))
    return f"{len(own)} pictures in {groups} {'group' if groups == 1 else 'groups'}"
