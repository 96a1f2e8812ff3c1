"""Digests of layers: equal when they compute the same, whatever they are called."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from crackdet.features.store.store import text_digest

# Names are numbered anew in each process, and stand in the connections between layers too.
IDLE_KEYS = {"name", "seed", "trainable", "build_config", "batch_shape", "shared_object_id"} | {
    "inbound_nodes",
    "input_layers",
    "output_layers",
}


def config_digest(layers: Iterable[keras.Layer]) -> str:
    """Returns a digest of what layers are configured to do, without names, seeds and weights."""
    configs = [[type(layer).__name__, _meaning(layer.get_config())] for layer in layers]
    return text_digest(json.dumps(configs, sort_keys=True, default=str))


def network_digest(layers: Iterable[keras.Layer]) -> str:
    """Returns a digest of the configuration and weights of a network's layers, in their order."""
    layers = [layer for layer in layers if not isinstance(layer, keras.layers.InputLayer)]
    digest = hashlib.sha256(config_digest(layers).encode())
    for layer in layers:
        for weight in layer.get_weights():
            digest.update(str((weight.dtype, weight.shape)).encode())
            digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()[:24]


def _meaning(config: Any) -> Any:
    """Leaves out of a configuration what changes no output."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return config  # its name is its meaning
        return {key: _meaning(value) for key, value in config.items() if key not in IDLE_KEYS}
    if isinstance(config, list | tuple):
        return [_meaning(value) for value in config]
    return config
