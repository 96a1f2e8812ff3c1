"""What a phase of `fit` trains and on what: kept features where there are some, else images."""

import math
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np

from crackdet.data.dataset import CrackData
from crackdet.data.splits import ImageSplit
from crackdet.devices import has_gpu
from crackdet.errors import CrackdetWarning
from crackdet.features import CacheTooSmall, FeatureBatches, FeatureCache, NotCached, Uncached
from crackdet.features import on_device as device
from crackdet.features.painted import make_painter, painting_keys
from crackdet.models.units import suffix_at, without_augmentation

# Images that tell, painted, how many of each class a training on painted images will see.
MAX_COUNTED = 512


@dataclass(frozen=True)
class Images:
    """The images of a training, as the arguments of `fit` name them.

    Attributes:
        data: Its `train` and `validation` are used.
        views: Views of each image of train; None where it is augmented anew in each epoch.
        painting: What paints images of train, or None.
        stress: Further images to measure, or None.
        seed: Seed of the order.
        view_seed: Seed of the views and of the painting.
    """

    data: CrackData
    views: int | None
    painting: keras.Layer | None
    stress: ImageSplit | None
    seed: int
    view_seed: int


class Source(NamedTuple):
    """What a phase trains, and on what.

    Attributes:
        model: The model that is trained: the classifier, or the part of it above kept features.
        train: Batches to train on, which are told the epoch.
        validation: Batches of validation, or None.
        stress: Batches of the images under stress, or None.
        labels: Labels that `train` shows, by which classes are weighed.
    """

    model: keras.Model
    train: Any
    validation: Any
    stress: Any
    labels: np.ndarray


def make_source(
    model: keras.Model, images: Images, depth: int, cache: FeatureCache | Uncached, phase: str
) -> Source:
    """Returns what a phase trains: on features of the cache if it has room, else on images.

    Args:
        model: The classifier.
        images: The images.
        depth: Unfreeze depth of the phase.
        cache: Where features are kept.
        phase: Name of the phase.
    """
    try:
        return _on_features(model, images, depth, cache)
    except NotCached:
        return _on_images(model, images)
    except CacheTooSmall as error:
        warnings.warn(f"{error} Phase {phase} trains without it.", CrackdetWarning, stacklevel=3)
        whole = model if is_augmented(images.views) else without_augmentation(model)
        return _on_images(whole, images)


def is_augmented(views: int | None) -> bool:
    """Returns whether a training sees augmented images: one view is the image as it is."""
    return views != 1


class PaintedBatches(keras.utils.PyDataset):
    """Batches of a split whose images are painted, each epoch otherwise.

    What an image gets depends on its content, the epoch and the seed alone.

    Args:
        split: The images; its order is this one's.
        painting: A layer of `crackdet.layers.painting`.
        seed: Seed of the painting.
    """

    def __init__(self, split: ImageSplit, painting: keras.Layer, seed: int):
        super().__init__()
        self._split = split
        self._paint = make_painter(painting, split.image_size)
        self._seed = seed

    @property
    def epoch(self) -> int:
        """The epoch that decides order and painting."""
        return self._split.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._split.epoch = epoch

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        return self._painted(self._split.batch_indices(batch))

    def some_labels(self) -> np.ndarray:
        """Returns labels of painted images, evenly spread over the split."""
        step = math.ceil(self._split.num_images / MAX_COUNTED)
        return self._painted(np.arange(0, self._split.num_images, step))[1]

    def _painted(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        split = self._split
        keys = painting_keys([split.digests[i] for i in indices], self.epoch, self._seed)
        painted = self._paint(split.images(indices), split.labels[indices], keys)
        return painted.images, painted.labels


def _on_images(model: keras.Model, images: Images) -> Source:
    data = images.data
    split = data.train.subset(range(data.train.num_images))
    split.seed = images.seed
    train, labels = split, split.labels
    if images.painting is not None:
        train = PaintedBatches(split, images.painting, images.view_seed)
        labels = train.some_labels()
    validation = data.validation.in_order() if data.validation.num_images else None
    stress = None if images.stress is None else images.stress.in_order()
    return Source(model, train, validation, stress, labels)


def _on_features(
    model: keras.Model, images: Images, depth: int, cache: FeatureCache | Uncached
) -> Source:
    data, split = images.data, images.data.train
    shown, clean = cache.training_features(
        model, depth, data, images.views or 1, images.view_seed, images.painting
    )
    size = split.batch_size
    order = {"shuffle": split.shuffle, "seed": images.seed}
    train = FeatureBatches(shown, split.labels, batch_size=size, **order)
    source = Source(suffix_at(model, depth), train, None, None, train.all_labels())
    sets = {"validation": (clean, data.validation)}
    if images.stress is not None:
        sets["stress"] = (cache.features(model, depth, images.stress), images.stress)
    measured = {
        name: FeatureBatches([features], each.labels, batch_size=size)
        for name, (features, each) in sets.items()
        if features is not None
    }
    parts = [*shown, *(features for features, _ in sets.values() if features is not None)]
    if not has_gpu() or not device.fits(parts):
        return source._replace(**measured)
    trained, starts = device.on_device(source.model, parts)
    rows = {
        name: device.RowBatches(batches, [start])
        for (name, batches), start in zip(measured.items(), starts[len(shown) :], strict=True)
    }
    train_rows = device.RowBatches(train, starts[: len(shown)])
    return source._replace(model=trained, train=train_rows, **rows)
