"""Keypoints and descriptors that the eight symmetries of the square leave alone.

Two crops of one photograph differ by a shift and by one of the eight symmetries of the square
(mirrored, turned by quarter turns), never by scale. So a keypoint needs no scale and no free
rotation: an extremum of a difference of Gaussians, and around it a patch brought into one standard
pose out of eight. A matching pair of keypoints then gives the symmetry and the shift between the
two crops in whole pixels, which `tfds_builder.grouping.verification` checks at full resolution.

All arithmetic up to the descriptor is on integers, so that two machines find the same keypoints.
"""

from typing import NamedTuple

import cv2
import numpy as np

PEAK_RADIUS = 9  # pixels: a keypoint is the strongest response within this distance
PATCH_RADIUS = 16  # pixels: how far the described patch reaches from its keypoint
PATCH_STEP = 4  # pixels between the samples of a patch
MARGIN = PATCH_RADIUS + 1
RESPONSE_FLOOR = 0.5  # grey levels: below it a peak is quantization noise
CONTRAST_FLOOR = 6.0  # grey levels, norm over the 81 samples: a flatter patch describes nothing
MAX_KEYPOINTS = 600  # per image, strongest first: a 227x227 crop has about 60
DESCRIPTOR_SCALE = 256  # descriptors are unit vectors times this, rounded to whole numbers
MAX_FREQUENCY = 7  # keeps the cosine coefficients (u, v) with 0 < u + v <= 7: 35 of 81

_FIXED_POINT = 64  # grey levels are blurred as 16-bit integers in units of 1/64
_SIDE = 2 * PATCH_RADIUS // PATCH_STEP + 1
_OFFSETS = np.arange(-PATCH_RADIUS, PATCH_RADIUS + 1, PATCH_STEP)
_Y, _X = np.meshgrid(_OFFSETS, _OFFSETS, indexing="ij")


class Keypoints(NamedTuple):
    """Keypoints of one image.

    Attributes:
        positions: int32 `(n, 2)`, row and column.
        poses: int64 `(n,)`, the symmetry 0..7 that brings the patch into its standard pose.
        descriptors: float32 `(n, 35)` of whole numbers.
    """

    positions: np.ndarray
    poses: np.ndarray
    descriptors: np.ndarray


def apply_symmetry(array: np.ndarray, symmetry: int) -> np.ndarray:
    """Applies one of the eight symmetries of the square to the first two axes.

    Args:
        array: `(height, width, ...)`.
        symmetry: 0..7. Bit 0 mirrors left to right, bit 1 upside down, then bit 2 transposes.

    Returns:
        A view of `array`.
    """
    if symmetry & 1:
        array = array[:, ::-1]
    if symmetry & 2:
        array = array[::-1]
    return np.swapaxes(array, 0, 1) if symmetry & 4 else array


def _sample_permutations() -> np.ndarray:
    samples = np.arange(_SIDE * _SIDE).reshape(_SIDE, _SIDE)
    return np.stack([apply_symmetry(samples, s).ravel() for s in range(8)])


def _cosine_basis() -> np.ndarray:
    """The low frequencies of the orthonormal two-dimensional cosine transform, `(81, 35)`."""
    k = np.arange(_SIDE)
    basis = np.cos(np.pi * (2 * k[None] + 1) * k[:, None] / (2 * _SIDE)) * np.sqrt(2 / _SIDE)
    pairs = [(u, v) for u in k for v in k if 0 < u + v <= MAX_FREQUENCY]
    scale = [np.sqrt(0.5) if 0 in pair else 1.0 for pair in pairs]
    columns = [np.outer(basis[u], basis[v]).ravel() for u, v in pairs]
    return (np.stack(columns, axis=1) * scale).astype(np.float32)


_PERMUTATIONS = _sample_permutations()
_BASIS = _cosine_basis()
# First moments of the patch, with whole weights: they change sign under a mirror and trade places
# under a transposition, so they tell the pose.
_WEIGHT = np.exp(-(_Y**2 + _X**2) / (2 * 10.0**2))
_MOMENT_Y = np.rint(4 * _Y * _WEIGHT).astype(np.int64).ravel()
_MOMENT_X = np.rint(4 * _X * _WEIGHT).astype(np.int64).ravel()
_PEAK_WINDOW = np.ones((2 * PEAK_RADIUS + 1,) * 2, np.uint8)


def find_keypoints(grey: np.ndarray) -> Keypoints:
    """Finds and describes the keypoints of a grey image.

    Args:
        grey: uint8 `(height, width)`.

    Returns:
        The `Keypoints`; none when the image is smaller than 35 pixels or flat.
    """
    fixed = grey.astype(np.uint16) * _FIXED_POINT
    narrow = cv2.GaussianBlur(fixed, (13, 13), 2.0).astype(np.int32)
    wide = cv2.GaussianBlur(fixed, (37, 37), 6.0).astype(np.int32)
    positions = _peaks(np.abs(narrow - wide))
    y, x = positions.T
    patches = narrow[y[:, None] + _Y.ravel(), x[:, None] + _X.ravel()].astype(np.int64)
    moment_y, moment_x = patches @ _MOMENT_Y, patches @ _MOMENT_X
    poses = (moment_x < 0) + 2 * (moment_y < 0) + 4 * (np.abs(moment_y) > np.abs(moment_x))
    posed = np.take_along_axis(patches, _PERMUTATIONS[poses], axis=1)
    centred = (posed - posed.mean(axis=1, keepdims=True)).astype(np.float32)
    norms = np.linalg.norm(centred, axis=1)
    keep = norms > CONTRAST_FLOOR * _FIXED_POINT
    coefficients = (centred[keep] @ _BASIS) / norms[keep, None]
    descriptors = np.rint(DESCRIPTOR_SCALE * coefficients).astype(np.float32)
    return Keypoints(positions[keep], poses[keep].astype(np.int64), descriptors)


def _peaks(response: np.ndarray) -> np.ndarray:
    height, width = response.shape
    if min(height, width) <= 2 * MARGIN:
        return np.zeros((0, 2), np.int32)
    # OpenCV dilates floats; integers up to 2**14 are exact in float32.
    response = response.astype(np.float32)
    peak = response == cv2.dilate(response, _PEAK_WINDOW)
    peak &= response > RESPONSE_FLOOR * _FIXED_POINT
    inside = np.zeros_like(peak)
    inside[MARGIN : height - MARGIN, MARGIN : width - MARGIN] = True
    y, x = np.nonzero(peak & inside)
    if len(y) > MAX_KEYPOINTS:
        strongest = np.argsort(-response[y, x], kind="stable")[:MAX_KEYPOINTS]
        y, x = y[strongest], x[strongest]
    return np.stack([y, x], axis=1).astype(np.int32)
