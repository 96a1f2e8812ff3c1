"""A network run by ONNX Runtime on a processor."""

import os
import tempfile
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np


class OnnxEngine:
    """Runs a model with ONNX Runtime, one image a thread.

    Two threads with an image each were faster on two cores than one image or batch on both.
    """

    def __init__(self, model: keras.Model):
        import onnxruntime

        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of the exporter about NumPy
            path = str(Path(folder, "network.onnx"))
            zeros = [np.zeros((1, *each.shape[1:]), np.float32) for each in model.inputs]
            model(zeros[0] if len(zeros) == 1 else zeros)  # the exporter wants it
            model.export(path, format="onnx", verbose=False)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        self._names = [each.name for each in self._session.get_inputs()]

    def run(self, batches: Iterable[tuple[np.ndarray, ...]]) -> Iterator[np.ndarray]:
        """Yields the output for each batch, while the next ones are being computed."""
        running: deque[list[Future[np.ndarray]]] = deque()
        with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="crackdet-onnx") as pool:
            for batch in batches:
                inputs = zip(*batch, strict=True)
                running.append([pool.submit(self._output, each) for each in inputs])
                if len(running) > 2:
                    yield _collect(running.popleft())
            while running:
                yield _collect(running.popleft())

    def _output(self, inputs: tuple[np.ndarray, ...]) -> np.ndarray:
        named = {
            name: np.asarray(each[None], np.float32)
            for name, each in zip(self._names, inputs, strict=True)
        }
        return self._session.run(None, named)[0][0]


def _collect(outputs: list["Future[np.ndarray]"]) -> np.ndarray:
    return np.stack([each.result() for each in outputs])
