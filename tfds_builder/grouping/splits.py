"""Splits that keep groups together, and the measure of how much a split leaks."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfds_builder.grouping.groups import twin_groups
from tfds_builder.grouping.links import Links

TRAIN, VALIDATION, TEST = range(3)


def assign_splits(
    groups: np.ndarray,
    labels: np.ndarray,
    keys: Sequence[str],
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> np.ndarray:
    """Puts whole groups into splits so that each has its share of every class.

    Groups are dealt out from the largest to the smallest, groups of one size in an order drawn
    from `seed`, each to the split that lacks its classes most. Where few groups leave a split
    without one of the classes, it is given the smallest group that another split can spare. The
    result depends on the groups and the keys of their members alone, not on the order in which they
    come.

    Args:
        groups: int64 `(count,)`. Distinct numbers for all images give a plain stratified split.
        labels: int64 `(count,)`.
        keys: `count` names that stay with the images, such as content keys. Images of one group
            may share a name, as exact copies do.
        fractions: Shares of the splits, by default train, validation and test; they add up to 1.
        seed: Which of the many such splits.

    Returns:
        int64 `(count,)`: the split of each image by its place in `fractions`, 0 for train.

    Raises:
        ValueError: The fractions do not add up to 1, or two groups share a key.

    Example:

    >>> splits = assign_splits(np.arange(100), np.arange(100) % 2, [str(i) for i in range(100)])
    >>> np.bincount(splits).tolist()
    [80, 10, 10]
    """
    if abs(sum(fractions) - 1) > 1e-9 or min(fractions) < 0:
        raise ValueError(f"`fractions` must be positive and add up to 1; received {fractions}.")
    groups = np.asarray(groups)
    if len(keys) != len(groups) or len(set(keys)) != len(
        set(zip(keys, groups.tolist(), strict=True))
    ):
        raise ValueError("`keys` must be one for each image, distinct between groups.")
    names, labels = np.unique(labels, return_inverse=True)
    members: dict[int, list[int]] = {}
    for image, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(image)
    dealing = sorted(members.values(), key=lambda m: _dealing_order(m, keys, seed))
    classes = [np.bincount(labels[images], minlength=len(names)) for images in dealing]
    chosen = _deal(
        np.array(classes, np.int64).reshape(len(dealing), len(names)), np.array(fractions)
    )
    splits = np.zeros(len(groups), np.int64)
    for images, split in zip(dealing, chosen.tolist(), strict=True):
        splits[images] = split
    return splits


def _deal(classes: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """Returns the split of each group, given the classes of its members, `(groups, classes)`."""
    target = np.outer(fractions, classes.sum(axis=0)).clip(1e-9)
    filled = np.zeros_like(target)
    chosen = np.zeros(len(classes), np.int64)
    for group, counts in enumerate(classes):
        # The rise of sum(filled**2 / target), which is least when all splits fill alike.
        cost = (counts * (filled + counts / 2) / target).sum(axis=1)
        chosen[group] = cost.argmin()
        filled[chosen[group]] += counts
    while (moved := _spared(classes, chosen, filled, fractions)) is not None:
        group, split = moved
        filled[chosen[group]] -= classes[group]
        filled[split] += classes[group]
        chosen[group] = split
    return chosen


def _spared(
    classes: np.ndarray, chosen: np.ndarray, filled: np.ndarray, fractions: np.ndarray
) -> tuple[int, int] | None:
    """Returns the smallest group that can move to a split which lacks one of its classes."""
    lacking = (filled == 0) & (fractions > 0)[:, None]
    for split, label in zip(*np.nonzero(lacking), strict=True):
        left = filled[chosen] - classes  # of each group's split without it
        spared = np.all((classes == 0) | (left > 0), axis=1) & (classes[:, label] > 0)
        if spared.any():
            return int(np.flatnonzero(spared)[-1]), int(split)  # they are in order of size
    return None


def _dealing_order(images: list[int], keys: Sequence[str], seed: int) -> tuple[int, bytes]:
    name = min(keys[image] for image in images)
    return -len(images), hashlib.sha256(f"{seed}/{name}".encode()).digest()


def leakage(links: Links, splits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Measures how much of the test split is known from training.

    Args:
        links: Verified links between the images.
        splits: int64 `(count,)`: 0 train, 1 validation, 2 test.
        labels: int64 `(count,)`.

    Returns:
        A dict with `test_images`, `twin` and `twin_or_overlap`: the shares in [0, 1] of test
        images that have a twin, or a twin or an overlapping crop, in train; and `by_class`, the
        same two shares for each label.
    """
    # Being the same crop is transitive, so a set of twins counts as one crop.
    crop = twin_groups(len(splits), links)
    trained = np.bincount(crop, weights=splits == TRAIN) > 0
    touched = trained.copy()
    for here, there in ((links.first, links.second), (links.second, links.first)):
        touched[crop[here[trained[crop[there]]]]] = True
    test = splits == TEST
    known = np.stack([trained[crop], touched[crop]]) & test

    def shares(mask: np.ndarray) -> dict[str, float]:
        count = max(1, int(mask.sum()))
        twin, either = (round(float((row & mask).sum() / count), 4) for row in known)
        return {"twin": twin, "twin_or_overlap": either}

    by_class = {int(label): shares(test & (labels == label)) for label in np.unique(labels)}
    return {"test_images": int(test.sum()), **shares(test), "by_class": by_class}
