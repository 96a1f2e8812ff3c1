"""What a camera does to a picture: focus, noise, compression, darkness, too few pixels.

Graded as in ImageNet-C (Hendrycks & Dietterich 2019). Each takes and returns float32
`(height, width, 3)` in [0, 255].
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from crackdet.stress.drawing import Picture, blurred, graded, resized, unit


def blur(picture: Picture, severity: int, rng: np.random.Generator) -> Picture:
    """Out of focus, or the camera moved."""
    reach = graded(severity, 1.2, 3.8) * max(unit(picture.shape), 0.3)
    if rng.random() < 0.6:
        return _defocused(picture, reach)
    return _shaken(picture, 2.2 * reach, rng.uniform(0, np.pi))


def _defocused(picture: Picture, radius: float) -> Picture:
    half = int(np.ceil(radius)) + 1
    y, x = np.indices((2 * half + 1, 2 * half + 1)) - half
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return _filtered(picture, disc)


def _shaken(picture: Picture, length: float, angle: float) -> Picture:
    half = int(np.ceil(length / 2)) + 1
    y, x = np.indices((2 * half + 1, 2 * half + 1)) - half
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    path = np.clip(1 - np.abs(across), 0, 1) * np.clip(length / 2 + 0.5 - np.abs(along), 0, 1)
    return _filtered(picture, path)


def _filtered(picture: Picture, kernel: NDArray[np.float64]) -> Picture:
    weights = kernel / kernel.sum()
    return np.asarray(cv2.filter2D(picture, -1, weights, borderType=cv2.BORDER_REFLECT), np.float32)


def sensor_noise(picture: Picture, severity: int, rng: np.random.Generator) -> Picture:
    """Noise of the sensor, in part coarse and coloured, as what a phone has smoothed."""
    sigma = graded(severity, 7, 26)
    fine = rng.standard_normal(picture.shape, np.float32)
    coarse = blurred(rng.standard_normal(picture.shape, np.float32), 1.0) * 3
    share = rng.uniform(0, 0.6)
    return np.asarray(picture + sigma * ((1 - share) * fine + share * coarse), np.float32)


def jpeg(picture: Picture, severity: int, rng: np.random.Generator) -> Picture:
    """Compression: blocks of 8 pixels, and rings about edges."""
    quality = round(graded(severity, 38, 7))
    levels = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    _, encoded = cv2.imencode(".jpg", levels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.float32)
    return decoded[..., ::-1]


def low_light(picture: Picture, severity: int, rng: np.random.Generator) -> Picture:
    """Dusk, or under a bridge: few levels, shot noise, the corners darker still."""
    gain = graded(severity, 0.6, 0.2) * rng.uniform(0.85, 1.15)
    y, x = np.indices(picture.shape[:2], np.float32)
    centre = rng.uniform(0.2, 0.8, 2) * picture.shape[:2]
    far = np.hypot(y - centre[0], x - centre[1]) / max(picture.shape[:2])
    dark = picture * (gain * (1 - 0.45 * far**2))[..., None]
    shot = np.sqrt(np.clip(dark, 0, None)) * rng.standard_normal(picture.shape, np.float32)
    dark = np.rint(dark + 0.35 * shot + 0.8 * rng.standard_normal(picture.shape, np.float32))
    return dark * rng.uniform(1, 1.6)  # what the camera's program brightens afterwards


def low_resolution(picture: Picture, severity: int, rng: np.random.Generator) -> Picture:
    """Fewer pixels than the patch has, made large again."""
    factor = graded(severity, 1.6, 4.5)
    rows, columns = picture.shape[:2]
    small = resized(picture, (max(4, round(rows / factor)), max(4, round(columns / factor))))
    way = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC)[rng.integers(3)]
    return resized(small, (rows, columns), way)
