"""Folds of a few patches of a site: whole photos where they are enough, else single patches."""

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from crackdet.errors import CrackdetError

Ints = NDArray[np.int64]

# Of each class: on fewer, nothing that is found could be told from chance.
FEWEST = 5
# A class is parted into single patches where it has fewer photos than this, or one has most of it.
_FEWEST_PHOTOS = 3
_MOST_OF_A_CLASS = 0.5


def judged_together(labels: Ints, groups: Ints) -> tuple[Ints, list[str]]:
    """Returns what folds keep together: photos, or single patches where a class has too few.

    Args:
        labels: 0 or 1 of each patch.
        groups: Its photo.

    Returns:
        A number for each patch, the same for those that stay together, and what must be said where
        photos are parted.

    Raises:
        CrackdetError: If a class has fewer than five patches.
    """
    counts = np.bincount(labels, minlength=2)
    if counts.min() < FEWEST:
        raise CrackdetError(
            f"Adapting needs {FEWEST} patches or more of each class, cracked and sound; received "
            f"{counts[1]} cracked and {counts[0]} sound ones."
        )
    units = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    notes = []
    for label, name in ((0, "sound"), (1, "cracked")):
        own = np.flatnonzero(labels == label)
        sizes = np.unique(units[own], return_counts=True)[1]
        if sizes.size < _FEWEST_PHOTOS or sizes.max() > _MOST_OF_A_CLASS * own.size:
            units[own] = labels.size * (1 + label) + np.arange(own.size)
            notes.append(
                f"Most {name} patches are of one photo, or of two: they are judged by heads that "
                "know other patches of the same photo, so the figures may be too good."
            )
    return units, notes


def deal(labels: Ints, units: Ints, most: int, seed: int) -> Ints:
    """Returns the fold of each patch, from 0: whole units, both classes left besides any fold.

    Args:
        labels: 0 or 1 of each patch.
        units: What stays together, see `judged_together`.
        most: The most folds; fewer where a class has fewer units.
        seed: Which of the many such folds.

    Raises:
        CrackdetError: If there are no two such folds.
    """
    fewest = min(np.unique(units[labels == label]).size for label in (0, 1))
    for count in range(min(most, fewest), 1, -1):
        dealer = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
        fold_of = np.empty(labels.size, np.int64)
        for number, (_, held_out) in enumerate(dealer.split(labels, labels, units)):
            fold_of[held_out] = number
        left = [labels[fold_of != number] for number in range(count)]
        if all(np.unique(each).size == 2 for each in left) and np.unique(fold_of).size == count:
            return fold_of
    raise CrackdetError(
        "The patches cannot be dealt into folds of whole photos that leave both classes: label "
        "patches of more photos."
    )
