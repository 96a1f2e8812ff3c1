"""Which pairs of images may overlap, by nearest neighbours among their keypoints.

Comparing all pairs of 40,000 images would take days. Instead each keypoint asks an inverted-file
index (Jégou et al. 2011, "Product quantization for nearest neighbor search", without the product
quantization) for the most similar keypoints of other images. Each answer is a hypothesis: these two
images show the same surface, under this symmetry, at this shift.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import faiss
import numpy as np

from tfds_builder.grouping.keypoints import Keypoints, apply_symmetry

NEIGHBOURS = 12  # asked for by each keypoint, its own image's included
PROBES = 6  # inverted lists read by each query
KEYPOINTS_PER_LIST = 1100
QUERY_CHUNK = 65536
LONE_DISTANCE = 0.06  # squared distance of unit descriptors: a single hit must be this close
MUTUAL_DISTANCE = 0.15  # … and one found from both sides this close; two hits need no bound

_LIMIT = 4096  # shifts are packed in 13 bits, so images may be up to 4096 pixels a side


class Candidates(NamedTuple):
    """Hypotheses of overlap, most credible first.

    Attributes:
        first, second: int64 `(n,)` image numbers, `first < second`.
        symmetry: int64 `(n,)`, the symmetry 0..7 to apply to the second image.
        dy, dx: int64 `(n,)`, where the top left corner of the second image, so turned, lies in
            the first one's coordinates.
    """

    first: np.ndarray
    second: np.ndarray
    symmetry: np.ndarray
    dy: np.ndarray
    dx: np.ndarray


def _relative_symmetries() -> np.ndarray:
    """`table[a, b]` = h such that turning by h and then by a equals turning by b."""
    probe = np.arange(9).reshape(3, 3)
    turned = {apply_symmetry(probe, s).tobytes(): s for s in range(8)}
    table = np.zeros((8, 8), np.int64)
    for h in range(8):
        for a in range(8):
            b = turned[apply_symmetry(apply_symmetry(probe, h), a).tobytes()]
            table[a, b] = h
    return table


_RELATIVE = _relative_symmetries()


def find_candidates(
    keypoints: Sequence[Keypoints],
    shapes: np.ndarray,
    *,
    progress: Callable[[str, int, int], None] | None = None,
    workers: int = 2,
) -> Candidates:
    """Proposes overlaps between images from their keypoints.

    Args:
        keypoints: One `Keypoints` per image.
        shapes: int64 `(images, 2)`, height and width of each image.
        progress: Called with (what, done, total).
        workers: Threads of the neighbour search.

    Returns:
        `Candidates`, one row per distinct hypothesis.
    """
    nothing = Candidates(*(np.zeros(0, np.int64) for _ in range(5)))
    image = np.repeat(np.arange(len(keypoints)), [len(k.poses) for k in keypoints])
    if len(image) == 0:
        return nothing
    positions = np.concatenate([k.positions for k in keypoints]).astype(np.int64)
    poses = np.concatenate([k.poses for k in keypoints])
    descriptors = np.concatenate([k.descriptors for k in keypoints])
    query, answer, distance = _neighbours(descriptors, image, progress, workers)
    if len(query) == 0:  # a single image, or copies of one
        return nothing
    swap = image[query] > image[answer]
    query, answer = np.where(swap, answer, query), np.where(swap, query, answer)
    first, second = image[query], image[answer]
    symmetry = _RELATIVE[poses[query], poses[answer]]
    turned = _turn(positions[answer], symmetry, shapes[second])
    dy, dx = (positions[query] - turned).T
    return _tally(first, second, symmetry, dy, dx, query, distance)


def _neighbours(
    descriptors: np.ndarray,
    image: np.ndarray,
    progress: Callable[[str, int, int], None] | None,
    workers: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs (query, answer, squared distance) of keypoints of different images."""
    faiss.omp_set_num_threads(workers)
    count, width = descriptors.shape
    lists = max(1, count // KEYPOINTS_PER_LIST)
    # Evenly spaced keypoints serve as the centres of the lists. Clustering would balance them
    # a little better, but its floating-point sums differ between machines; here every distance
    # is a sum of whole numbers below 2**24, exact in float32.
    quantizer = faiss.IndexFlatL2(width)
    quantizer.add(descriptors[np.linspace(0, count - 1, lists).astype(np.int64)])
    index = faiss.IndexIVFFlat(quantizer, width, lists)
    index.is_trained = True
    index.add(descriptors)
    index.nprobe = PROBES
    found = []
    for start in range(0, count, QUERY_CHUNK):
        distance, answer = index.search(descriptors[start : start + QUERY_CHUNK], NEIGHBOURS)
        query = np.repeat(np.arange(start, start + len(answer)), NEIGHBOURS)
        answer, distance = answer.ravel(), distance.ravel()
        keep = answer >= 0
        keep &= image[query] != image[np.maximum(answer, 0)]
        found.append((query[keep], answer[keep], distance[keep]))
        if progress:
            progress("comparing keypoints", min(start + QUERY_CHUNK, count), count)
    query, answer, distance = (np.concatenate(column) for column in zip(*found, strict=True))
    return query, answer, distance / 256.0**2


def _turn(positions: np.ndarray, symmetry: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Where `positions` come to lie when their image is turned by `symmetry`."""
    height, width = shapes.T
    y = np.where(symmetry & 2, height - 1 - positions[:, 0], positions[:, 0])
    x = np.where(symmetry & 1, width - 1 - positions[:, 1], positions[:, 1])
    transposed = (symmetry & 4) > 0
    return np.stack([np.where(transposed, x, y), np.where(transposed, y, x)], axis=1)


def _tally(first, second, symmetry, dy, dx, query, distance) -> Candidates:  # type: ignore[no-untyped-def]
    """Counts the hits of each hypothesis and keeps the credible ones, best first."""
    code = (first * (second.max() + 1) + second) * 8 + symmetry
    code = (code * 2 * _LIMIT + dy + _LIMIT) * 2 * _LIMIT + dx + _LIMIT
    order = np.lexsort((query, code))
    code, query, distance = code[order], query[order], distance[order]
    starts = np.flatnonzero(np.r_[True, code[1:] != code[:-1]])
    hits = np.diff(np.r_[starts, len(code)])
    closest = np.minimum.reduceat(distance, starts)
    # Both directions of one pair of keypoints meet in one hypothesis: they are one keypoint, not
    # two that agree.
    new_keypoint = np.r_[True, (code[1:] != code[:-1]) | (query[1:] != query[:-1])]
    keypoints = np.add.reduceat(new_keypoint.astype(np.int64), starts)
    keep = (keypoints >= 2) | ((hits >= 2) & (closest < MUTUAL_DISTANCE))
    keep |= closest < LONE_DISTANCE
    rank = np.lexsort((code[starts], closest, -hits))
    chosen = order[starts[rank[keep[rank]]]]
    return Candidates(first[chosen], second[chosen], symmetry[chosen], dy[chosen], dx[chosen])
