"""The architecture of a model as a table, for the report."""

from typing import Any

import keras

from crackdet.models.units import unit_of


def architecture(model: keras.Model) -> dict[str, Any]:
    """Returns the layers of a model and the stages they form.

    Args:
        model: A built functional or sequential model.

    Returns:
        A dictionary with `name`, `params`, `trainable_params`, `layers` (each with `name`, `type`,
        `output_shape`, `params`, `trainable`) and `stages` (each with `name`, `type`, `layers`,
        `output_shape`, `params`, `trainable_params`). Neighbouring layers of one MobileNetV2 unit
        form a stage; every other layer is its own. One that takes more than its predecessor, or
        something else, has `inputs`, the names of the stages that it takes. `trainable` tells
        whether any weight of the layer is trained. Shapes leave the batch out.

    Example:

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
    >>> architecture(model)["layers"][0]["output_shape"]
    [2]
    """
    layers = [_layer_row(layer) for layer in model.layers]
    stages: list[dict[str, Any]] = []
    inputs = _inputs_of_stages(model)
    for row in layers:
        name = _stage_of(row["name"])
        if not stages or stages[-1]["name"] != name:
            before = [stages[-1]["name"]] if stages else []
            branch = {"inputs": inputs[name]} if inputs[name] not in ([], before) else {}
            stages.append(
                {
                    "name": name,
                    "type": row["type"] if name == row["name"] else "stage",
                    "layers": 0,
                    "params": 0,
                    "trainable_params": 0,
                    **branch,
                }
            )
        stage = stages[-1]
        stage["layers"] += 1
        stage["params"] += row["params"]
        stage["trainable_params"] += row["trainable_params"]
        stage["output_shape"] = row["output_shape"]
    return {
        "name": model.name,
        "params": sum(row["params"] for row in layers),
        "trainable_params": sum(row["trainable_params"] for row in layers),
        "layers": layers,
        "stages": stages,
    }


def _inputs_of_stages(model: keras.Model) -> dict[str, list[str]]:
    """Returns the other stages that each one takes, in the order of the layers."""
    inputs: dict[str, list[str]] = {_stage_of(layer.name): [] for layer in model.layers}
    for layer in model.layers:
        stage = _stage_of(layer.name)
        for node in layer._inbound_nodes[:1]:  # the graph that it was made in
            for tensor in node.input_tensors:
                name = _stage_of(tensor._keras_history.operation.name)
                if name in inputs and name not in (stage, *inputs[stage]):
                    inputs[stage].append(name)
    return inputs


def _layer_row(layer: keras.Layer) -> dict[str, Any]:
    trained = sum(_size(weight) for weight in layer.trainable_weights)
    return {
        "name": layer.name,
        "type": type(layer).__name__,
        "output_shape": _output_shape(layer),
        "params": sum(_size(weight) for weight in layer.weights),
        "trainable_params": trained,
        "trainable": trained > 0,
    }


def _size(weight: Any) -> int:
    # Augmentation layers keep the state of their random generator as a weight; it is no parameter.
    if "seed_generator" in weight.path:
        return 0
    size = 1
    for dimension in weight.shape:
        size *= int(dimension)
    return size


def _output_shape(layer: keras.Layer) -> list[int | None] | None:
    try:
        output = layer.output
    except (AttributeError, ValueError):  # Never called, or called more than once.
        return None
    tensor = keras.tree.flatten(output)[0]
    return [None if size is None else int(size) for size in tensor.shape[1:]]


def _stage_of(layer: str) -> str:
    unit = unit_of(layer)
    return layer if unit is None else unit.stage
