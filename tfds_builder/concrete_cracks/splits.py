"""Which split and which group each image belongs to.

For the official images the answer is the shipped table `groups.csv`, keyed by content. For any
other images it is worked out by `tfds_builder.grouping` when the data set is built. Either way it
depends on what the files hold, never on their names or order.
"""

import bisect
import functools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from tfds_builder.concrete_cracks.sources import SourceImage
from tfds_builder.grouping import (
    assign_splits,
    connected_groups,
    find_links,
    load_table,
    twin_groups,
)

SPLITS = ("train", "validation", "test")

_PACKAGE = resources.files("tfds_builder.concrete_cracks")


class Placement(NamedTuple):
    """Where one image belongs.

    Attributes:
        name: Content key and number of the copy: a name that no other image has.
        split: "train", "validation" or "test".
        group: Number of the piece of wall that it shows.
    """

    name: str
    split: str
    group: int


@functools.cache
def shipped_table() -> dict[str, Any]:
    """Returns the rows of `groups.csv` by content key."""
    if not (_PACKAGE / "groups.csv").is_file():
        return {}
    with resources.as_file(_PACKAGE / "groups.csv") as path:
        return load_table(path)


@functools.cache
def shipped_leakage() -> dict[str, dict[str, Any]]:
    """Returns the measured leakage of the shipped splits, `leakage.json`."""
    path = _PACKAGE / "leakage.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def place(
    images: Sequence[SourceImage],
    config: str,
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Placement]:
    """Places every image in a split.

    Args:
        images: The whole data set.
        config: "grouped" keeps groups together; "twins" keeps twins alone together; "random" deals
            out single files. All keep the classes' shares.
        progress: Called with (what, done, total) while groups are worked out.

    Returns:
        The placements, in the order of the images.
    """
    names = distinct_names(images)
    table = shipped_table()
    if all(image.key in table for image in images):
        rows = [table[image.key] for image in images]
        groups, twins = (np.array([row[unit] for row in rows]) for unit in ("group", "twin_group"))
    else:
        groups, twins = _derive_groups(images, progress)
    labels = np.array([image.label for image in images])
    units = {"grouped": groups, "twins": twins, "random": np.arange(len(images))}[config]
    words = [SPLITS[number] for number in assign_splits(units, labels, names)]
    return [Placement(*row) for row in zip(names, words, groups.tolist(), strict=True)]


def distinct_names(images: Sequence[SourceImage]) -> list[str]:
    """Returns content keys, with exact copies told apart by a number in the order of file names."""
    copies: Counter[str] = Counter()
    names = [""] * len(images)
    for i in sorted(range(len(images)), key=lambda i: images[i].filename):
        key = images[i].key
        names[i] = f"{key}-{copies[key]}"
        copies[key] += 1
    return names


def _derive_groups(
    images: Sequence[SourceImage], progress: Callable[[str, int, int], None] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Works out the groups and twins of images that are not in the table, in whatever order."""
    jpeg_of = {image.key: image.jpeg for image in images}
    keys = sorted(jpeg_of)
    links = find_links([jpeg_of[key] for key in keys], progress=progress)
    at = [bisect.bisect_left(keys, image.key) for image in images]
    return connected_groups(len(keys), links)[at], twin_groups(len(keys), links)[at]
