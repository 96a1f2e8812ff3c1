"""From what a user calls images to pictures, one by one: files, opened pictures, arrays."""

import glob
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crackdet.errors import CrackdetError
from crackdet.images import opened_pixels, shared_bits
from crackdet.inference.arrays import as_pixels
from crackdet.listing import Listing, list_matches, list_pictures
from crackdet.sample_bits import bits_note

Tell = Callable[[str], None]


class Picture(NamedTuple):
    """One picture that is to be judged.

    Attributes:
        name: Its file, or "image 3" for the fourth picture where it has none.
        pixels: Its file, or uint8 `(height, width, 3)`; an error in words if there are none.
    """

    name: str
    pixels: Path | NDArray[np.uint8] | CrackdetError


class Pictures(NamedTuple):
    """What is to be judged.

    Attributes:
        stream: The pictures, in order.
        bits: What `crackdet.images.shared_bits` says of their files.
    """

    stream: Iterable[Picture]
    bits: int | None = None


def find_pictures(images: Any, tell: Tell) -> Pictures:
    """Returns the pictures that a user means.

    Args:
        images: As in `crackdet.predict`.
        tell: Is called with each sentence that the user must know, such as what a folder holds
            beside pictures.

    Raises:
        CrackdetError: If a folder or a pattern holds no picture, or something else is no image;
            for what an iterator yields, as soon as that is asked for.
    """
    if _is_column(images):
        images = np.asarray(images).tolist()
    elif _is_one(images):
        images = [images]
    elif not isinstance(images, Iterable):
        raise _refused("`images`", images)
    stream = _pictures(images, tell)
    if not isinstance(images, list | tuple):
        return Pictures(stream)
    found = list(stream)
    bits = shared_bits([each.pixels for each in found if isinstance(each.pixels, Path)])
    if note := bits_note(bits):
        tell(note)
    return Pictures(found, bits)


def _is_column(images: Any) -> bool:
    """Whether a value is an array or a table's column of paths, or of whatever objects."""
    return hasattr(images, "__array__") and getattr(images, "ndim", 0) == 1


def _is_one(image: Any) -> bool:
    return isinstance(image, str | Path | Image.Image) or hasattr(image, "__array__")


def _pictures(images: Iterable[Any], tell: Tell) -> Iterator[Picture]:
    number = 0
    for image in images:
        for picture in _behind(image, number, tell):
            yield picture
            number += 1


def _behind(image: Any, number: int, tell: Tell) -> Iterator[Picture]:
    """Yields the pictures behind one image, which may be a folder, a pattern or a batch."""
    name = f"image {number}"
    if isinstance(image, str | Path):
        yield from (Picture(str(path), path) for path in _files(str(image), tell))
    elif isinstance(image, Image.Image):
        name = getattr(image, "filename", "") or name
        try:
            yield Picture(name, opened_pixels(image, name))
        except CrackdetError as error:
            yield Picture(name, error)
    elif hasattr(image, "__array__"):
        for offset, pixels in enumerate(as_pixels(np.asarray(image), name.capitalize())):
            yield Picture(f"image {number + offset}", pixels)
    else:
        raise _refused(name.capitalize(), image)


def _refused(name: str, image: Any) -> CrackdetError:
    return CrackdetError(
        f"{name} is of type {type(image).__name__}: expected paths, folders, patterns, PIL images "
        "or arrays of shape (height, width, 3) or (images, height, width, 3)."
    )


def _files(name: str, tell: Tell) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        listing, empty = list_pictures(path), "holds no image files: name a folder that does"
    elif glob.has_magic(name) and not path.exists():
        listing, empty = list_matches(name), "matches no image files: check the pattern"
    else:
        return [path]
    return _found(listing, name, empty, tell)


def _found(listing: Listing, name: str, empty: str, tell: Tell) -> list[Path]:
    if listing.note:
        tell(f"{name}: {listing.note}")
    if not listing.paths:
        raise CrackdetError(f"{name} {empty}.")
    return listing.paths
