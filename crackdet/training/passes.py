"""One pass: batches of images or features through a network into a table."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from crackdet.data.splits import ImageSplit
from crackdet.training.engines import Engine, jit_compile, prefetch
from crackdet.training.progress import progress_bar
from crackdet.training.seeds import reseed
from crackdet.training.tables import FeatureTable

# Images that one call of the augmentation sees. Their places are fixed by the data set, so an
# image's augmented views do not depend on which others are asked for.
CHUNK = 32

# Rows are synced to disk in portions: a pass that is killed loses no more than one of them.
PORTION_ROWS = 512
PORTION_BYTES = 2**26

Batches = Iterator[tuple[np.ndarray, np.ndarray]]  # rows of the table and the network's inputs


def fill(
    table: FeatureTable,
    batches: Batches,
    total: int,
    engine_for: Callable[[np.ndarray], Engine],
    *,
    text: str,
    visible: bool,
) -> None:
    """Computes rows of a table; reading, computing and writing run side by side.

    Args:
        table: Where the features go.
        batches: Rows and inputs.
        total: Number of rows in all.
        engine_for: Makes the engine, given a first batch to try it on.
        text: What the line of progress says.
        visible: Whether there is one.
    """
    rows: list[np.ndarray] = []

    def inputs() -> Iterator[np.ndarray]:
        for chosen, values in prefetch(batches):
            rows.append(chosen)
            yield values

    stream = inputs()
    first = next(stream)
    engine = engine_for(first)
    with progress_bar(text, total, visible=visible) as advance, _Writer(table) as writer:
        for done, values in enumerate(engine.run(_chain(first, stream))):
            writer.add(rows[done], values)
            advance(len(values))


def image_batches(
    split: ImageSplit,
    indices: np.ndarray,
    augmentation: keras.Layer | None = None,
    seed: tuple[int, int] = (0, 0),
) -> Batches:
    """Yields images of a split by chunks of the data set's order of content keys.

    Args:
        split: The images.
        indices: Which of them, no two of the same row, in the order of their rows.
        augmentation: Layer applied to each chunk in training mode, each image in its own place
            whether or not its neighbours are asked for.
        seed: With the chunk's number the seed of the augmentation.
    """
    rows = split.rows[indices]
    augmenter = _compiled(augmentation, split.image_size) if augmentation is not None else None
    for chunk in np.unique(rows // CHUNK):
        members = rows // CHUNK == chunk
        images = split.images(indices[members]).astype(np.float32)
        if augmenter is not None:
            places = rows[members] % CHUNK
            full = np.zeros((CHUNK, *images.shape[1:]), np.float32)
            full[places] = images
            reseed(augmenter, *seed, int(chunk))
            images = np.asarray(augmenter.predict_on_batch(full))[places].astype(np.float32)
        yield rows[members], images


def table_batches(table: FeatureTable, rows: np.ndarray) -> Batches:
    """Yields rows of a table as the inputs of another."""
    values = table.values()
    for first in range(0, len(rows), CHUNK):
        chosen = rows[first : first + CHUNK]
        yield chosen, values[chosen].astype(np.float32)


class _InTraining(keras.layers.Layer):
    """Runs a layer as in training wherever it stands."""

    def __init__(self, layer: keras.Layer):
        super().__init__()
        self.layer = layer

    def call(self, images: Any) -> Any:
        return self.layer(images, training=True)


def _compiled(augmentation: keras.Layer, image_size: tuple[int, int]) -> keras.Model:
    """Returns a model that augments; compiled, it runs in little more than half the time."""
    images = keras.Input((*image_size, 3))
    model = keras.Model(images, _InTraining(augmentation)(images))
    model.jit_compile = jit_compile()
    return model


class _Writer:
    """Collects rows into portions and writes each in a thread while the next one is computed."""

    def __init__(self, table: FeatureTable):
        self._table = table
        self._rows: list[np.ndarray] = []
        self._values: list[np.ndarray] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="crackdet-write")
        self._pending: Future[None] | None = None
        self._limit = max(1, min(PORTION_ROWS, PORTION_BYTES // table.row_bytes))

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
        self._pending = self._thread.submit(self._table.write, rows, values)

    def _wait(self) -> None:
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()


def _chain(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from rest
