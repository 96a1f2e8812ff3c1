"""Links between images that show the same piece of surface: twins and overlapping crops."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from tfds_builder.grouping.candidates import find_candidates
from tfds_builder.grouping.keypoints import Keypoints, find_keypoints
from tfds_builder.grouping.verification import normalize, verify

TWIN = 0
OVERLAP = 1
TWIN_SHIFT = 1  # pixels
TWIN_CORRELATION = 0.8
MAX_SIDE = 1024  # pixels; larger images are halved until they fit

Image = np.ndarray | bytes | str | os.PathLike[str]
Decode = Callable[[bytes], np.ndarray]
_JPEG_START = b"\xff\xd8\xff"


@dataclass(frozen=True)
class Links:
    """Pairs of images that share pixels; each array has one entry per pair.

    Attributes:
        first, second: int64, positions in the list of images, `first < second`.
        kind: int64, 0 for a twin (the same crop under a symmetry of the square, shifted by at most
            one pixel), 1 for an overlap.
        symmetry: int64 0..7, to be applied to the second (`keypoints.apply_symmetry`).
        dy, dx: int64, pixels, where the second then lies in the first's coordinates.
        correlation: float64, of the shared pixels after `verification.normalize`.
    """

    first: np.ndarray
    second: np.ndarray
    kind: np.ndarray
    symmetry: np.ndarray
    dy: np.ndarray
    dx: np.ndarray
    correlation: np.ndarray

    def __len__(self) -> int:
        return len(self.first)

    def select(self, mask: np.ndarray) -> "Links":
        """The links where `mask` is true."""
        return Links(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


def find_links(
    images: Sequence[Image],
    *,
    decode: Decode | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    workers: int = 2,
) -> Links:
    """Finds all pairs of images that are twins or overlapping crops.

    Three steps: keypoints that do not change under mirrors and quarter turns, nearest neighbours
    among them as candidates, and for each candidate the correlation of all shared pixels at full
    resolution. An exact copy has one link: it is the twin, at correlation 1, of the first of its
    kind.

    Limits: overlaps under `verification.MIN_AREA` pixels, changes of scale, free rotation, and
    surfaces without any texture above the noise of JPEG are not found.

    Args:
        images: uint8 arrays `(height, width)` or `(height, width, 3)`, encoded images as bytes, or
            paths; at least 35 pixels a side to be found at all.
        decode: Reads the bytes of an image that is no JPEG, or a JPEG that OpenCV cannot read, as
            uint8 `(height, width)` or RGB `(height, width, 3)`. Defaults to OpenCV for all.
        progress: Called with (what is being done, done, total).
        workers: Threads.

    Returns:
        `Links`, ordered by (first, second).

    Raises:
        ValueError: An image cannot be decoded; the message names its position or path.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> wall = cv2.GaussianBlur(rng.integers(0, 255, (300, 300)).astype(np.uint8), (0, 0), 2)
    >>> links = find_links([wall[:227, :227], wall[60:287, 40:267][:, ::-1]])
    >>> int(links.kind[0]), int(links.symmetry[0])
    (1, 1)
    """
    prepared: list[_Prepared] = []
    seen: dict[bytes, int] = {}
    distinct: list[int] = []
    copies: list[tuple[int, int]] = []
    for position, item in enumerate(_prepare_all(images, decode, progress, workers)):
        known = seen.setdefault(item.digest, position)
        if known == position:
            prepared.append(item)
            distinct.append(position)
        else:
            copies.append((known, position))
    shapes = np.array([item.normalized.shape for item in prepared], np.int64).reshape(-1, 2)
    keypoints = [item.keypoints for item in prepared]
    candidates = find_candidates(keypoints, shapes, progress=progress, workers=workers)
    found = verify([item.normalized for item in prepared], candidates, progress=progress)
    links = {(distinct[a], distinct[b]): match for (a, b), match in found.items()}
    links.update({pair: (0, 0, 0, 1.0) for pair in copies})
    return _as_links(links)


class _Prepared(NamedTuple):
    digest: bytes
    keypoints: Keypoints
    normalized: np.ndarray


def _prepare_all(
    images: Sequence[Image],
    decode: Decode | None,
    progress: Callable[[str, int, int], None] | None,
    workers: int,
) -> Iterator[_Prepared]:
    # OpenCV's own threads would compete with ours.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with ThreadPoolExecutor(workers) as pool:
            prepare = partial(_prepare, decode=decode)
            for done, item in enumerate(pool.map(prepare, images, range(len(images))), start=1):
                yield item
                if progress and (done % 256 == 0 or done == len(images)):
                    progress("reading images", done, len(images))
    finally:
        cv2.setNumThreads(threads)


def _prepare(image: Image, position: int, decode: Decode | None) -> _Prepared:
    grey = read_grey(image, position, decode)
    digest = hashlib.sha256(repr(grey.shape).encode() + grey.tobytes()).digest()
    return _Prepared(digest, find_keypoints(grey), normalize(grey))


def read_grey(image: Image, position: int = 0, decode: Decode | None = None) -> np.ndarray:
    """Returns an image as uint8 `(height, width)`, at most `MAX_SIDE` pixels a side."""
    if isinstance(image, np.ndarray):
        grey = _grey(image)
    else:
        encoded = image if isinstance(image, bytes) else Path(image).read_bytes()
        decoded = None
        if decode is None or encoded.startswith(_JPEG_START):
            decoded = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE)
        if decoded is not None:
            grey = np.asarray(decoded, np.uint8)
        elif decode is not None:
            grey = _grey(decode(encoded))
        else:
            name = f"number {position}" if isinstance(image, bytes) else str(image)
            raise ValueError(f"Image {name} cannot be decoded; remove it or mend it.")
    while max(grey.shape) > MAX_SIDE:
        half = (max(1, grey.shape[1] // 2), max(1, grey.shape[0] // 2))
        grey = cv2.resize(grey, half, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(grey)


def _grey(pixels: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels


def _as_links(found: dict[tuple[int, int], tuple[int, int, int, float]]) -> Links:
    rows = [(*pair, *found[pair]) for pair in sorted(found)]
    table = np.array(rows, np.float64).reshape(-1, 6)
    first, second, symmetry, dy, dx = (table[:, k].astype(np.int64) for k in range(5))
    same = (np.abs(dy) <= TWIN_SHIFT) & (np.abs(dx) <= TWIN_SHIFT)
    kind = np.where(same & (table[:, 5] >= TWIN_CORRELATION), TWIN, OVERLAP)
    return Links(first, second, kind, symmetry, dy, dx, table[:, 5])
