"""One pass: batches of images or features through a network into tables."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import keras
import numpy as np

from crackdet.data.splits import ImageSplit
from crackdet.engines import Engine, make_engine
from crackdet.features.digests import config_digest, network_digest
from crackdet.features.painted import Painter, averaged, make_painter, makes_masks, painting_keys
from crackdet.features.prefetch import prefetch
from crackdet.features.store import FeatureTable
from crackdet.features.views import BATCH, Augmenter, make_augmenter
from crackdet.progress import progress_bar

# Rows are synced to disk in portions: a pass that is killed loses no more than one of them.
PORTION_ROWS = 512
PORTION_BYTES = 2**26

# Pixels of images whose pass is over before a faster engine has converted the model: some 1 second,
# in which two cores run 100 images of 224 pixels through Keras. It is no measured time, so that the
# same run takes the same engine.
WORTH_CONVERTING = 100 * 224 * 224

KEPT_ENGINES = 2

# What stands in the tables beside features: "labels" and "masks", where they have such.
Beside = dict[str, np.ndarray]

# Makes a view of float32 images, given the content key and the label of each.
View = Callable[[np.ndarray, list[str], np.ndarray], tuple[np.ndarray, Beside]]


class Inputs(NamedTuple):
    """Some rows of the tables, what the network computes them from, and what stands beside them."""

    rows: np.ndarray
    tensors: tuple[np.ndarray, ...]
    beside: Beside = {}  # noqa: RUF012 - nobody changes it


def fill(
    tables: Sequence[FeatureTable],
    batches: Iterator[Inputs],
    total: int,
    engine_for: Callable[[tuple[np.ndarray, ...]], Engine],
    *,
    text: str,
    visible: bool,
) -> None:
    """Computes rows of tables; reading, computing and writing run side by side.

    Args:
        tables: Where the features go. The engine returns the rows of all of them, flattened, one
            after the other; rows that a table already has are not written again.
        batches: Rows and inputs.
        total: Number of rows in all.
        engine_for: Makes the engine, given a first batch to try it on.
        text: What the line of progress says.
        visible: Whether there is one.
    """
    taken: list[Inputs] = []

    def inputs() -> Iterator[tuple[np.ndarray, ...]]:
        for batch in prefetch(batches):
            taken.append(batch._replace(tensors=()))
            yield batch.tensors

    stream = inputs()
    first = next(stream)
    engine = engine_for(first)
    with progress_bar(text, total, visible=visible) as advance, _Writer(tables) as writer:
        for done, values in enumerate(engine.run(_chain(first, stream))):
            writer.add(taken[done].rows, values, taken[done].beside)
            advance(len(values))


def flattened(start: Sequence[Any], boundaries: Sequence[Any]) -> keras.Model:
    """Returns the network from some tensors to others, whose values stand behind one another.

    With one output for all boundaries, no engine can mix them up.
    """
    flat = [keras.layers.Flatten()(tensor) for tensor in boundaries]
    output = keras.layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
    return keras.Model(start[0] if len(start) == 1 else list(start), output)


def image_batches(
    split: ImageSplit, rows: np.ndarray, indices: np.ndarray, view: View | None
) -> Iterator[Inputs]:
    """Yields the rows and the pixels of a split's images, float32.

    Args:
        split: Images.
        rows: The row of each of its images.
        indices: Which of them.
        view: What makes a view of each; None for the images as they are.
    """
    for first in range(0, len(indices), BATCH):
        chosen = indices[first : first + BATCH]
        images = split.images(chosen).astype(np.float32)
        beside: Beside = {}
        if view is not None:
            digests = [split.digests[index] for index in chosen]
            images, beside = view(images, digests, split.labels[chosen])
        yield Inputs(rows[chosen], (images,), beside)


def table_batches(table: FeatureTable, rows: np.ndarray) -> Iterator[Inputs]:
    """Yields rows of a table as the inputs of another."""
    values = table.values()
    whole = {"labels": table.labels(), "masks": table.masks()}
    for first in range(0, len(rows), BATCH):
        chosen = rows[first : first + BATCH]
        beside = {name: part[chosen] for name, part in whole.items() if part is not None}
        yield Inputs(chosen, tuple(table.tensors(values[chosen].astype(np.float32))), beside)


class KeptEngines:
    """The engines of the last passes: that of the long one and of a small one beside it.

    Args:
        name: One of `crackdet.engines.ENGINES`.
        half_precision: As in `FeatureCache`.
    """

    def __init__(self, name: str, half_precision: bool):
        self._name = name
        self._half_precision = half_precision
        self._kept: OrderedDict[tuple, Engine] = OrderedDict()

    def engine(
        self,
        network: keras.Model,
        depths: Sequence[int],
        sample: tuple[np.ndarray, ...],
        pixels: int,
        sizes: Sequence[int],
    ) -> Engine:
        """Returns what runs a network; the same again for the same weights.

        Args:
            network: The network of a pass.
            depths: The depths of its boundaries.
            sample: A first batch.
            pixels: Pixels of all images of the request, by which a pass is short or long.
            sizes: The numbers in a row of each boundary.
        """
        small = self._name == "auto" and pixels < WORTH_CONVERTING
        name = "keras" if small else self._name
        # The depths too: where boundaries branch off shared layers, no layer tells.
        shapes = tuple(each.shape for each in network.inputs)
        key = (name, network_digest(network.layers), shapes, *depths)
        if key not in self._kept:
            half = self._half_precision
            self._kept[key] = make_engine(name, network, sample, sizes, half_precision=half)
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT_ENGINES:
            self._kept.popitem(last=False)
        return self._kept[key]


class KeptViews:
    """What makes the views of images, compiled once for all views of one kind."""

    def __init__(self) -> None:
        self._augmenters: dict[tuple, Augmenter] = {}
        self._painters: dict[tuple, Painter] = {}

    def view(
        self,
        augmentation: keras.Layer | None,
        painting: keras.Layer | None,
        image_size: tuple[int, int],
        number: int,
        seed: int,
    ) -> View | None:
        """Returns what makes a view: it paints images and augments them then, where told to.

        Args:
            augmentation: The layer that augments.
            painting: The layer that paints.
            image_size: Height and width.
            number: The view's number.
            seed: Seed of all views.
        """
        if augmentation is None and painting is None:
            return None
        masks = painting is not None and makes_masks(painting)

        def make(
            images: np.ndarray, digests: list[str], labels: np.ndarray
        ) -> tuple[np.ndarray, Beside]:
            beside: Beside = {}
            if painting is not None:
                paint = self._painter(painting, image_size)
                painted = paint(images, labels, painting_keys(digests, number, seed))
                images, beside["labels"] = painted.images, painted.labels
                if painted.masks is not None:
                    images = np.concatenate([images, painted.masks], axis=-1)
            if augmentation is not None:
                augment = self._augmenter(augmentation, image_size, masks)
                images = augment(images, digests, number, seed)
            if masks:
                beside["masks"] = averaged(images[..., 3:])
                images = np.ascontiguousarray(images[..., :3])
            return images, beside

        return make

    def _augmenter(self, layer: keras.Layer, size: tuple[int, int], masks: bool) -> Augmenter:
        key = (config_digest([layer]), *size, masks)
        if key not in self._augmenters:
            self._augmenters[key] = make_augmenter(layer, size, masks=masks)
        return self._augmenters[key]

    def _painter(self, layer: keras.Layer, size: tuple[int, int]) -> Painter:
        key = (config_digest([layer]), *size)
        if key not in self._painters:
            self._painters[key] = make_painter(layer, size)
        return self._painters[key]


class _Writer:
    """Collects rows into portions and writes each in a thread while the next one is computed."""

    def __init__(self, tables: Sequence[FeatureTable]):
        self._tables = tables
        self._rows: list[np.ndarray] = []
        self._values: list[np.ndarray] = []
        self._beside: list[Beside] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="crackdet-write")
        self._pending: Future[None] | None = None
        row_bytes = sum(table.row_bytes for table in tables)
        self._limit = max(1, min(PORTION_ROWS, PORTION_BYTES // row_bytes))

    def __enter__(self) -> "_Writer":
        return self

    def add(self, rows: np.ndarray, values: np.ndarray, beside: Beside) -> None:
        self._rows.append(rows)
        self._beside.append(beside)
        self._values.append(values.astype(np.float32, copy=False))
        if sum(map(len, self._rows)) >= self._limit:
            self._flush()

    def __exit__(self, *error: object) -> None:
        # What was computed before an error or Ctrl-C is right, and is kept.
        with self._thread:
            if self._rows:
                self._flush()
            self._wait()

    def _flush(self) -> None:
        self._wait()
        rows, values = np.concatenate(self._rows), np.concatenate(self._values)
        beside = {
            name: np.concatenate([each[name] for each in self._beside]) for name in self._beside[0]
        }
        self._rows, self._values, self._beside = [], [], []
        self._pending = self._thread.submit(self._write, rows, values, beside)

    def _write(self, rows: np.ndarray, values: np.ndarray, beside: Beside) -> None:
        ends = np.cumsum([table.row_size for table in self._tables])
        for table, part in zip(self._tables, np.split(values, ends[:-1], axis=1), strict=True):
            lacking = ~table.done()[rows]
            own = {name: values[lacking] for name, values in beside.items()}
            table.write(rows[lacking], part[lacking], **own)

    def _wait(self) -> None:
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()


def _chain(first: tuple, rest: Iterator[tuple]) -> Iterator[tuple]:
    yield first
    yield from rest
