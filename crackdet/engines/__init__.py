"""Engines run a frozen network over many inputs: Keras, OpenVINO or ONNX Runtime."""

from crackdet.engines.choice import ENGINES, Engine, make_engine

__all__ = ["ENGINES", "Engine", "make_engine"]
