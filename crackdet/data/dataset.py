"""A data set: three splits, the names of the classes and a fingerprint of the content."""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crackdet.data.splits import ImageSplit
from crackdet.data.walls import Leakage, Walls
from crackdet.images import ImageSize

DEFAULT_CLASSES = ("negative", "positive")


@dataclass(frozen=True)
class CrackData:
    """Train, validation and test pictures of one data set.

    Attributes:
        train: What models are fitted on; its order changes from epoch to epoch.
        validation: What stopping, calibration, thresholds and searches look at.
        test: What is read once, at the end.
        class_names: Names in the order of the labels; index 1 is the crack.
        name: What reports call the data set.
        fingerprint: SHA-256 over split, content key and label of every picture: equal for equal
            data, whatever the file names and their order.
        notes: What a reader of figures from these splits must know; empty when nothing.
        cut: Names of the splits that `load_data` cut or cut from; the others are the source's own.
        leakage: How many pictures of a split are known from another one. Defaults to what content
            keys and groups tell.
        classes: A sentence: what counts as cracked and what as sound. Defaults to one that names
            the two classes.

    Example:

    >>> images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype="uint8")
    >>> labels = np.arange(8) % 2
    >>> data = CrackData.from_arrays(
    ...     train=(images, labels), validation=(images, labels), test=(images, labels),
    ...     image_size=32)
    """

    train: ImageSplit
    validation: ImageSplit
    test: ImageSplit
    class_names: tuple[str, ...] = DEFAULT_CLASSES
    name: str = "data"
    fingerprint: str = ""
    notes: str = ""
    cut: tuple[str, ...] = ()
    leakage: Leakage = None  # type: ignore[assignment]  # see __post_init__
    classes: str = ""

    def __post_init__(self) -> None:
        if self.leakage is None:
            object.__setattr__(self, "leakage", measured_leakage(self.splits))
        if not self.classes and len(self.class_names) == 2:
            words = classes_in_words("class", *([name] for name in self.class_names))
            object.__setattr__(self, "classes", words)
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", content_fingerprint(self.splits.values()))

    @property
    def splits(self) -> dict[str, ImageSplit]:
        """The three splits by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def whole(self) -> ImageSplit:
        """Returns all pictures as one split, "all": train, validation, test, each in order."""
        parts = list(self.splits.values())
        return ImageSplit(
            "all",
            [part.encoded(i) for part in parts for i in range(part.num_images)],
            np.concatenate([part.labels for part in parts]),
            keys=[key for part in parts for key in part.keys],
            digests=[digest for part in parts for digest in part.digests],
            groups=np.concatenate([part.groups for part in parts]),
            image_size=self.test.image_size,
            batch_size=self.test.batch_size,
            universe=self.test.universe,
        )

    def with_train_images(
        self, count: int, cracked: float | None = None, *, seed: int = 0
    ) -> "CrackData":
        """Returns the same data with fewer pictures to train on, see `ImageSplit.widespread`.

        Args:
            count: Pictures of train wanted. With as many or fewer, the data are returned.
            cracked: Share of label 1 among them. Defaults to that of train.
            seed: Seed of the choice.

        Example:

        >>> data = crackdet.load_data("demo").with_train_images(100)
        >>> data.train.num_images
        100
        """
        if count >= self.train.num_images:
            return self
        train = self.train.widespread(count, cracked, seed)
        note = (
            f"Train is {train.num_images:,} of its {self.train.num_images:,} images, of as many "
            "groups as possible."
        )
        # What leaks from all of train is said of a part of it too.
        notes = f"{self.notes}\n{note}" if self.notes else note
        return dataclasses.replace(self, train=train, notes=notes, fingerprint="")

    def content_keys(self) -> dict[str, list[str]]:
        """Returns the content keys of all pictures by split, and those of no split with train's.

        What `with_train_images` leaves out is of the walls that it keeps: who was trained on one
        has met the other.
        """
        keys = {name: list(split.digests) for name, split in self.splits.items()}
        held = {digest for digests in keys.values() for digest in digests}
        keys["train"] += [str(key) for key in self.train.universe if str(key) not in held]
        return keys

    def counts(self) -> dict[str, dict[str, int]]:
        """Returns the number of pictures by split and class name."""
        return {
            name: {
                label: int(np.sum(split.labels == index))
                for index, label in enumerate(self.class_names)
            }
            for name, split in self.splits.items()
        }

    def facts(self) -> dict[str, Any]:
        """Returns what a record says of the data: name, fingerprint, classes, notes, counts, leaks.

        `leakage` is what `crackdet.data.Leakage.facts` returns.
        """
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "class_names": list(self.class_names),
            "classes": self.classes,
            "notes": self.notes,
            "counts": self.counts(),
            "groups": {name: len(np.unique(each.groups)) for name, each in self.splits.items()},
            "leakage": self.leakage.facts(),
        }

    @classmethod
    def from_arrays(
        cls,
        train: tuple,
        validation: tuple,
        test: tuple,
        *,
        class_names: Sequence[str] = DEFAULT_CLASSES,
        image_size: ImageSize | None = None,
        batch_size: int = 32,
        seed: int = 0,
        name: str = "arrays",
        notes: str = "",
    ) -> "CrackData":
        """Makes a data set of pictures that are in memory.

        Args:
            train, validation, test: Each `(images, labels)` or `(images, labels, groups)`.
                Images: uint8 array of shape `(count, H, W, 3)`, values 0..255, or a sequence of
                `(H, W, 3)` arrays of any sizes. Labels: indices into `class_names`. Groups:
                integers from 0; pictures of one piece of wall share one, in all three parts.
                Equal pictures are of one group anyway.
            class_names: Names in the order of the labels.
            image_size: Height and width that pictures are resized to. Defaults to the size of
                the first one.
            batch_size: Pictures in a batch.
            seed: Seed of the training order.
            name: What reports call the data set.
            notes: What a reader of its figures must know.

        Raises:
            ValueError: If images are not uint8 RGB or labels do not fit.
        """
        parts = {"train": train, "validation": validation, "test": test}
        checked = {key: _checked(key, part, len(class_names)) for key, part in parts.items()}
        digests = {key: [_pixel_digest(x) for x in part[0]] for key, part in checked.items()}
        universe = make_universe(digests.values())
        groups = _joined(checked, digests)
        first = next((part[0][0] for part in checked.values() if len(part[0])), None)
        if image_size is None:
            if first is None:
                raise ValueError("Expected at least one image, or an image_size.")
            image_size = first.shape[:2]
        splits = {
            key: ImageSplit(
                key,
                images,
                labels,
                keys=[f"{key}/{index:06d}" for index in range(len(images))],
                digests=digests[key],
                groups=groups[key],
                image_size=image_size,
                batch_size=batch_size,
                shuffle=key == "train",
                seed=seed,
                universe=universe,
            )
            for key, (images, labels, _) in checked.items()
        }
        # Who says what belongs together has looked for it.
        grouped = all(part[2] is not None for part in checked.values() if len(part[0]))
        return cls(
            **splits,
            class_names=tuple(class_names),
            name=name,
            notes=notes,
            leakage=measured_leakage(splits, compared=grouped),
        )


def measured_leakage(splits: Mapping[str, ImageSplit], *, compared: bool = False) -> Leakage:
    """Returns what splits know of each other by their content keys and groups.

    Args:
        splits: The splits by name.
        compared: Whether the groups hold all twins and overlapping crops that can be found.
    """
    walls = Walls.of_groups(
        [digest for split in splits.values() for digest in split.digests],
        np.concatenate([split.groups for split in splits.values()]),
        compared=compared,
    )
    return Leakage.between(
        walls, np.repeat(list(splits), [split.num_images for split in splits.values()])
    )


def classes_in_words(what: str, sound: Sequence[str], cracked: Sequence[str]) -> str:
    """Returns a sentence on which names count as cracked and which as sound.

    Args:
        what: What bears the names, such as "folder".
        sound: Names that count as sound.
        cracked: Names that count as cracked.

    Example:

    >>> classes_in_words("folder", ["no_crack"], ["crack"])
    "Counts as cracked: folder 'crack'; as sound: folder 'no_crack'."
    """
    sides = [
        f"{what}{'s' if len(names) > 1 else ''} {', '.join(map(repr, names))}" if names else "none"
        for names in (cracked, sound)
    ]
    return f"Counts as cracked: {sides[0]}; as sound: {sides[1]}."


def make_universe(digests: Iterable[Iterable[str]]) -> np.ndarray:
    """Returns the sorted distinct content keys of several splits."""
    return np.unique(np.array([key for part in digests for key in part], "U16"))


def content_fingerprint(splits: Iterable[ImageSplit]) -> str:
    """Returns the SHA-256 over the sorted (split, content key, label) of all pictures."""
    lines = sorted(
        f"{split.name} {digest} {label}\n"
        for split in splits
        for digest, label in zip(split.digests, split.labels, strict=True)
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _checked(key: str, part: tuple, num_classes: int) -> tuple:
    if not isinstance(part, tuple | list) or len(part) not in (2, 3):
        raise ValueError(f"Expected {key} to be (images, labels) or (images, labels, groups).")
    images = [np.asarray(image) for image in part[0]]
    labels = np.asarray(part[1])
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"Expected one integer label for each of the {len(images)} images of {key}. "
            f"Received: shape {labels.shape}, dtype {labels.dtype}"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(f"Expected labels of {key} in 0..{num_classes - 1}.")
    for image in images:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(
                f"Expected images of {key} of shape (H, W, 3) and dtype uint8 (0..255). "
                f"Received: shape {image.shape}, dtype {image.dtype}"
            )
    return images, labels, part[2] if len(part) == 3 else None


def _joined(
    parts: Mapping[str, tuple], digests: Mapping[str, Sequence[str]]
) -> dict[str, np.ndarray]:
    """Returns the groups of each part: those given, joined where pictures are equal."""
    given = [
        np.full(len(images), -1) if groups is None else np.asarray(groups)
        for images, _, groups in parts.values()
    ]
    walls = Walls.of_groups(
        [digest for part in digests.values() for digest in part], np.concatenate(given)
    )
    ends = np.cumsum([len(part) for part in given])
    return dict(zip(parts, np.split(walls.groups, ends[:-1]), strict=True))


def _pixel_digest(image: np.ndarray) -> str:
    header = "x".join(map(str, image.shape)).encode()
    return hashlib.sha256(header + np.ascontiguousarray(image).tobytes()).hexdigest()[:16]
