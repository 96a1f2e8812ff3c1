"""Which engine runs a network: the one that was asked for, or the fastest that agrees with Keras.

An engine maps batches, each a tuple of arrays with one for each of the network's inputs, to the
network's one output, float32, in order.
"""

import importlib.util
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import keras
import numpy as np

from crackdet.devices import has_gpu
from crackdet.engines.keras_engine import KerasEngine
from crackdet.engines.onnx_engine import OnnxEngine
from crackdet.engines.openvino_engine import OpenVinoEngine
from crackdet.errors import CrackdetError, CrackdetWarning

Batch = tuple[np.ndarray, ...]

ENGINES = ("auto", "keras", "openvino", "onnxruntime")

_FAST: dict[str, Callable[[keras.Model], "Engine"]] = {
    "openvino": OpenVinoEngine,
    "onnxruntime": OnnxEngine,
}

# What Keras' export to ONNX needs on each backend.
ONNX_EXPORTERS = {"tensorflow": "tf2onnx", "jax": "jax2onnx", "torch": "onnx"}

# Largest difference from Keras that "auto" accepts, relative to the largest feature: half of
# what rounding to float16 does.
TOLERANCE = 1e-3

# The same for features that are computed in float16, which moves those of MobileNetV2 by 2 %.
HALF_TOLERANCE = 0.05

# Inputs that an engine is compared with Keras on.
COMPARED = 8


class Engine(Protocol):
    """Runs a network."""

    def run(self, batches: Iterable[Batch]) -> Iterator[np.ndarray]: ...


def make_engine(
    name: str,
    model: keras.Model,
    sample: Batch,
    sizes: Sequence[int] | None = None,
    *,
    half_precision: bool = False,
) -> Engine:
    """Returns the engine that runs `model`.

    Args:
        name: "keras"; "openvino"; "onnxruntime"; or "auto": OpenVINO or else ONNX Runtime when it
            is installed, converts the model and agrees with Keras on `sample`, else Keras; with a
            GPU, which only Keras uses, Keras.
        model: A network with one output, used at inference.
        sample: A batch of inputs, of which the first eight are compared on.
        sizes: Lengths of the parts that the output consists of, each of which must agree.
            Defaults to one part.
        half_precision: Whether to compute in float16, which Keras alone does here.

    Raises:
        CrackdetError: If the engine that was asked for cannot run the model, or disagrees, or the
            model does not bear float16.
    """
    if half_precision:
        return _half(name, model, sample, sizes)
    tried = [name]
    if name == "auto":
        tried = [] if has_gpu() else [each for each in _FAST if _is_usable(each)]
    for each in tried:
        if each == "keras":
            break
        try:
            engine = _FAST[each](model)
            difference = _difference(engine, model, sample, sizes)
            problem = f"its features differ from Keras' by {difference:.1e} of the largest"
            if difference <= TOLERANCE:
                return engine
        except Exception as error:  # conversion fails in many ways; the remedy is the same
            problem = str(error)
        message = f"The engine '{each}' cannot run this model: {problem}."
        if name != "auto":
            raise CrackdetError(f"{message} Use the engine 'keras'.")
        warnings.warn(f"{message} Another one runs it, more slowly.", CrackdetWarning, stacklevel=2)
    return KerasEngine(model)


def _half(name: str, model: keras.Model, sample: Batch, sizes: Sequence[int] | None) -> Engine:
    if name not in ("auto", "keras"):
        raise CrackdetError(f"The engine '{name}' has no half precision: use 'keras' or leave it.")
    engine = KerasEngine(model, half_precision=True)
    difference = _difference(engine, model, sample, sizes)
    if not difference <= HALF_TOLERANCE:
        raise CrackdetError(
            f"This model does not bear half precision: its features move by {difference:.0%} of "
            "the largest. Leave half_precision (--half-precision) out."
        )
    return engine


def _is_usable(engine: str) -> bool:
    needed = [engine]
    if engine == "onnxruntime":
        needed.append(ONNX_EXPORTERS.get(keras.backend.backend(), "onnx"))
    return all(importlib.util.find_spec(name) is not None for name in needed)


def _difference(
    engine: Engine, model: keras.Model, sample: Batch, sizes: Sequence[int] | None
) -> float:
    """Returns the largest difference, relative to the largest feature of the same part."""
    few = tuple(each[:COMPARED] for each in sample)
    ours = next(iter(engine.run([few])))
    # Uncompiled: for once that is faster.
    theirs = keras.ops.convert_to_numpy(model(few[0] if len(few) == 1 else list(few)))
    ends = np.cumsum(sizes or [ours.shape[1]])[:-1]
    return max(
        float(np.max(np.abs(a - b)) / max(float(np.max(np.abs(b))), 1e-12))
        for a, b in zip(np.split(ours, ends, axis=1), np.split(theirs, ends, axis=1), strict=True)
    )
