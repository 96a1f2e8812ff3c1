"""The stress validation as a split: what is painted on which patch, and how it is kept."""

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Self

import cv2
import numpy as np

from crackdet.data import ImageSplit
from crackdet.progress import progress_bar
from crackdet.stress.cracks import crack
from crackdet.stress.distance import Walls
from crackdet.stress.drawing import Picture, graded
from crackdet.stress.families import FAMILIES, Family
from crackdet.stress.scenes import scene

VERSION = 2  # of the pictures: one more whenever they change, so that nothing kept of them is stale
SEVERITIES = (1, 2, 3, 4, 5)
_JPEG_QUALITY = 96  # of what is held in memory: finer than the source's own
_STREAMS = {"wall": 0, "thing": 1, "crack": 2, "fault": 3}


class StressSplit(ImageSplit):
    """Pictures that are hard on purpose: an `ImageSplit` that knows what is hard about each.

    Attributes:
        families: What each picture shows beside a crack or none: one of `FAMILIES`.
        severities: How severe it is, int64 `(num_images,)`, 1 to 5.

    Example:

    >>> stress = stress_split(crackdet.load_data("demo").validation, images=170)
    >>> np.mean(stress.labels[stress.severities == 5])
    0.5
    """

    def __init__(
        self, *args: Any, families: Iterable[str], severities: Iterable[int], **options: Any
    ):
        super().__init__(*args, **options)
        self.families = list(families)
        self.severities = np.fromiter(severities, np.int64)
        if {len(self.families), len(self.severities)} != {self.num_images}:
            raise ValueError(
                "Expected a family and a severity for each image. Received: "
                f"{len(self.families)} and {len(self.severities)} for {self.num_images} images"
            )

    def __repr__(self) -> str:
        kinds = len(set(self.families))
        return f"StressSplit({self.num_images} images of {self.image_size}, {kinds} families)"

    def subset(self, indices: Iterable[int], shuffle: bool | None = None) -> Self:
        """Returns a split of some of the pictures, see `ImageSplit.subset`."""
        chosen = np.fromiter(indices, np.int64)
        part = super().subset(chosen, shuffle)
        part.families = [self.families[i] for i in chosen]
        part.severities = self.severities[chosen]
        return part


class _Made(NamedTuple):
    """One picture of the split."""

    encoded: bytes
    label: int
    key: str
    group: int
    family: str
    severity: int


def stress_split(
    validation: ImageSplit,
    *,
    images: int = 2040,
    seed: int = 0,
    threads: int | None = None,
    progress: bool = False,
) -> StressSplit:
    """Makes a validation that says how a model does on sites that it has never seen.

    Clean patches of one site are soon all right, and what is left of the loss says nothing of
    other sites. These pictures are made from validation patches and hold what is met elsewhere:
    cracks down to hairlines, what is mistaken for one, camera faults, other distances, made-up
    surfaces; in `FAMILIES`, each graded from 1 to 5 as ImageNet-C is (Hendrycks & Dietterich 2019).
    Cracks and things are drawn by other means than those that training paints with
    (`crackdet.layers.painting`).

    Pictures come in pairs: the same kind of thing, drawn alike, on a sound wall and with a crack in
    it: a painted one, or a real one from further away and faded. So each family and severity holds
    as many sound as cracked pictures.

    Args:
        validation: `crackdet.data.ImageSplit` with sound patches (label 0) and, for the real
            cracks, cracked ones (label 1).
        images: How many pictures; even. A multiple of 170 fills all families and severities alike.
        seed: Seed of all that is drawn. The pictures depend on it and on the split alone, whatever
            the number of threads.
        threads: How many threads paint. Defaults to the number of cores.
        progress: Whether a line of progress is shown.

    Returns:
        A `StressSplit` with the size of picture and the batches of `validation`. Its pictures are
        held in memory as JPEG; `groups` are those of the patches, with numbers of their own for
        made-up surfaces.

    Raises:
        ValueError: If `images` is odd or under 2, or the split has no sound picture.

    Example:

    >>> data = crackdet.load_data("demo")
    >>> stress = stress_split(data.validation, images=170)
    >>> stress.families[0], stress.severities[0], stress.labels[0]
    ('faint cracks', 1, 0)
    """
    if images < 2 or images % 2:
        raise ValueError(f"Expected an even number of images of 2 or more. Received: {images}")
    walls = Walls.of(validation, np.random.default_rng([VERSION, seed]))
    made: list[_Made] = []
    with (
        ThreadPoolExecutor(threads or os.cpu_count()) as pool,
        progress_bar("Painting the stress validation", images, visible=progress) as advance,
    ):
        for pair in pool.map(lambda number: _pair(walls, number, seed), range(images // 2)):
            made += pair
            advance(2)
    return StressSplit(
        "stress",
        [each.encoded for each in made],
        [each.label for each in made],
        keys=[each.key for each in made],
        digests=[digest_of(each.encoded) for each in made],
        groups=[each.group for each in made],
        image_size=validation.image_size,
        batch_size=validation.batch_size,
        families=[each.family for each in made],
        severities=[each.severity for each in made],
    )


def digest_of(picture: bytes) -> str:
    """Returns the content key of a painted picture."""
    return hashlib.sha256(f"stress {VERSION} ".encode() + picture).hexdigest()[:16]


def _pair(walls: Walls, number: int, seed: int) -> list[_Made]:
    """Makes a sound picture and a cracked one of the same family and severity."""
    family = list(FAMILIES)[number % len(FAMILIES)]
    # Diagonal: any few pairs hold all severities.
    severity = SEVERITIES[(number + number // len(FAMILIES)) % len(SEVERITIES)]
    made = []
    for label in (0, 1):
        streams = {
            name: np.random.default_rng([VERSION, seed, number, stream])
            for name, stream in _STREAMS.items()
        }
        wall, source, done = _wall(walls, FAMILIES[family], severity, label, streams["wall"])
        picture = _painted(wall, FAMILIES[family], severity, label == 1 and not done, streams)
        scene_group = int(walls.split.groups.max()) + 1 + number
        made.append(
            _Made(
                encoded=encoded(picture),
                label=label,
                key=f"{family}/{severity}/{('sound', 'cracked')[label]}/{number:05d} "
                + (walls.split.keys[source] if source is not None else "made up"),
                group=scene_group if source is None else int(walls.split.groups[source]),
                family=family,
                severity=severity,
            )
        )
    return made


def _wall(
    walls: Walls, family: Family, severity: int, label: int, rng: np.random.Generator
) -> tuple[Picture, int | None, bool]:
    """Returns a wall, the patch that it comes from, and whether a real crack is in it already."""
    if rng.random() < family.made_up:
        # Where something else is graded, the surface is any but the roughest.
        rough = severity if family.made_up == 1 else int(rng.choice(SEVERITIES[:3]))
        return scene(walls.split.image_size, rough, rng), None, False
    real = bool(rng.random() < family.real) and len(walls.cracked) > 0
    sound, cracked = int(rng.choice(walls.sound)), int(rng.choice(walls.cracked)) if real else 0
    if not real and family.real < 1:
        return walls.picture(sound), sound, False
    far = family.real == 1  # a family of distances
    zoom = graded(severity, 1.5, 6.5 if far else 3.0) * rng.uniform(0.9, 1.15)
    shows = real and label == 1
    share = graded(severity, 0.9, 0.35 if far else 0.5) if shows else 1.0
    source = cracked if shows else sound
    return walls.from_further_away(source, max(zoom, 1.05), share, rng), source, shows


def _painted(
    wall: Picture,
    family: Family,
    severity: int,
    cracks: bool,
    streams: dict[str, np.random.Generator],
) -> Picture:
    picture, hidden = wall, None
    if family.thing is not None:
        picture, hidden = family.thing(picture, severity, streams["thing"])
    if cracks:
        picture = crack(picture, family.cracks[severity - 1], streams["crack"], hidden)
    if family.fault is not None:
        picture = family.fault(picture, severity, streams["fault"])
    return picture


def encoded(picture: Picture) -> bytes:
    """Returns a picture as JPEG."""
    levels = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, encoded = cv2.imencode(".jpg", levels[..., ::-1], options)
    return encoded.tobytes()
