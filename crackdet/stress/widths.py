"""Cracks of known width on sound patches: what a probability of detection is measured on."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np

from crackdet.data import ImageSplit
from crackdet.progress import progress_bar
from crackdet.stress.cracks import crack_of_width
from crackdet.stress.split import VERSION, digest_of, encoded

WIDTHS = (0.3, 10.0)  # pixels
CONTRASTS = (0.15, 0.3, 0.6)
_STREAM = 4  # apart from those that the stress validation draws from


class WidthSplit(ImageSplit):
    """Sound patches with one crack of known width and contrast each, and the same without.

    Attributes:
        widths: Width of each crack in pixels of the picture as the model sees it, float64
            `(num_images,)`; 0 without a crack.
        contrasts: Share of the light around it that the crack itself lacks, float64
            `(num_images,)`; 0 without a crack.

    Example:

    >>> split = width_split(crackdet.load_data("demo").validation, images=40)
    >>> sorted(set(split.contrasts))
    [0.0, 0.15, 0.3, 0.6]
    """

    def __init__(
        self, *args: Any, widths: Iterable[float], contrasts: Iterable[float], **options: Any
    ):
        super().__init__(*args, **options)
        self.widths = np.fromiter(widths, np.float64)
        self.contrasts = np.fromiter(contrasts, np.float64)
        if {len(self.widths), len(self.contrasts)} != {self.num_images}:
            raise ValueError(
                "Expected a width and a contrast for each image. Received: "
                f"{len(self.widths)} and {len(self.contrasts)} for {self.num_images} images"
            )

    def subset(self, indices: Iterable[int], shuffle: bool | None = None) -> Self:
        """Returns a split of some of the pictures, see `ImageSplit.subset`."""
        chosen = np.fromiter(indices, np.int64)
        part = super().subset(chosen, shuffle)
        part.widths, part.contrasts = self.widths[chosen], self.contrasts[chosen]
        return part


def width_split(
    validation: ImageSplit,
    *,
    images: int = 600,
    seed: int = 0,
    threads: int | None = None,
    progress: bool = False,
) -> WidthSplit:
    """Paints cracks of known width and contrast on sound validation patches.

    Each crack goes from edge to edge, drawn as those of the stress validation are
    (`crackdet.stress.cracks`), not as training paints them. Widths are 0.3 to 10 px, equally
    frequent on a logarithmic scale at each contrast, in an order that has nothing to do with the
    surfaces. Each surface is there without a crack too.

    Args:
        validation: `crackdet.data.ImageSplit` with sound patches (label 0).
        images: How many pictures, a quarter for each contrast and for the surfaces as they are; of
            these fewer where the split holds fewer sound patches, each of which then has several
            cracks of a contrast.
        seed: Seed of all that is drawn.
        threads: How many threads paint. Defaults to the number of cores.
        progress: Whether a line of progress is shown.

    Returns:
        A `WidthSplit` with the size of picture, the batches and the groups of `validation`, held
        in memory.

    Raises:
        ValueError: If `images` is under 8, or the split has no sound picture.

    Example:

    >>> split = width_split(crackdet.load_data("demo").validation)
    >>> split.widths[split.contrasts == 0.3].max()
    10.0
    """
    sound = np.flatnonzero(validation.labels == 0)
    if images < 8:
        raise ValueError(f"Expected 8 images or more. Received: {images}")
    if not len(sound):
        raise ValueError(
            f"No sound picture is in the {validation.name} split: cracks of known width are "
            "painted on sound ones. Give one that holds both classes."
        )
    rng = np.random.default_rng([VERSION, seed, _STREAM])
    count = images // (1 + len(CONTRASTS))
    surfaces = np.resize(rng.permutation(sound), count)
    plan = [(int(index), 0.0, 0.0) for index in dict.fromkeys(surfaces.tolist())]
    for contrast in CONTRASTS:
        widths = rng.permutation(np.geomspace(*WIDTHS, count))
        plan += [(int(i), float(w), contrast) for i, w in zip(surfaces, widths, strict=True)]

    def make(number: int) -> bytes:
        index, width, contrast = plan[number]
        picture = validation.image(index).astype(np.float32)
        if width:
            own = np.random.default_rng([VERSION, seed, _STREAM, number])
            picture = crack_of_width(picture, width, contrast, own)
        return encoded(picture)

    made: list[bytes] = []
    with (
        ThreadPoolExecutor(threads or os.cpu_count()) as pool,
        progress_bar("Painting cracks of known width", len(plan), visible=progress) as advance,
    ):
        for each in pool.map(make, range(len(plan))):
            made.append(each)
            advance(1)
    return WidthSplit(
        "widths",
        made,
        [int(width > 0) for _, width, _ in plan],
        keys=[f"{width:.2f} px/{c:g} {validation.keys[i]}" for i, width, c in plan],
        digests=[digest_of(each) for each in made],
        groups=[int(validation.groups[i]) for i, _, _ in plan],
        image_size=validation.image_size,
        batch_size=validation.batch_size,
        widths=[width for _, width, _ in plan],
        contrasts=[contrast for *_, contrast in plan],
    )
