"""Makes `dummy_data/`: the smallest data set that has everything the real one has.

Procedural crops with exact copies, re-compressed mirror and rotation twins, and crops that overlap,
also across the classes. Run it after a change of the procedural images:

    python -m tfds_builder.concrete_cracks.make_dummy_data tfds_builder/concrete_cracks/dummy_data
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tfds_builder.concrete_cracks.procedural import CROP, demo_photo

IMAGES_PER_CLASS = 16
_DummyImage = tuple[str, np.ndarray, int, int]
_PHOTOS = 10  # Of each class.
_SEED = 2  # Not the demo's; under it all walls that repeat are textured enough to be linked.
_SHIFT = 90  # Pixels: how far the crops of a photo lie apart, as in the real set.
_QUALITY, _TWIN_QUALITY = 80, 65


def dummy_images() -> Iterator[_DummyImage]:
    """Yields (name, pixels, JPEG quality, wall) of each image; crops of one wall share pixels."""
    count = {"Negative": 0, "Positive": 0}

    def image(folder: str, pixels: np.ndarray, quality: int, wall: int) -> _DummyImage:
        count[folder] += 1
        return f"{folder}/{count[folder]:05d}.jpg", pixels, quality, wall

    for wall in range(2 * _PHOTOS):
        folder, other = ("Negative", "Positive")[:: 1 - 2 * (wall % 2)]
        photo, other_photo = _photo(wall, folder), _photo(wall, other)
        crop, shifted = photo[:CROP, :CROP], photo[_SHIFT:, _SHIFT:]
        yield image(folder, crop, _QUALITY, wall)
        kind = wall // 2
        if kind == 0:
            yield image(folder, crop, _QUALITY, wall)  # The same to the byte.
        elif kind == 1:
            yield image(folder, crop[:, ::-1], _TWIN_QUALITY, wall)
        elif kind == 2:
            yield image(folder, crop[::-1, ::-1], _TWIN_QUALITY, wall)
        elif kind in (3, 4):
            yield image(folder, shifted, _QUALITY, wall)
        elif kind == 5:
            yield image(other, other_photo[_SHIFT:, _SHIFT:], _QUALITY, wall)


def _photo(wall: int, folder: str) -> np.ndarray:
    side = CROP + _SHIFT
    cracked = folder == "Positive"
    return demo_photo(wall, height=side, width=side, seed=_SEED, cracked=cracked)[0]


def write_dummy_data(folder: Path) -> None:
    """Writes the images under `folder/Negative` and `folder/Positive`."""
    for name, pixels, quality, _ in dummy_images():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(pixels)).save(path, "JPEG", quality=quality)


if __name__ == "__main__":
    write_dummy_data(Path(sys.argv[1]))
