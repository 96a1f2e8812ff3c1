"""Leak-free splits of a folder: crops of one piece of wall never stand in two of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crackdet.data.folders import FolderImage, FolderListing, Progress
from crackdet.errors import CrackdetError
from crackdet.images import GROUPING_SUFFIXES, read_image

# "" stands for pictures of a folder without split folders: all are to be divided.
_SPLIT_NUMBERS = {"": -1, "train": 0, "validation": 1, "test": 2}
_TEST = _SPLIT_NUMBERS["test"]


def complete_splits(
    listing: FolderListing,
    fractions: tuple[float, float] | None,
    seed: int,
    verbose: int,
    progress: Progress | None,
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], str]:
    """Decides the split of each picture.

    Splits that the folder lacks are cut from its training pictures, whole groups at a time.

    Args:
        listing: What the folder holds.
        fractions: Shares of the pictures for validation and for test, where they are lacking. None
            cuts nothing: pictures of a folder without splits are all in test.
        seed: Seed of the draw.
        verbose: 0 for no line about what is done.
        progress: Called as `progress(done, total, text)` while crops are compared.

    Returns:
        For each picture its split (0 train, 1 validation, 2 test) and its group, the names of the
        splits that were cut from others, and a sentence on how the splits were made.

    Raises:
        CrackdetError: If the fractions leave nothing.
    """
    splits = np.array([_SPLIT_NUMBERS[image.split] for image in listing.images])
    if fractions is None:
        groups = _wall_groups(listing.images, verbose, progress)
        return np.where(splits < 0, _TEST, splits), groups, (), ""
    lacking = [index for index in (1, 2) if index not in splits]
    if not lacking:
        digests = np.array([image.digest for image in listing.images])
        groups = np.unique(digests, return_inverse=True)[1]
        return splits, groups, (), "The splits are the folder's own, not checked for leaks here."
    validation, test = (share if i in lacking else 0.0 for i, share in enumerate(fractions, 1))
    if min(fractions[index - 1] for index in lacking) <= 0 or validation + test >= 1:
        raise CrackdetError(
            "validation_fraction and test_fraction must be above 0 and leave something to train "
            f"on; received {fractions[0]} and {fractions[1]}."
        )
    members = np.flatnonzero(splits <= 0)
    images = [listing.images[i] for i in members]
    own_groups = _wall_groups(images, verbose, progress)
    from tfds_builder.grouping import assign_splits

    splits[members] = assign_splits(
        own_groups,
        np.array([image.label for image in images]),
        [image.digest for image in images],
        fractions=(1 - validation - test, validation, test),
        seed=seed,
    )
    groups = np.arange(len(listing.images)) + len(own_groups)
    groups[members] = own_groups
    names = [("train", "validation", "test")[index] for index in lacking]
    how = f"Cut {' and '.join(names)} from the folder, keeping crops of one wall together."
    return splits, groups, ("train", *names), how


def _wall_groups(
    images: Sequence[FolderImage], verbose: int, progress: Progress | None
) -> np.ndarray:
    """Returns the group of each picture: those that show the same piece of wall share one.

    For the official images the shipped table knows it; for others it is worked out.
    """
    from tfds_builder.concrete_cracks.splits import shipped_table
    from tfds_builder.grouping import connected_groups, find_links

    table = shipped_table()
    if all(image.digest in table for image in images):
        known = [int(table[image.digest]["group"]) for image in images]
        return np.unique(known, return_inverse=True)[1]
    if verbose:
        print(f"Looking for crops of the same wall among {len(images)} pictures.")
    links = find_links(
        [_for_grouping(image.path) for image in images],
        progress=progress and (lambda text, done, total: progress(done, total, text)),
    )
    return connected_groups(len(images), links)


def _for_grouping(path: Path) -> Path | np.ndarray:
    """Returns what `find_links` reads."""
    return path if path.suffix.lower() in GROUPING_SUFFIXES else read_image(path)
