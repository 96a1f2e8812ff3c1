"""One pass: batches of images or features through a network into tables."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import keras
import numpy as np

from crackdet.data.splits import ImageSplit
from crackdet.engines import Engine, make_engine
from crackdet.features.digests import network_digest
from crackdet.features.prefetch import prefetch
from crackdet.features.store import FeatureTable
from crackdet.features.views import BATCH
from crackdet.progress import progress_bar

# Rows are synced to disk in portions: a pass that is killed loses no more than one of them.
PORTION_ROWS = 512
PORTION_BYTES = 2**26

# Pixels of images whose pass is over before a faster engine has converted the model: some 1 second,
# in which two cores run 100 images of 224 pixels through Keras. It is no measured time, so that the
# same run takes the same engine.
WORTH_CONVERTING = 100 * 224 * 224

KEPT_ENGINES = 2

# Makes a view of float32 images, given the content key of each.
Augment = Callable[[np.ndarray, list[str]], np.ndarray]


class Inputs(NamedTuple):
    """Some rows of the tables, and what the network computes them from."""

    rows: np.ndarray
    tensors: tuple[np.ndarray, ...]


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
    rows: list[np.ndarray] = []

    def inputs() -> Iterator[tuple[np.ndarray, ...]]:
        for batch in prefetch(batches):
            rows.append(batch.rows)
            yield batch.tensors

    stream = inputs()
    first = next(stream)
    engine = engine_for(first)
    with progress_bar(text, total, visible=visible) as advance, _Writer(tables) as writer:
        for done, values in enumerate(engine.run(_chain(first, stream))):
            writer.add(rows[done], values)
            advance(len(values))


def flattened(start: Sequence[Any], boundaries: Sequence[Any]) -> keras.Model:
    """Returns the network from some tensors to others, whose values stand behind one another.

    With one output for all boundaries, no engine can mix them up.
    """
    flat = [keras.layers.Flatten()(tensor) for tensor in boundaries]
    output = keras.layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
    return keras.Model(start[0] if len(start) == 1 else list(start), output)


def image_batches(
    split: ImageSplit, indices: np.ndarray, augment: Augment | None
) -> Iterator[Inputs]:
    """Yields the rows and the pixels of a split's images, float32.

    Args:
        split: Images.
        indices: Which of them.
        augment: What makes a view of each, given images and their content keys; None for the
            images as they are.
    """
    for first in range(0, len(indices), BATCH):
        chosen = indices[first : first + BATCH]
        images = split.images(chosen).astype(np.float32)
        if augment is not None:
            images = augment(images, [split.digests[index] for index in chosen])
        yield Inputs(split.rows[chosen], (images,))


def table_batches(table: FeatureTable, rows: np.ndarray) -> Iterator[Inputs]:
    """Yields rows of a table as the inputs of another."""
    values = table.values()
    for first in range(0, len(rows), BATCH):
        chosen = rows[first : first + BATCH]
        yield Inputs(chosen, tuple(table.tensors(values[chosen].astype(np.float32))))


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


class _Writer:
    """Collects rows into portions and writes each in a thread while the next one is computed."""

    def __init__(self, tables: Sequence[FeatureTable]):
        self._tables = tables
        self._rows: list[np.ndarray] = []
        self._values: list[np.ndarray] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="crackdet-write")
        self._pending: Future[None] | None = None
        row_bytes = sum(table.row_bytes for table in tables)
        self._limit = max(1, min(PORTION_ROWS, PORTION_BYTES // row_bytes))

    def __enter__(self) -> "_Writer":
        return self

    def add(self, rows: np.ndarray, values: np.ndarray) -> None:
        self._rows.append(rows)
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
        self._rows, self._values = [], []
        self._pending = self._thread.submit(self._write, rows, values)

    def _write(self, rows: np.ndarray, values: np.ndarray) -> None:
        ends = np.cumsum([table.row_size for table in self._tables])
        for table, part in zip(self._tables, np.split(values, ends[:-1], axis=1), strict=True):
            lacking = ~table.done()[rows]
            table.write(rows[lacking], part[lacking])

    def _wait(self) -> None:
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()


def _chain(first: tuple, rest: Iterator[tuple]) -> Iterator[tuple]:
    yield first
    yield from rest
