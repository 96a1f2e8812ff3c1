"""What runs a frozen network over many images: Keras, or OpenVINO where it is installed."""

import importlib.util
import queue
import tempfile
import threading
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import keras
import numpy as np

from crackdet.errors import CrackdetError

ENGINES = ("auto", "keras", "openvino")

# Largest difference from Keras that "auto" accepts, relative to the largest feature: half of
# what rounding to float16 does.
TOLERANCE = 1e-3

KERAS_BATCH = 32

T = TypeVar("T")


class Engine(Protocol):
    """Maps batches `(any, …)` to features `(any, …)`, float32, in order."""

    def run(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]: ...


def make_engine(name: str, model: keras.Model, sample: np.ndarray) -> Engine:
    """Returns the engine that runs `model`.

    Args:
        name: "keras"; "openvino"; or "auto": OpenVINO when it is installed, converts the model
            and agrees with Keras on `sample`, else Keras.
        model: A network with one input and one output, used at inference.
        sample: A batch of inputs to compare on.

    Raises:
        CrackdetError: If OpenVINO was asked for and cannot run the model, or disagrees.
    """
    plain = KerasEngine(model)
    if name == "keras" or (name == "auto" and importlib.util.find_spec("openvino") is None):
        return plain
    try:
        fast = OpenVinoEngine(model)
        difference = _difference(fast, plain, sample)
        problem = f"its features differ from Keras' by {difference:.1e} of the largest"
        if difference <= TOLERANCE:
            return fast
    except Exception as error:  # conversion fails in many ways; the remedy is the same
        problem = str(error)
    message = f"OpenVINO cannot run this model: {problem}."
    if name == "openvino":
        raise CrackdetError(f"{message} Use the engine 'keras'.")
    warnings.warn(f"{message} Keras runs it, more slowly.", stacklevel=2)
    return plain


class KerasEngine:
    """Runs a copy of a model with Keras, in batches of one fixed size.

    A copy, because the engine is kept: `model` shares its layers with a classifier whose training
    may go on to change them.
    """

    def __init__(self, model: keras.Model):
        self._model = keras.models.clone_model(model)
        self._model.set_weights(model.get_weights())
        self._model.jit_compile = jit_compile()

    def run(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yields the features of each batch."""
        for batch in batches:
            yield np.concatenate(
                [
                    self._fixed_batch(batch[first : first + KERAS_BATCH])
                    for first in range(0, len(batch), KERAS_BATCH)
                ]
            )

    def _fixed_batch(self, batch: np.ndarray) -> np.ndarray:
        # One batch size: one compilation, and no result that depends on how many came along.
        padded = np.zeros((KERAS_BATCH, *batch.shape[1:]), np.float32)
        padded[: len(batch)] = batch
        return np.asarray(self._model.predict_on_batch(padded))[: len(batch)]


class OpenVinoEngine:
    """Runs a model with OpenVINO, one image a request and as many requests as it likes at once.

    Single images with the throughput hint were the fastest of batches of 1 to 32 on two cores,
    and a result cannot depend on the rest of a batch.
    """

    def __init__(self, model: keras.Model):
        import openvino

        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder, "prefix.xml"))  # Keras wants text here
            model.export(path, format="openvino", verbose=False)
            network = openvino.Core().read_model(path)
            network.reshape([1, *model.inputs[0].shape[1:]])
            compiled = openvino.compile_model(
                network,
                "CPU",
                {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"},
            )
        count = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._requests = [compiled.create_infer_request() for _ in range(count)]

    def run(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yields the features of each batch, while the next ones are being computed."""
        free = deque(self._requests)
        running: deque[Any] = deque()
        sizes: deque[int] = deque()
        finished: list[np.ndarray] = []

        def finish_oldest() -> None:
            request = running.popleft()
            request.wait()
            finished.append(request.get_output_tensor(0).data[0].copy())
            free.append(request)

        for batch in batches:
            sizes.append(len(batch))
            for image in batch:
                if not free:
                    finish_oldest()
                request = free.popleft()
                request.start_async([np.asarray(image[None], np.float32)])
                running.append(request)
            while sizes and len(finished) >= sizes[0]:
                yield _take(finished, sizes.popleft())
        while running:
            finish_oldest()
        while sizes:
            yield _take(finished, sizes.popleft())


def jit_compile() -> bool | str:
    """Returns what `jit_compile` should be: XLA slows TensorFlow's CPU down tenfold."""
    slow = keras.backend.backend() == "tensorflow" and not keras.distribution.list_devices("gpu")
    return False if slow else "auto"


def prefetch(items: Iterable[T], ahead: int = 2) -> Iterator[T]:
    """Yields `items` while a thread already makes the next ones."""
    ready: queue.Queue[tuple[str, Any]] = queue.Queue(ahead)
    stopped = threading.Event()

    def put(entry: tuple[str, Any]) -> None:
        while not stopped.is_set():
            try:
                ready.put(entry, timeout=0.1)
                return
            except queue.Full:
                continue

    def produce() -> None:
        try:
            for item in items:
                put(("item", item))
                if stopped.is_set():
                    return
            put(("end", None))
        except BaseException as error:
            put(("error", error))

    thread = threading.Thread(target=produce, daemon=True, name="crackdet-prefetch")
    thread.start()
    try:
        while True:
            kind, value = ready.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        stopped.set()
        thread.join()


def _take(finished: list[np.ndarray], count: int) -> np.ndarray:
    batch = np.stack(finished[:count])
    del finished[:count]
    return batch


def _difference(first: Engine, second: Engine, sample: np.ndarray) -> float:
    ours, theirs = (next(iter(engine.run([sample]))) for engine in (first, second))
    return float(np.max(np.abs(ours - theirs)) / max(float(np.max(np.abs(theirs))), 1e-12))
