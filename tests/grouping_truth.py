"""Crops with known parents, to judge the grouping against truth.

    python -m tests.grouping_truth --photos 150

prints recall by the share of the crop that two crops have in common, and precision.
"""

import argparse
from typing import NamedTuple

import cv2
import numpy as np

from tfds_builder.concrete_cracks.procedural import demo_photo
from tfds_builder.grouping import Links, find_links
from tfds_builder.grouping.keypoints import apply_symmetry

CROP = 227
SURFACES = ("plain", "textured")


class Crops(NamedTuple):
    """JPEG crops and, for each pair, the share of the crop's area that both show."""

    jpegs: list[bytes]
    shared: np.ndarray


def plain_photo(index: int, height: int, width: int) -> np.ndarray:
    """A nearly featureless wall: soft shading and faint grain, without any mark."""
    rng = np.random.default_rng((7, index))
    wall = np.full((height, width), rng.uniform(120, 200))
    for scale, low, high in ((40, 6, 6), (12, 0.5, 3), (3, 0.5, 3), (1.2, 0.8, 3)):
        noise = cv2.GaussianBlur(rng.standard_normal((height, width)), (0, 0), scale)
        wall += rng.uniform(low, high) * noise / noise.std()
    return np.repeat(np.clip(wall, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def make_photo(surface: str, index: int) -> np.ndarray:
    """A procedural photo of 600x700 pixels, every other textured one cracked."""
    if surface == "plain":
        return plain_photo(index, 600, 700)
    return demo_photo(index, height=600, width=700, seed=11, cracked=bool(index % 2))[0]


def cut_crops(surface: str, photos: int, crops: int = 12, seed: int = 3) -> Crops:
    """Cuts photos into crops at random places, turned, mirrored and compressed at random."""
    rng = np.random.default_rng(seed)
    jpegs, corners = [], []
    for index in range(photos):
        photo = make_photo(surface, index)
        for _ in range(crops):
            y = int(rng.integers(photo.shape[0] - CROP + 1))
            x = int(rng.integers(photo.shape[1] - CROP + 1))
            crop = apply_symmetry(photo[y : y + CROP, x : x + CROP], int(rng.integers(8)))
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(70, 96))]
            jpegs.append(cv2.imencode(".jpg", np.ascontiguousarray(crop), quality)[1].tobytes())
            corners.append((index, y, x))
    parent, y, x = np.array(corners).T
    common = [np.maximum(0, CROP - abs(at[:, None] - at)) for at in (y, x)]
    shared = common[0] * common[1] / CROP**2 * (parent[:, None] == parent)
    return Crops(jpegs, shared)


def judge(crops: Crops, links: Links, least: float = 0.25) -> tuple[float, float]:
    """Returns recall over pairs that share at least `least` of a crop, and precision."""
    linked = np.zeros_like(crops.shared, bool)
    linked[links.first, links.second] = True
    upper = np.triu(np.ones_like(linked), 1)
    wanted = upper & (crops.shared >= least)
    return float(linked[wanted].mean()), float((crops.shared[linked] > 0).mean())


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=150, help="photos per kind of surface")
    photos = parser.parse_args().photos
    for surface in SURFACES:
        crops = cut_crops(surface, photos)
        links = find_links(crops.jpegs)
        recall, precision = judge(crops, links)
        print(f"{surface}: {len(crops.jpegs)} crops, {len(links)} links")
        print(f"  precision {precision:.4f}, recall where a quarter or more is shared {recall:.4f}")
        for low, high in ((0.05, 0.1), (0.1, 0.25), (0.25, 0.5), (0.5, 1.01)):
            band = Crops(crops.jpegs, np.where(crops.shared < high, crops.shared, 0))
            print(
                f"  recall where {low:.0%} to {high:.0%} is shared {judge(band, links, low)[0]:.4f}"
            )


if __name__ == "__main__":
    main()
