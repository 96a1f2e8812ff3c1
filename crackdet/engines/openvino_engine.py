"""A network run by OpenVINO on a processor."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from crackdet.engines.openvino_graph import openvino_model


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

    def run(self, batches: Iterable[tuple[np.ndarray, ...]]) -> Iterator[np.ndarray]:
        """Yields the output for each batch, while the next ones are being computed."""
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
            sizes.append(len(batch[0]))
            for inputs in zip(*batch, strict=True):
                if not free:
                    finish_oldest()
                request = free.popleft()
                request.start_async([np.asarray(each[None], np.float32) for each in inputs])
                running.append(request)
            while sizes and len(finished) >= sizes[0]:
                yield _take(finished, sizes.popleft())
        while running:
            finish_oldest()
        while sizes:
            yield _take(finished, sizes.popleft())


def _take(finished: list[np.ndarray], count: int) -> np.ndarray:
    batch = np.stack(finished[:count])
    del finished[:count]
    return batch
