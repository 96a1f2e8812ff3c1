"""What runs a frozen network over many images: Keras, OpenVINO or ONNX Runtime."""

import importlib.util
import os
import queue
import tempfile
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

import keras
import numpy as np

from crackdet.errors import CrackdetError
from crackdet.training.devices import has_gpu
from crackdet.training.openvino_graph import openvino_model

ENGINES = ("auto", "keras", "openvino", "onnxruntime")

# What Keras' export to ONNX needs on each backend.
ONNX_EXPORTERS = {"tensorflow": "tf2onnx", "jax": "jax2onnx", "torch": "onnx"}

# Largest difference from Keras that "auto" accepts, relative to the largest feature: half of
# what rounding to float16 does.
TOLERANCE = 1e-3

# Inputs that an engine is compared with Keras on.
COMPARED = 8

KERAS_BATCH = 32

T = TypeVar("T")


class Engine(Protocol):
    """Maps batches `(any, …)` to features `(any, …)`, float32, in order."""

    def run(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]: ...


def make_engine(
    name: str, model: keras.Model, sample: np.ndarray, sizes: Sequence[int] | None = None
) -> Engine:
    """Returns the engine that runs `model`.

    Args:
        name: "keras"; "openvino"; "onnxruntime"; or "auto": OpenVINO or else ONNX Runtime when it
            is installed, converts the model and agrees with Keras on `sample`, else Keras; with a
            GPU, which only Keras uses, Keras.
        model: A network with one input and one output, used at inference.
        sample: A batch of inputs, of which the first eight are compared on.
        sizes: Lengths of the parts that the output consists of, each of which must agree.
            Defaults to one part.

    Raises:
        CrackdetError: If the engine that was asked for cannot run the model, or disagrees.
    """
    fast: dict[str, Callable[[keras.Model], Engine]] = {
        "openvino": OpenVinoEngine,
        "onnxruntime": OnnxEngine,
    }
    asked = [name]
    if name == "auto":
        asked = [] if has_gpu() else [each for each in fast if _is_usable(each)]
    for each in asked:
        if each == "keras":
            break
        try:
            engine = fast[each](model)
            difference = _difference(engine, model, sample[:COMPARED], sizes)
            problem = f"its features differ from Keras' by {difference:.1e} of the largest"
            if difference <= TOLERANCE:
                return engine
        except Exception as error:  # conversion fails in many ways; the remedy is the same
            problem = str(error)
        message = f"The engine '{each}' cannot run this model: {problem}."
        if name != "auto":
            raise CrackdetError(f"{message} Use the engine 'keras'.")
        warnings.warn(f"{message} Another one runs it, more slowly.", stacklevel=2)
    return KerasEngine(model)


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

        compiled = openvino.compile_model(
            openvino_model(model),
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


class OnnxEngine:
    """Runs a model with ONNX Runtime, one image a thread.

    Two threads with an image each were faster on two cores than one image or batch on both.
    """

    def __init__(self, model: keras.Model):
        import onnxruntime

        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of the exporter about NumPy
            path = str(Path(folder, "prefix.onnx"))
            model(np.zeros((1, *model.inputs[0].shape[1:]), np.float32))  # the exporter wants it
            model.export(path, format="onnx", verbose=False)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        self._input = self._session.get_inputs()[0].name

    def run(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yields the features of each batch, while the next ones are being computed."""
        running: deque[list[Future[np.ndarray]]] = deque()
        with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="crackdet-onnx") as pool:
            for batch in batches:
                running.append([pool.submit(self._features, image) for image in batch])
                if len(running) > 2:
                    yield _collect(running.popleft())
            while running:
                yield _collect(running.popleft())

    def _features(self, image: np.ndarray) -> np.ndarray:
        inputs = {self._input: np.asarray(image[None], np.float32)}
        return self._session.run(None, inputs)[0][0]


def jit_compile() -> bool | str:
    """Returns what `jit_compile` should be.

    XLA slows TensorFlow's CPU down tenfold. With PyTorch, Keras compiles a model whose
    `jit_compile` is set to "auto", and that takes longer than a search takes without.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return "auto" if has_gpu() else False
    return False if backend == "torch" else "auto"


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


def _collect(features: list[Future[np.ndarray]]) -> np.ndarray:
    return np.stack([each.result() for each in features])


def _is_usable(engine: str) -> bool:
    needed = [engine]
    if engine == "onnxruntime":
        needed.append(ONNX_EXPORTERS.get(keras.backend.backend(), "onnx"))
    return all(importlib.util.find_spec(name) is not None for name in needed)


def _difference(
    engine: Engine, model: keras.Model, sample: np.ndarray, sizes: Sequence[int] | None
) -> float:
    """Returns the largest difference, relative to the largest feature of the same part."""
    ours = next(iter(engine.run([sample])))
    theirs = keras.ops.convert_to_numpy(model(sample))  # uncompiled: for once that is faster
    ends = np.cumsum(sizes or [ours.shape[1]])[:-1]
    return max(
        float(np.max(np.abs(a - b)) / max(float(np.max(np.abs(b))), 1e-12))
        for a, b in zip(np.split(ours, ends, axis=1), np.split(theirs, ends, axis=1), strict=True)
    )
