"""Filters that tell cracked patches from sound ones without being trained: what a model must beat.

Each gives a patch one number, larger the more there is of what a crack is: dark, thin and long.
Their constants follow from that and from the patches' size, in pixels of some 224 a side; none was
fitted to any images.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from crackdet.images import thread_pool

if TYPE_CHECKING:  # Importing it would load Keras.
    from crackdet.data import ImageSplit

Grey = NDArray[np.float32]

CONTRAST, DARK_RESIDUAL, DARK_LINE = "contrast", "dark_residual", "dark_line"

# The widest crack that patches of walls show, in pixels. A median over twice that is the surface
# without the crack, which never fills half of the window.
_WIDEST = 10
_BACKGROUND = 2 * _WIDEST + 1
# Widths of the lines that are looked for, as the standard deviation of their profile: each fits
# those from 0.7 to 1.4 times as wide, so that the three reach from hairlines to the widest.
_SCALES = (1, 2, 4)
# A line is at its strongest to a filter that is as long as it is straight: three times as long as
# wide is what oriented filters of edges and ridges commonly are (Freeman & Adelson, "The Design and
# Use of Steerable Filters", 1991; Perona, "Deformable Kernels", 1995), and 12 directions leave no
# line more than 7.5 degrees off.
_ELONGATION = 3
_DIRECTIONS = 12
_REACH = 3  # A kernel ends at so many standard deviations.
_BATCH = 64


def contrast(grey: Grey) -> float:
    """Returns the standard deviation of a patch's grey values, 0 to 127.5."""
    return float(grey.std(dtype=np.float64))


def dark_residual(grey: Grey) -> float:
    """Returns by how many grey levels the darkest parts of a patch lie below the surface.

    The surface is the median around each pixel; what is darker is looked at where a hairline would
    show: at half the share of pixels that a crack one pixel wide takes from edge to edge.
    """
    surface = cv2.medianBlur(np.rint(grey).astype(np.uint8), _BACKGROUND)
    return _top(surface - grey)


def dark_line(grey: Grey) -> float:
    """Returns the strength of the most distinct dark lines in a patch, of three widths.

    Second derivatives of elongated Gaussians in twelve directions, dark lines positive (Freeman &
    Adelson, 1991; Lindeberg, "Edge Detection and Ridge Detection with Automatic Scale Selection",
    1998). Kernels have unit energy: the grain of a surface is equally loud to each, and a line as
    loud as to a matched filter. Wide lines are looked for in a smaller picture.
    """
    strongest: float = 0.0
    picture: NDArray[Any] = grey
    for scale in _SCALES:
        # At half the size a line is half as wide and white grain half as loud: responses are
        # multiplied by the scale, so that they are those of a kernel of twice the size.
        picture = grey if scale == 1 else cv2.resize(picture, None, None, 0.5, 0.5, cv2.INTER_AREA)
        response = np.max(
            [
                cv2.filter2D(picture, cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT)
                for kernel in _line_kernels()
            ],
            axis=0,
        )
        strongest = max(strongest, scale * _top(response))
    return strongest


FILTERS: dict[str, Callable[[Grey], float]] = {
    CONTRAST: contrast,
    DARK_RESIDUAL: dark_residual,
    DARK_LINE: dark_line,
}


def filter_scores(
    split: "ImageSplit",
    names: Iterable[str] = tuple(FILTERS),
    *,
    advance: Callable[[int], Any] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Returns what untrained filters say of each image.

    Args:
        split: A `crackdet.data.ImageSplit` of n images, of which the filters see the grey values:
            the mean of the three channels.
        names: Which of `FILTERS`: "contrast", "dark_residual", "dark_line".
        advance: Told how many more images are done.

    Returns:
        For each name scores of shape `(n,)`, larger meaning more likely cracked.

    Example:

    >>> data = crackdet.load_data("demo")
    >>> filter_scores(data.test)["dark_line"].shape
    (200,)
    """
    chosen = list(names)
    scores = {name: np.empty(split.num_images) for name in chosen}
    for first in range(0, split.num_images, _BATCH):
        batch = np.arange(first, min(first + _BATCH, split.num_images))
        greys: Any = np.mean(split.images(batch), axis=-1, dtype=np.float32)
        for name in chosen:
            scores[name][batch] = list(thread_pool().map(FILTERS[name], greys))
        if advance is not None:
            advance(batch.size)
    return scores


def _top(values: Grey) -> float:
    """The value that half of the pixels of a crack one pixel wide, from edge to edge, lie above."""
    return float(np.percentile(values, 100 * (1 - 0.5 / values.shape[1])))


@cache
def _line_kernels() -> list[Grey]:
    """Kernels of a dark line one pixel in standard deviation, in each direction."""
    reach = _REACH * _ELONGATION
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    kernels = []
    for angle in np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS:
        along = x * np.cos(angle) + y * np.sin(angle)
        across = y * np.cos(angle) - x * np.sin(angle)
        profile = (across**2 - 1) * np.exp(-(across**2) / 2)  # below 0 on the line
        kernel = profile * np.exp(-((along / _ELONGATION) ** 2) / 2)
        kernel -= kernel.mean()  # an even surface has no lines
        kernels.append((kernel / np.linalg.norm(kernel)).astype(np.float32))
    return kernels
