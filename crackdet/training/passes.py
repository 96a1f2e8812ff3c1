"""One pass: batches of images or features through a network into tables."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from crackdet.data.splits import ImageSplit
from crackdet.training.engines import Engine, prefetch
from crackdet.training.progress import progress_bar
from crackdet.training.tables import FeatureTable
from crackdet.training.views import BATCH

# Rows are synced to disk in portions: a pass that is killed loses no more than one of them.
PORTION_ROWS = 512
PORTION_BYTES = 2**26

Batches = Iterator[tuple[np.ndarray, np.ndarray]]  # rows of the table and the network's inputs


def fill(
    tables: Sequence[FeatureTable],
    batches: Batches,
    total: int,
    engine_for: Callable[[np.ndarray], Engine],
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

    def inputs() -> Iterator[np.ndarray]:
        for chosen, values in prefetch(batches):
            rows.append(chosen)
            yield values

    stream = inputs()
    first = next(stream)
    engine = engine_for(first)
    with progress_bar(text, total, visible=visible) as advance, _Writer(tables) as writer:
        for done, values in enumerate(engine.run(_chain(first, stream))):
            writer.add(rows[done], values)
            advance(len(values))


def flattened(start: Any, boundaries: Sequence[Any]) -> keras.Model:
    """Returns the network from one tensor to others, whose values stand behind one another.

    With one output for all boundaries, no engine can mix them up.
    """
    flat = [keras.layers.Flatten()(boundary) for boundary in boundaries]
    return keras.Model(start, keras.layers.Concatenate()(flat) if len(flat) > 1 else flat[0])


def end_of(model: keras.Model, prefix: keras.Model) -> Any:
    """Returns the tensor in the model's own graph at which a prefix ends."""
    return model.get_layer(prefix.layers[-1].name).output


def image_batches(
    split: ImageSplit,
    indices: np.ndarray,
    augment: Callable[[np.ndarray, list[str]], np.ndarray] | None,
) -> Batches:
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
        yield split.rows[chosen], images


def table_batches(table: FeatureTable, rows: np.ndarray) -> Batches:
    """Yields rows of a table as the inputs of another."""
    values = table.values()
    for first in range(0, len(rows), BATCH):
        chosen = rows[first : first + BATCH]
        yield chosen, values[chosen].astype(np.float32)


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
            table.write(rows[lacking], part[lacking].reshape(-1, *table.row_shape))

    def _wait(self) -> None:
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()


def _chain(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from rest
