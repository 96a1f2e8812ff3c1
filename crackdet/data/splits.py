"""One split of a data set: pictures decoded on demand, in batches that Keras trains on."""

import copy
import math
from collections.abc import Iterable, Sequence
from typing import Self

import keras
import numpy as np

from crackdet import images as pictures
from crackdet.images import EncodedImage, ImageSize

_PATCHES_LOOKED_AT = 32


class PicturesLeftOut(Exception):  # noqa: N818 - it names what is wrong
    """Pictures are needed of a split that was made without them, see `without_images`."""


class ImageSplit(keras.utils.PyDataset):
    """A labelled set of pictures, usable as `x` in `fit`, `evaluate` and `predict`.

    Pictures stay encoded (bytes in memory, or files on disk) and are decoded by parallel threads
    when a batch is asked for. Batches are `(images, labels)`: uint8 `(batch, height, width, 3)`
    and int32 `(batch,)`; the last one may be smaller.

    With `shuffle=True` the order changes after each epoch, as a pure function of `seed` and
    `epoch`; use `in_order()` for `predict`, whose rows are to align with `labels`.

    Args:
        name: "train", "validation" or "test".
        images: For each picture its path (a `crackdet.images.DeepPicture` where 16-bit samples
            need one), the bytes of its file, or uint8 pixels `(H, W, 3)`.
        labels: Class index of each picture.
        keys: File name of each picture.
        digests: Content key of each picture: 16 hexadecimal digits.
        groups: Group of each picture: pictures of one piece of wall share a number. Defaults to
            one group for each distinct content.
        image_size: Height and width that pictures are resized to, or one integer for a square.
        batch_size: Pictures in a batch.
        shuffle: Whether the order changes from epoch to epoch.
        seed: Seed of the order.
        universe: Sorted distinct content keys of the whole data set, which caches of features
            are indexed by. Defaults to those of this split.

    Example:

    >>> split = crackdet.load_data("demo").train
    >>> images, labels = split[0]
    """

    def __init__(
        self,
        name: str,
        images: Sequence[EncodedImage | None],
        labels: Iterable[int],
        *,
        keys: Sequence[str],
        digests: Sequence[str],
        groups: Iterable[int] | None = None,
        image_size: ImageSize = 224,
        batch_size: int = 32,
        shuffle: bool = False,
        seed: int = 0,
        universe: np.ndarray | None = None,
    ):
        super().__init__()
        self.name = name
        self.labels = np.fromiter(labels, np.int64)
        self.keys = list(keys)
        self.digests = list(digests)
        self.universe = np.unique(np.array(self.digests, "U16")) if universe is None else universe
        self.rows = np.searchsorted(self.universe, np.array(self.digests, "U16"))
        self.groups = self.rows.copy() if groups is None else np.fromiter(groups, np.int64)
        self.image_size = pictures.height_and_width(image_size)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0
        self._encoded: list[EncodedImage | None] = list(images)
        columns = (self.labels, self.keys, self.digests, self.groups)
        if any(len(column) != len(self._encoded) for column in columns):
            raise ValueError(
                "Expected labels, keys, digests and groups for each image. Received: "
                f"{[len(column) for column in columns]} for {len(self._encoded)} images"
            )
        if batch_size < 1:
            raise ValueError(f"Expected batch_size of 1 or more. Received: {batch_size}")

    @property
    def num_images(self) -> int:
        """Number of pictures."""
        return len(self._encoded)

    def __len__(self) -> int:
        return math.ceil(self.num_images / self.batch_size)

    def __getitem__(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        indices = self.batch_indices(batch)
        return self.images(indices), self.labels[indices].astype(np.int32)

    def __repr__(self) -> str:
        return f"ImageSplit({self.name!r}, {self.num_images} images of {self.image_size})"

    def on_epoch_end(self) -> None:
        """Moves on to the order of the next epoch."""
        self.epoch += 1

    def batch_indices(self, batch: int) -> np.ndarray:
        """Returns the indices of the pictures in a batch of the current epoch."""
        if not 0 <= batch < len(self):
            raise IndexError(f"Batch {batch} of a split with {len(self)} batches.")
        order = epoch_order(self.num_images, self.seed, self.epoch if self.shuffle else None)
        return order[batch * self.batch_size : (batch + 1) * self.batch_size]

    def patch_side(self) -> int | None:
        """Returns the longer side of the pictures before they are resized: a median of some.

        It is what a classifier that was trained on them knows as a patch. None without pictures.
        """
        if not self.num_images:
            return None
        some = {*np.linspace(0, self.num_images - 1, _PATCHES_LOOKED_AT).astype(int).tolist()}
        whole = (pictures.load_pixels(self.encoded(i), self.keys[i]) for i in some)
        return int(np.median([max(pixels.shape[:2]) for pixels in whole]))

    def image(self, index: int) -> np.ndarray:
        """Returns one picture resized to `image_size`, uint8 `(height, width, 3)`."""
        return pictures.load_pixels(self.encoded(index), self.keys[index], self.image_size)

    def images(self, indices: Iterable[int]) -> np.ndarray:
        """Returns pictures resized to `image_size`, uint8 `(len(indices), height, width, 3)`."""
        chosen = list(indices)
        return pictures.read_images(
            [self.encoded(i) for i in chosen], self.image_size, [self.keys[i] for i in chosen]
        )

    def original(self, index: int) -> np.ndarray:
        """Returns one picture in its own size, uint8 `(H, W, 3)`."""
        return pictures.load_pixels(self.encoded(index), self.keys[index])

    def encoded(self, index: int) -> EncodedImage:
        """Returns a picture as it is held: its path, the bytes of its file, or its pixels."""
        encoded = self._encoded[index]
        if encoded is None:
            raise PicturesLeftOut(f"The pictures of {self.name} were left behind.")
        return encoded

    def subset(self, indices: Iterable[int], shuffle: bool | None = None) -> Self:
        """Returns a split of some of the pictures, starting at epoch 0.

        Args:
            indices: Which pictures, in which order.
            shuffle: Whether its order changes from epoch to epoch. Defaults to this split's.
        """
        chosen = np.fromiter(indices, np.int64)
        part = copy.copy(self)  # of a subclass too, which picks what it adds
        part._encoded = [self._encoded[i] for i in chosen]
        part.labels, part.groups = self.labels[chosen], self.groups[chosen]
        part.keys = [self.keys[i] for i in chosen]
        part.digests = [self.digests[i] for i in chosen]
        part.rows = self.rows[chosen]
        part.shuffle = self.shuffle if shuffle is None else shuffle
        part.epoch = 0
        return part

    def without_images(self) -> "ImageSplit":
        """Returns the same split without pictures, for who needs labels and content keys alone.

        It travels to other processes in a hundredth of the bytes. Who asks it for a picture gets a
        `PicturesLeftOut`.
        """
        other = copy.copy(self)
        other._encoded = [None] * self.num_images
        return other

    def with_groups(self, groups: np.ndarray) -> "ImageSplit":
        """Returns the same split with other groups, int64 `(num_images,)`."""
        other = copy.copy(self)
        other.groups = groups
        return other

    def in_order(self) -> "ImageSplit":
        """Returns the same split without shuffling: batches run in the order of `labels`."""
        return self.subset(range(self.num_images), shuffle=False)

    def stratified(self, count: int, seed: int = 0) -> "ImageSplit":
        """Returns `count` pictures with the same share of each class.

        They are consecutive in the order of their content keys, from a point that `seed` draws.
        Content keys are hashes, so this is a random sample; and since caches of features are laid
        out in that order, it touches few chunks of them.

        Args:
            count: Pictures wanted. The whole split is returned when it has no more.
            seed: Seed of the sample.
        """
        if count < 1:
            raise ValueError(f"Expected a count of 1 or more. Received: {count}")
        if count >= self.num_images:
            return self.subset(range(self.num_images))
        digests = np.array(self.digests, "U16")
        start = f"{np.random.default_rng(seed).integers(2**64, dtype=np.uint64):016x}"
        chosen = []
        for label, share in _class_shares(self.labels, count).items():
            members = np.flatnonzero(self.labels == label)
            members = members[np.argsort(digests[members], kind="stable")]
            first = int(np.searchsorted(digests[members], start))
            chosen.append(np.roll(members, -first)[:share])
        return self.subset(np.sort(np.concatenate(chosen)))

    def widespread(self, count: int, cracked: float | None = None, seed: int = 0) -> "ImageSplit":
        """Returns `count` pictures of as many groups as possible.

        Each class gives a picture of each of its groups, in an order that `seed` draws, then a
        second one, until it has given its share.

        Args:
            count: Pictures wanted. The whole split is returned when it has no more.
            cracked: Share of label 1, of two classes, as far as there are enough of each. Defaults
                to the share of each class in the split.
            seed: Seed of the order.
        """
        if count < 1 or not 0 <= (cracked or 0) <= 1:
            raise ValueError(
                "Expected a count of 1 or more, and a share of cracked pictures from 0 to 1. "
                f"Received: count={count}, cracked={cracked}"
            )
        if count >= self.num_images:
            return self.subset(range(self.num_images))
        if cracked is None:
            shares = _class_shares(self.labels, count)
        else:
            sound, most = np.bincount(self.labels, minlength=2)
            share = min(max(round(count * cracked), count - sound), most)
            shares = {0: count - share, 1: share}
        chosen: list[int] = []
        for label, share in shares.items():
            members = np.flatnonzero(self.labels == label)
            members = np.random.default_rng(seed + label).permutation(members)
            turns = _turns(self.groups[members])
            chosen += members[np.argsort(turns, kind="stable")][:share].tolist()
        return self.subset(sorted(chosen))


def epoch_order(count: int, seed: int, epoch: int | None) -> np.ndarray:
    """Returns the order of `count` pictures in an epoch; None stands for their own order."""
    if epoch is None:
        return np.arange(count)
    return np.random.default_rng([seed, epoch]).permutation(count)


def _class_shares(labels: np.ndarray, count: int) -> dict[int, int]:
    """Divides `count` among the classes in proportion, by largest remainder."""
    classes, sizes = np.unique(labels, return_counts=True)
    exact = sizes * count / len(labels)
    shares = np.floor(exact).astype(int)
    largest = np.argsort(-(exact - shares), kind="stable")[: count - shares.sum()]
    shares[largest] += 1
    return dict(zip(classes.tolist(), shares.tolist(), strict=True))


def _turns(groups: np.ndarray) -> np.ndarray:
    """Returns how often the group of each picture came before it.

    Example:

    >>> _turns(np.array([5, 7, 5, 5]))
    array([0, 0, 1, 2])
    """
    seen: dict[int, int] = {}
    turns = []
    for group in groups.tolist():
        turns.append(seen.get(group, 0))
        seen[group] = turns[-1] + 1
    return np.array(turns, np.int64)
