"""From links to groups: the pieces of wall."""

import re
from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from tfds_builder.grouping.links import TWIN, Links

# A file between two files of one photo counts as of that photo when the two are this close.
MAX_NUMBER_GAP = 10
_STRICTER = np.arange(0.55, 1.0, 0.05)
_RUN_NUMBER = re.compile(r"Positive/(\d{5})(?:_1)?\.jpg$")


def connected_groups(
    count: int,
    links: Links,
    *,
    numbers: np.ndarray | None = None,
    largest: float | None = None,
) -> np.ndarray:
    """Joins linked images into groups.

    Args:
        count: How many images there are.
        links: Their verified links.
        numbers: int64 `(count,)`, for images that were numbered photo by photo the number, -1 for
            the others. A group that lies wholly between the files of one other group is then
            joined with it: crops of one photo need not overlap each other.
        largest: The largest share of the images that one group may hold. A larger one is taken for
            a chain of chance links, and its weakest links are cut, by steps of 0.05 in correlation.
            `None` cuts nothing.

    Returns:
        int64 `(count,)`, group numbers 0, 1, … in the order of their first members.

    Example:

    >>> links = find_links(images)
    >>> groups = connected_groups(len(images), links)
    """
    groups = _components(count, links)
    if largest is not None:
        groups = _cut_giants(groups, links, largest * count)
    if numbers is not None:
        groups = join_enclosed(groups, numbers)
    return _in_order(groups)


def twin_groups(count: int, links: Links) -> np.ndarray:
    """Joins twins alone: one group for each distinct crop, numbered like `connected_groups`."""
    return _in_order(_components(count, links.select(links.kind == TWIN)))


def join_groups(*groupings: np.ndarray) -> np.ndarray:
    """Joins what several groupings of the same images say.

    Args:
        *groupings: Each int64 `(count,)`: images with the same number belong together; -1 says
            nothing of an image.

    Returns:
        int64 `(count,)`: images that any grouping puts together, directly or through others, share
        a number. They are numbered 0, 1, … in the order of their first members.

    Example:

    >>> join_groups(np.array([0, 0, 1, 2]), np.array([-1, 5, 5, -1])).tolist()
    [0, 0, 0, 1]
    """
    # Each group of each grouping is a node of its own, which its images hang on.
    images, nodes, total = [], [], len(groupings[0])
    for grouping in groupings:
        named = np.flatnonzero(np.asarray(grouping) >= 0)
        names, numbers = np.unique(np.asarray(grouping)[named], return_inverse=True)
        images.append(named)
        nodes.append(numbers + total)
        total += len(names)
    edges = np.concatenate(images), np.concatenate(nodes)
    graph = coo_matrix((np.ones(len(edges[0]), np.int8), edges), shape=(total, total))
    groups = connected_components(graph, directed=False)[1][: len(groupings[0])]
    return _in_order(groups.astype(np.int64))


def run_numbers(filenames: Sequence[str]) -> np.ndarray:
    """Returns the number in the official name of each Positive, -1 for other names.

    The Positives of the data set are numbered photo by photo, 1 to 20000 over both forms of name
    (`00001.jpg` and `10000_1.jpg`); the Negatives are shuffled.
    """
    matches = [_RUN_NUMBER.search(name) for name in filenames]
    return np.array([int(match[1]) if match else -1 for match in matches], np.int64)


def _components(count: int, links: Links) -> np.ndarray:
    ones = np.ones(len(links), np.int8)
    graph = coo_matrix((ones, (links.first, links.second)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _cut_giants(groups: np.ndarray, links: Links, limit: float) -> np.ndarray:
    for correlation in _STRICTER:
        giant = np.bincount(groups) > limit
        if not giant.any():
            break
        links = links.select(~giant[groups[links.first]] | (links.correlation >= correlation))
        groups = _components(len(groups), links)
    return groups


def join_enclosed(groups: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Joins each group that lies between the files of one other group with that group.

    In the order of the numbers a group is a number of runs. Where every run of a group has the same
    other group on both sides, with at most `MAX_NUMBER_GAP` missing numbers, both show one photo.
    A group of which only some runs lie so stays apart: joining it would glue photos into chains.

    Args:
        groups: int64 `(count,)`.
        numbers: int64 `(count,)`, -1 for images without a number.

    Returns:
        int64 `(count,)`.
    """
    groups = groups.copy()
    order = np.argsort(numbers, kind="stable")
    order = order[numbers[order] >= 0]
    while len(order):
        enclosing = _enclosing(groups[order], numbers[order])
        if not enclosing:
            break
        # The host of a group may itself be joined: one at a time, the lowest first.
        group = min(enclosing)
        groups[groups == group] = enclosing[group]
    return groups


def _enclosing(groups: np.ndarray, numbers: np.ndarray) -> dict[int, int]:
    """For each group that one other group encloses, that other group."""
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    ends = np.r_[starts[1:], len(groups)]
    hosts: dict[int, set[int | None]] = {}
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        host = None
        if start > 0 and end < len(groups) and groups[start - 1] == groups[end]:
            missing = int(numbers[end] - numbers[start - 1]) - (end - start) - 1
            host = int(groups[end]) if missing <= MAX_NUMBER_GAP else None
        hosts.setdefault(int(groups[start]), set()).add(host)
    single = {group: next(iter(found)) for group, found in hosts.items() if len(found) == 1}
    return {group: host for group, host in single.items() if host is not None}


def _in_order(groups: np.ndarray) -> np.ndarray:
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first)).astype(np.int64)[inverse]
