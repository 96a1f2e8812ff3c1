"""What is asked of the cache: the features of one view of a split's images at some depths."""

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from crackdet.data.dataset import CrackData
from crackdet.data.splits import ImageSplit
from crackdet.features.digests import config_digest, network_digest
from crackdet.features.painted import VERSION, makes_masks, mask_shape
from crackdet.features.store.store import text_digest
from crackdet.features.store.table import FeatureTable, row_bytes
from crackdet.features.views import SCHEME
from crackdet.images import PREPROCESSING_VERSION
from crackdet.models.units import augmentation_of, boundary, layers_below

# Goes up when tables of before may hold something else. Before 2, a pass over several boundaries
# could give the rows of one to another of the same shape; 3 holds several tensors in a row.
TABLE_VERSION = 3


@dataclass(frozen=True)
class FeatureRequest:
    """One view of a split's images at some depths.

    Args:
        split: The images.
        view: 0 for the images as they are, 1 and above for augmented views.
        layer: What augments them; None in view 0.
        painting: What paints them before; None in view 0.
        seed: Seed of the augmented views.
        image_rows: The row of each image, int64 `(images,)`: that of its content; where images are
            painted, that of content and label, since what comes out depends on both.
        rows: The distinct rows of the images, int64 `(distinct,)`.
        indices: An image of each of these rows.
        images: What the tables of all depths have in common.
        metas: All that decides the content of the table of each depth.
    """

    split: ImageSplit
    view: int
    layer: keras.Layer | None
    painting: keras.Layer | None
    seed: int
    image_rows: np.ndarray
    rows: np.ndarray
    indices: np.ndarray
    images: dict[str, Any]
    metas: dict[int, dict[str, Any]]

    @classmethod
    def of(
        cls,
        model: keras.Model,
        depths: Iterable[int],
        split: ImageSplit,
        view: int = 0,
        augmentation: keras.Layer | None = None,
        seed: int = 0,
        *,
        painting: keras.Layer | None = None,
        half_precision: bool = False,
    ) -> "FeatureRequest":
        """Describes the features of a model; see `FeatureCache.features`."""
        check_image_size(model, split)
        if not split.num_images:
            raise ValueError(f"Expected images; the split {split.name} is empty.")
        painting = painting if view else None
        layer = _augmentation(model, augmentation, painting) if view else None
        # Python's integers, since JSON takes no number of NumPy.
        view, seed = operator.index(view), operator.index(seed)
        images = {
            "version": TABLE_VERSION,
            "universe": text_digest("\n".join(split.universe)),
            "image_size": list(split.image_size),
            "preprocessing": PREPROCESSING_VERSION,
            "view": view,
            "augmentation": None if layer is None else [SCHEME, config_digest([layer]), seed],
            "half_precision": half_precision,
            "rows": len(split.universe),
        }
        image_rows = split.rows
        if painting is not None:
            images |= _painted(painting, split, seed)
            image_rows = split.rows + len(split.universe) * split.labels
        metas = {int(depth): describe(images, model, depth) for depth in sorted(set(depths))}
        rows, indices = np.unique(image_rows, return_index=True)
        return cls(split, view, layer, painting, seed, image_rows, rows, indices, images, metas)

    @classmethod
    def of_training(
        cls,
        model: keras.Model,
        depths: Iterable[int],
        data: CrackData,
        views: int,
        augmentation: keras.Layer | None = None,
        seed: int = 0,
        *,
        painting: keras.Layer | None = None,
        half_precision: bool = False,
    ) -> list["FeatureRequest"]:
        """Describes what a training asks for: each view of train, and validation as it is.

        Train as it is comes first, validation second unless it is empty.
        """
        depths = sorted(set(depths))
        # The long pass first: it is worth a fast engine, which the short one then uses too.
        shown = [(split, 0) for split in (data.train, data.validation) if split.num_images]
        shown += [(data.train, view) for view in range(1, views)]
        ways: dict[str, Any] = {"painting": painting, "half_precision": half_precision}
        return [
            cls.of(model, depths, split, view, augmentation, seed, **ways) for split, view in shown
        ]

    def missing_bytes(self, tables: Mapping[int, FeatureTable], depth: int) -> int:
        """Returns the bytes that a depth's rows will take which `tables` do not hold yet."""
        table = tables.get(depth)
        missing = len(self.rows) if table is None else int((~table.done()[self.rows]).sum())
        return missing * row_bytes(self.metas[depth])

    def lacking(self, tables: Mapping[int, FeatureTable], depths: Iterable[int]) -> list[int]:
        """Returns the depths of which `tables` do not hold all rows."""
        return [depth for depth in depths if self.missing_bytes(tables, depth)]

    def depths_in_words(self, depths: Iterable[int]) -> str:
        """Returns words for features of this view that begin a sentence."""
        return f"Features at unfreeze depth {in_words(depths)}, view {self.view},"


def missing_bytes(
    requests: Sequence[FeatureRequest], found: Sequence[Mapping[int, FeatureTable]]
) -> dict[int, int]:
    """Returns for each depth the bytes that `found`, the tables of each request, lack."""
    return {
        depth: sum(
            each.missing_bytes(tables, depth) for each, tables in zip(requests, found, strict=True)
        )
        for depth in requests[0].metas
    }


def training_in_words(depths: Iterable[int], views: int) -> str:
    """Returns words for the features of trainings that begin a sentence."""
    return f"Features at unfreeze depth {in_words(depths)}, {views} view{'s' * (views > 1)},"


def in_words(depths: Iterable[int]) -> str:
    """Returns words for depths."""
    return ", ".join(map(str, depths))


def check_image_size(model: keras.Model, split: ImageSplit) -> None:
    """Raises ValueError unless a model takes images of a split's size."""
    expected = tuple(model.inputs[0].shape[1:3])
    if expected != split.image_size:
        raise ValueError(
            f"Expected images of {expected}, which the model takes. Received: {split.image_size}; "
            "load the data with the model's image_size."
        )


def describe(images: dict[str, Any], model: keras.Model, depth: int) -> dict[str, Any]:
    """Returns all that decides the content of a table; its folder is named by it."""
    return {
        **images,
        "depth": int(depth),
        "prefix": network_digest(layers_below(model, depth)),
        "row_shapes": [list(tensor.shape[1:]) for tensor in boundary(model, depth)],
        "labels": "painting" in images,
    }


def _painted(painting: keras.Layer, split: ImageSplit, seed: int) -> dict[str, Any]:
    """Returns what the tables of painted images have in common beside that of others."""
    if len(split.labels) and split.labels.max() > 1:
        raise ValueError("Painting needs two classes, 0 sound and 1 cracked.")
    found: dict[str, Any] = {
        "painting": [VERSION, config_digest([painting]), seed],
        "rows": 2 * len(split.universe),
    }
    if makes_masks(painting):
        found["masks"] = list(mask_shape(split.image_size))
    return found


def _augmentation(
    model: keras.Model, given: keras.Layer | None, painting: keras.Layer | None
) -> keras.Layer | None:
    """Returns the layer that augments: `given`, or what the model does before preprocessing."""
    layer = given if given is not None else augmentation_of(model)
    if layer is None and painting is None:
        raise ValueError("Augmented views need augmentation: the model has none; pass one.")
    return layer
