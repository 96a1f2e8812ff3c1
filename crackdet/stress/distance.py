"""The same wall from further away: patches put together, with a real crack in the middle or none.

A patch alone cannot be zoomed out: there is nothing beyond its edges. Other sound patches of like
colour and texture go around it, brought to its light, along seams that wander.
"""

import itertools
import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from crackdet.data import ImageSplit
from crackdet.stress.drawing import Field, Picture, blurred, grey, noise, resized, unit

Ints = NDArray[np.int64]

_LOOK_ALIKE = 12  # tiles come from so many of the most similar sound patches
_SEEN = 600  # patches of each class that are looked at
_THIN = 0.3  # so many of the cracked ones are used: those whose crack is thinnest
_TILES_AROUND = 4  # enough for a wall seen from eight times further away
_SEAM = 3.0  # pixels over which one tile goes over into the next


@dataclass(frozen=True)
class Walls:
    """The patches that the stress validation is made from.

    Attributes:
        split: What holds them.
        sound: Indices of its sound patches, at most `_SEEN`.
        cracked: Indices of its patches with a thin crack.
        looks: Mean colour and texture of the sound ones, float64 `(len(sound), 4)`.
    """

    split: ImageSplit
    sound: NDArray[np.int64]
    cracked: NDArray[np.int64]
    looks: NDArray[np.float64]

    @classmethod
    def of(cls, split: ImageSplit, rng: np.random.Generator) -> "Walls":
        """Returns the patches of a split, those that are looked at drawn at random."""
        sound, cracked = (
            np.sort(rng.permutation(np.flatnonzero(split.labels == label))[:_SEEN])
            for label in (0, 1)
        )
        if not len(sound):
            raise ValueError(
                f"No sound picture is in the {split.name} split: a stress validation is painted "
                "on sound ones. Give one that holds both classes."
            )
        looks = np.array([_look(split.image(int(i)).astype(np.float32)) for i in sound])
        dark = [_dark_share(split.image(int(i)).astype(np.float32)) for i in cracked]
        thin = np.argsort(np.array(dark), kind="stable")[: math.ceil(_THIN * len(dark))]
        return cls(split, sound, cracked[np.sort(thin)], looks)

    def picture(self, index: int) -> Picture:
        """Returns a patch, float32 `(height, width, 3)` in [0, 255]."""
        return self.split.image(index).astype(np.float32)

    def from_further_away(
        self, index: int, zoom: float, share: float, rng: np.random.Generator
    ) -> Picture:
        """Returns a patch shrunk by `zoom` in the midst of sound ones that look alike.

        Args:
            index: Which patch of the split.
            zoom: How many times further away.
            share: What is left of the darkness of a crack in it; it ends before its patch does.
            rng: What draws the others and their places.
        """
        middle = self.picture(index)
        if share < 1:
            middle = faded(middle, share * _within(middle.shape[:2]))
        rows, columns = middle.shape[:2]
        look = _look(middle)
        distances = np.linalg.norm((self.looks - look) / (self.looks.std(0) + 1e-3), axis=1)
        alike = self.sound[np.argsort(distances, kind="stable")[: _LOOK_ALIKE + 1]]
        alike = alike[alike != index] if len(alike) > 1 else alike
        tile = (max(8, round(rows / zoom)), max(8, round(columns / zoom)))
        mosaic = _Mosaic((rows, columns), tile, look[:3], rng)
        around = range(-_TILES_AROUND, _TILES_AROUND + 1)
        for down, right in itertools.product(around, around):
            if down == right == 0:
                mosaic.lay(middle, 0, 0)
            elif mosaic.reaches(down, right):
                other = self.picture(int(rng.choice(alike)))
                mosaic.lay(other[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])], down, right)
        return mosaic.picture()


def faded(picture: Picture, share: Field) -> Picture:
    """Returns a real crack at a share of its darkness, the wall about it as it was.

    What is darker than its surroundings by more than their texture counts as the crack.
    """
    scale = max(unit(picture.shape), 0.1)
    side = int(31 * scale) // 2 * 2 + 1
    levels = np.clip(picture, 0, 255).astype(np.uint8)
    around = blurred(cv2.medianBlur(levels, max(side, 3)).astype(np.float32), 4 * scale)
    detail = grey(around) - grey(picture)
    texture = 1.48 * float(np.median(np.abs(detail)))
    excess = np.clip(detail - 1.5 * texture, 0, None)
    light = np.maximum(grey(picture), 1.0)
    return picture * (1 + (1 - share) * excess / light)[..., None]


def _within(shape: tuple[int, int]) -> Field:
    """Returns 1 in the middle of a patch, and 0 at its borders."""
    rows, columns = (
        np.minimum(np.arange(length) + 0.5, length - np.arange(length) - 0.5) / (0.18 * length)
        for length in shape
    )
    return np.clip(np.minimum(rows[:, None], columns[None]), 0, 1).astype(np.float32)


def _dark_share(picture: Picture) -> float:
    """Returns the share of a patch that is much darker than most of it: how wide its crack is."""
    light = grey(picture)
    return float(np.mean(light < 0.72 * np.median(light)))


def _look(picture: Picture) -> NDArray[np.float64]:
    texture = float((grey(picture) - blurred(grey(picture), 3)).std())
    return np.array([*np.median(picture, (0, 1)), texture], np.float64)


def _evened(tile: Picture, colour: NDArray[np.float64]) -> Picture:
    """Returns a tile in the light of another: its slope of brightness out, that one's colour in."""
    rows, columns = tile.shape[:2]
    coarse = resized(tile, (8, 8)).reshape(64, 3)
    y, x = np.indices((8, 8)).reshape(2, 64) / 3.5 - 1
    plane = np.stack([np.ones(64), x, y], 1)
    tilt = np.linalg.lstsq(plane, coarse, rcond=None)[0]
    y, x = np.linspace(-1, 1, rows)[:, None, None], np.linspace(-1, 1, columns)[None, :, None]
    light = np.clip(tilt[0] + tilt[1] * x + tilt[2] * y, 8, None)
    return (tile * (colour / light)).astype(np.float32)


class _Mosaic:
    """Tiles side by side that overlap a little; each seam wanders within the overlap.

    Args:
        shape: Height and width of the whole.
        tile: Height and width of a tile without its overlap.
        colour: What all are brought to, float64 `(3,)`.
        rng: What draws the place of the middle one, and the seams.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        tile: tuple[int, int],
        colour: NDArray[np.float64],
        rng: np.random.Generator,
    ):
        self._shape, self._tile, self._colour = shape, tile, colour
        self._overlap = max(1, min(tile) // 8)
        room = [min(whole - part, part) for whole, part in zip(shape, tile, strict=True)]
        self._corner = [
            round((whole - part) / 2 + rng.uniform(-0.5, 0.5) * free)
            for whole, part, free in zip(shape, tile, room, strict=True)
        ]
        cell = max(self._overlap / 2, 1.5)
        self._wander = 0.35 * self._overlap * noise(rng, shape, cell)
        self._total = np.zeros((*shape, 3), np.float32)
        self._weight = np.zeros((*shape, 1), np.float32)

    def reaches(self, down: int, right: int) -> bool:
        """Whether a tile so many places below and to the right of the middle is in view."""
        return all(stop > start for start, stop in self._bounds(down, right))

    def lay(self, tile: Picture, down: int, right: int) -> None:
        """Lays a picture, shrunk to the size of a tile, at its place."""
        height, width = (length + 2 * self._overlap for length in self._tile)
        small = _evened(resized(tile, (height, width)), self._colour)
        (top, bottom), (left, right_end) = self._bounds(down, right)
        first_row, first_column = self._start(0, down), self._start(1, right)
        here = np.s_[top:bottom, left:right_end]
        wander = self._wander[here]
        rows = self._inside(np.arange(top, bottom) - first_row, 0)[:, None]
        columns = self._inside(np.arange(left, right_end) - first_column, 1)[None]
        weight = np.clip((np.minimum(rows, columns) + wander) / _SEAM + 0.5, 1e-4, 1)[..., None]
        part = small[top - first_row : bottom - first_row]
        self._total[here] += part[:, left - first_column : right_end - first_column] * weight
        self._weight[here] += weight

    def picture(self) -> Picture:
        """Returns what has been laid."""
        return np.asarray(self._total / np.maximum(self._weight, 1e-6), np.float32)

    def _start(self, axis: int, steps: int) -> int:
        return self._corner[axis] + steps * self._tile[axis] - self._overlap

    def _bounds(self, down: int, right: int) -> list[tuple[int, int]]:
        starts = [self._start(axis, steps) for axis, steps in enumerate((down, right))]
        ends = [a + b + 2 * self._overlap for a, b in zip(starts, self._tile, strict=True)]
        return [
            (max(start, 0), min(end, whole))
            for start, end, whole in zip(starts, ends, self._shape, strict=True)
        ]

    def _inside(self, place: Ints, axis: int) -> Field:
        """Returns how far inside of its own tile a row or column lies, in pixels."""
        half = self._tile[axis] / 2
        return (half - np.abs(place - self._overlap - half + 0.5)).astype(np.float32)
