"""Which split and which group each image belongs to.

For the official images the answer is the shipped table `groups.csv`, keyed by content. For any
other images it is worked out by `tfds_builder.grouping` when the data set is built. Either way it
depends on what the files hold, never on their names or order.
"""

import functools
import json
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from tfds_builder.concrete_cracks.sources import SourceImage
from tfds_builder.grouping import assign_splits, connected_groups, find_links, load_table

SPLITS = ("train", "validation", "test")

_PACKAGE = resources.files("tfds_builder.concrete_cracks")


class Placement(NamedTuple):
    """Where one image belongs: the split's name and the group's number."""

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
    rule: str,
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Placement]:
    """Places every image in a split.

    Args:
        images: The whole data set.
        rule: "grouped" keeps groups together; "random" ignores them and keeps only the classes'
            shares.
        progress: Called with (what, done, total) while groups are worked out.

    Returns:
        The placement of each content key.
    """
    label_of = {image.key: image.label for image in images}
    table = shipped_table()
    if label_of.keys() <= table.keys():
        rows = ((key, table[key]) for key in label_of)
        return {key: Placement(row[f"split_{rule}"], int(row["group"])) for key, row in rows}

    keys = sorted(label_of)
    labels = np.array([label_of[key] for key in keys])
    jpeg_of = {image.key: image.jpeg for image in images}
    links = find_links([jpeg_of[key] for key in keys], progress=progress)
    groups = connected_groups(len(keys), links)
    units = groups if rule == "grouped" else np.arange(len(keys))
    numbers = assign_splits(units, labels, keys)
    return {
        key: Placement(SPLITS[number], int(group))
        for key, number, group in zip(keys, numbers, groups, strict=True)
    }
