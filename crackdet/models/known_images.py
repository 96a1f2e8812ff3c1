"""The images that a model has met, kept beside it by their content: they cannot measure it.

A run writes `model.images.npz` beside its `model.keras`, a preset holds one among its files.
"""

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crackdet.errors import CrackdetError
from crackdet.files import atomic_write

SUFFIX = ".images.npz"
TRAIN, VALIDATION, TEST = "train", "validation", "test"
START = "start"  # what the weights that training began from were made with
# A later one counts where an image is several of them: it says more about the model.
ROLES = (TEST, START, VALIDATION, TRAIN)
SEEN = (TRAIN, VALIDATION, START)

# Of a content key's 16 digits: among 40,000 known images, one strange image in 7 billion would be
# taken for a known one, and a file of 224 kB holds them.
_DIGITS = 12


@dataclass(frozen=True)
class KnownImages:
    """The content keys of the images that a model was trained, tuned and tested on.

    Attributes:
        keys: For each of `ROLES` sorted numbers of shape `(images,)`, uint64; one may be absent.

    Example:

    >>> known = KnownImages.of({"train": ["00112233445566ff"], "test": ["aa112233445566ff"]})
    >>> known.roles(["aa112233445566ff", "0000000000000000"])
    ['test', '']
    """

    keys: Mapping[str, NDArray[np.uint64]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, digests: Mapping[str, Iterable[str]], start: "KnownImages | None" = None
    ) -> "KnownImages":
        """Returns the images of a run.

        Args:
            digests: Content keys, 16 hexadecimal digits each, by "train", "validation", "test".
            start: What the model that the run's weights were taken from knew.
        """
        keys = {role: np.unique(_numbers(each)) for role, each in digests.items()}
        if start is not None:
            earlier = [start.keys[role] for role in SEEN if role in start.keys]
            keys[START] = np.unique(np.concatenate([np.empty(0, np.uint64), *earlier]))
        return cls(keys)

    def roles(self, digests: Iterable[str]) -> list[str]:
        """Returns for each content key which of `ROLES` the image had; "" for one not known."""
        numbers = _numbers(digests)
        roles = np.full(numbers.size, "", "U10")
        for role in ROLES:
            if role in self.keys:
                roles[np.isin(numbers, self.keys[role])] = role
        return [str(role) for role in roles]

    def write(self, path: Path) -> None:
        """Writes the file of a preset, or of a model (see `images_file`)."""
        with atomic_write(path) as temporary:
            np.savez_compressed(temporary, **self.keys)  # type: ignore[arg-type]

    @classmethod
    def read(cls, path: Path) -> "KnownImages":
        """Reads what `write` has written.

        Raises:
            CrackdetError: If the file is broken.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls({role: arrays[role] for role in ROLES if role in arrays})
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise CrackdetError(
                f"{path} is no list of a model's images ({error}): copy it again, or remove it and "
                "say with --split what is judged."
            ) from error


def images_file(model_file: Path) -> Path:
    """Returns where the images of a model's file stand: beside it, `model.images.npz`."""
    return model_file.with_suffix(SUFFIX)


def _numbers(digests: Iterable[str]) -> NDArray[np.uint64]:
    return np.fromiter((int(digest[:_DIGITS], 16) for digest in digests), np.uint64)
