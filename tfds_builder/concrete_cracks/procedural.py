"""Procedural photographs of concrete for the `demo` config, the tests and the grouping's judges.

A photo is a surface (`surfaces.py`) with marks (`marks.py`) under one light. The demo's images are
crops of such photos, several of each, cracked and sound ones from the same wall: whoever tells the
classes apart must look at the crack. They are no substitute for real images; a model that does
well on them has learnt that its pipeline works.
"""

import functools

import numpy as np
from PIL import Image

from tfds_builder.concrete_cracks import marks, surfaces

CROP = 227  # Side of the real data set's crops in pixels.
CROPS_PER_PHOTO = 4
_PHOTO_SHAPE = (400, 520)
_CANDIDATES = 60  # Corners drawn for the crops of a photo, of which the first fitting ones are cut.


def demo_photo(
    index: int, *, height: int, width: int, seed: int = 0, cracked: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Makes a photograph of a concrete wall.

    The same index and seed give the same wall, light and noise with and without its crack.

    Args:
        index: Which photo, from 0.
        height: Height in pixels.
        width: Width in pixels.
        seed: Which world, from 0; worlds share no photo.
        cracked: Whether a crack runs through the wall.

    Returns:
        The photo, uint8 of shape `(height, width, 3)`, and the crack's mask, bool of shape
        `(height, width)`.

    Example:

    >>> photo, mask = demo_photo(0, height=400, width=520)
    >>> photo.shape, mask.any()
    ((400, 520, 3), True)
    """
    # Independent streams: what one mark draws does not move the next one.
    wall, clutter, crack, lamp = (np.random.default_rng((seed, index, i)) for i in range(4))
    shape = (height, width)
    surface = surfaces.concrete(wall, shape)
    for add, share in (
        (marks.add_stains, 0.45),
        (marks.add_form_marks, 0.2),
        (marks.add_joint, 0.3),
        (marks.add_scratches, 0.25),
    ):
        if clutter.random() < share:
            add(clutter, surface)
    shadow = marks.cast_shadow(clutter, shape) if clutter.random() < 0.3 else None
    coverage = np.zeros(shape, np.float32)
    if cracked:
        coverage = marks.add_crack(crack, surface)
    return surfaces.light(lamp, surface, shadow), coverage > 0.3


def demo_image(index: int, seed: int = 0, size: int = CROP) -> tuple[np.ndarray, int]:
    """Makes one image of the demo.

    Images `4 k` to `4 k + 3` are crops of photo `k`, which may overlap: they form one group. Even
    indices are sound, odd ones cracked.

    Args:
        index: Which image, from 0.
        seed: Which world, from 0.
        size: Side in pixels. The crop always covers 227 x 227 pixels of the photo and is resized
            where another size is asked for, so that cracks keep their place in the picture.

    Returns:
        The image, uint8 of shape `(size, size, 3)`, and its label: 0 sound, 1 cracked.

    Example:

    >>> image, label = demo_image(1)
    >>> image.shape, label
    ((227, 227, 3), 1)
    """
    photo, crop = divmod(index, CROPS_PER_PHOTO)
    image, mask = _crops(photo, seed)[crop]
    if size != CROP:
        image = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))
    return image.copy(), int(mask.any())


@functools.lru_cache(maxsize=2)
def _crops(photo: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns the crops of one photo with their masks, sound and cracked in turn."""
    height, width = _PHOTO_SHAPE
    picture, mask = demo_photo(photo, height=height, width=width, seed=seed)
    corners = np.random.default_rng((seed, photo, 4)).integers(
        0, (height - CROP + 1, width - CROP + 1), (_CANDIDATES, 2)
    )
    crack_pixels = _window_sums(mask, corners)
    half = CROPS_PER_PHOTO // 2
    # A cracked crop shows a good piece of the crack, not a tip in its corner.
    enough = np.sort(crack_pixels)[-half:].min() // 2
    cracked = [_cut(picture, mask, corner) for corner in corners[crack_pixels >= enough][:half]]
    clear = corners[crack_pixels == 0][:half]
    if len(clear) < half:  # Cracks everywhere: the same wall, photographed before it cracked.
        clear = corners[:half]
        picture, mask = demo_photo(photo, height=height, width=width, seed=seed, cracked=False)
    sound = [_cut(picture, mask, corner) for corner in clear]
    return [crop for pair in zip(sound, cracked, strict=True) for crop in pair]


def _window_sums(mask: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Returns how many pixels of the mask each crop holds, from a summed-area table."""
    table = np.pad(mask.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    top, left = corners.T
    bottom, right = top + CROP, left + CROP
    return table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]


def _cut(
    picture: np.ndarray, mask: np.ndarray, corner: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    window = np.s_[corner[0] : corner[0] + CROP, corner[1] : corner[1] + CROP]
    return picture[window], mask[window]
