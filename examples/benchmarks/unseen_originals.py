"""Which patches of train a recipe of `unseen_sites.py` paints on."""

import cv2
import numpy as np

from crackdet.data import ImageSplit
from crackdet.stress.split import digest_of


def originals(split: ImageSplit, count: int, cracked: float, real: float = 0.0) -> ImageSplit:
    """Returns patches of as many walls as possible, a share of them cracked.

    With `real`, this share of all are sound patches with a whole real crack laid on them.
    """
    chosen = split.widespread(count, cracked)
    return _with_laid(chosen, round(count * real)) if real else chosen


def _with_laid(split: ImageSplit, count: int) -> ImageSplit:
    """The first `count` sound patches get the crack of a cracked one each."""
    random = np.random.default_rng(0)
    cracked = np.flatnonzero(split.labels == 1)
    pictures, labels, groups = [], [], []
    for index in np.argsort(split.labels, kind="stable"):
        picture, label = split.original(int(index)), int(split.labels[index])
        if len(pictures) < count:
            other = split.original(int(random.choice(cracked)))
            picture, label = lay_crack(picture, other), 1
        pictures.append(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
        labels.append(label)
        groups.append(split.groups[index])
    return ImageSplit(
        "laid",
        pictures,
        labels,
        keys=[f"laid/{i}.png" for i in range(len(pictures))],
        digests=[digest_of(each) for each in pictures],
        groups=groups,
        image_size=split.image_size,
        batch_size=split.batch_size,
        shuffle=True,
    )


def lay_crack(sound: np.ndarray, cracked: np.ndarray) -> np.ndarray:
    """Darkens a sound patch where another one is darker than its surroundings, as much as that."""
    grey = cracked.astype(np.float32).mean(axis=2)
    light = cv2.medianBlur(cv2.GaussianBlur(grey, (0, 0), 3).astype(np.uint8), 61) + 1.0
    share = cv2.GaussianBlur(grey, (0, 0), 0.7) / light
    grain = 1.4826 * np.median(np.abs(share - np.median(share)))
    dark = np.clip((1 - share) - 2 * grain, 0, 1)
    dark = cv2.resize(dark, sound.shape[1::-1])[..., None]
    return np.clip(sound * (1 - np.minimum(1.3 * dark, 0.9)), 0, 255).astype(np.uint8)
