"""A frozen Keras network as a model of OpenVINO, built operation by operation.

Takes a tenth of the time of Keras' export, which traces and converts a TensorFlow program, and
works on every backend, as it reads nothing but the layers' configuration and weights.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from crackdet.errors import CrackdetError

Node = Any  # of openvino.Model


def openvino_model(network: keras.Model) -> Any:
    """Builds what a network computes at inference for a single image.

    Args:
        network: A graph of the layers that stand in MobileNetV2 and before it, with one output.
            OpenVINO folds the batch normalization into the convolutions by itself.

    Returns:
        An `openvino.Model` from `(1, …)` for each of the network's inputs to `(1, …)`, float32.

    Raises:
        CrackdetError: If there is a layer of another kind.

    Example:

    >>> prefix, _ = crackdet.models.split_at(model, 2)
    >>> compiled = openvino.compile_model(openvino_model(prefix), "CPU")
    """
    import openvino
    from openvino import opset13 as ops

    exit_ = network.outputs[0]
    parameters = [ops.parameter([1, *each.shape[1:]], np.float32) for each in network.inputs]
    made: dict[int, Node] = {
        id(entry): _channels_first(ops, parameter)
        for entry, parameter in zip(network.inputs, parameters, strict=True)
    }
    pending = [exit_]
    while pending:  # depth first, without recursion: the network is deeper than Python's stack
        tensor = pending[-1]
        layer, place, _ = tensor._keras_history
        inputs = layer._inbound_nodes[place].input_tensors
        missing = [each for each in inputs if id(each) not in made]
        if id(tensor) in made:
            pending.pop()
        elif missing:
            pending.extend(missing)
        elif not inputs:
            raise CrackdetError(f"{network.name!r} needs {tensor.name!r}, which is no input of it")
        else:
            made[id(tensor)] = _convert(ops, layer, [made[id(each)] for each in inputs])
    result = _channels_last(ops, made[id(exit_)])
    return openvino.Model([ops.result(result)], parameters, network.name)


def _convert(ops: Any, layer: keras.Layer, inputs: list[Node]) -> Node:
    """Returns the node of one layer. Feature maps have their channels first in OpenVINO."""
    for kind, convert in CONVERTERS.items():
        if type(layer) is kind:
            return convert(ops, layer, *inputs)
    raise CrackdetError(f"no conversion of the layer {layer.name!r}, a {type(layer).__name__}")


def _rescaling(ops: Any, layer: Any, x: Node) -> Node:
    return ops.add(ops.multiply(x, np.float32(layer.scale)), np.float32(layer.offset))


def _conv2d(ops: Any, layer: Any, x: Node) -> Node:
    kernel = keras.ops.convert_to_numpy(layer.kernel).astype(np.float32)
    if layer.groups != 1:
        raise CrackdetError(f"no conversion of the grouped convolution {layer.name!r}")
    filters = kernel.transpose(3, 2, 0, 1)
    return _finished(ops, layer, ops.convolution(x, filters, **_geometry(layer)))


def _depthwise_conv2d(ops: Any, layer: Any, x: Node) -> Node:
    kernel = keras.ops.convert_to_numpy(layer.kernel).astype(np.float32)
    filters = kernel.transpose(2, 3, 0, 1)[:, :, None]  # channels, multiplier, 1, rows, columns
    return _finished(ops, layer, ops.group_convolution(x, filters, **_geometry(layer)))


def _geometry(layer: Any) -> dict[str, Any]:
    return {
        "strides": list(layer.strides),
        "pads_begin": [0, 0],
        "pads_end": [0, 0],
        "dilations": list(layer.dilation_rate),
        "auto_pad": {"same": "same_upper", "valid": "valid"}[layer.padding],
    }


def _finished(ops: Any, layer: Any, x: Node) -> Node:
    if layer.use_bias:
        bias = keras.ops.convert_to_numpy(layer.bias).astype(np.float32)
        x = ops.add(x, bias.reshape(1, -1, 1, 1))
    if layer.activation not in ACTIVATIONS:
        raise CrackdetError(f"no conversion of the activation of {layer.name!r}")
    return ACTIVATIONS[layer.activation](ops, x)


def _batch_normalization(ops: Any, layer: Any, x: Node) -> Node:
    mean, variance = (
        keras.ops.convert_to_numpy(each).astype(np.float64)
        for each in (layer.moving_mean, layer.moving_variance)
    )
    scale = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        scale = scale * keras.ops.convert_to_numpy(layer.gamma)
    shift = -mean * scale
    if layer.center:
        shift = shift + keras.ops.convert_to_numpy(layer.beta)
    scale, shift = (each.astype(np.float32).reshape(1, -1, 1, 1) for each in (scale, shift))
    return ops.add(ops.multiply(x, scale), shift)


def _relu(ops: Any, layer: Any, x: Node) -> Node:
    if layer.negative_slope or layer.threshold:
        raise CrackdetError(f"no conversion of the leaky {layer.name!r}")
    return ops.relu(x) if layer.max_value is None else ops.clamp(x, 0.0, float(layer.max_value))


def _zero_padding2d(ops: Any, layer: Any, x: Node) -> Node:
    (top, bottom), (left, right) = layer.padding
    begin, end = np.array([0, 0, top, left]), np.array([0, 0, bottom, right])
    return ops.pad(x, begin, end, "constant", np.float32(0))


def _add(ops: Any, layer: Any, x: Node, *others: Node) -> Node:
    for other in others:
        x = ops.add(x, other)
    return x


def _global_average_pooling2d(ops: Any, layer: Any, x: Node) -> Node:
    return ops.reduce_mean(x, np.array([2, 3]), layer.keepdims)


def _flatten(ops: Any, layer: Any, x: Node) -> Node:
    return ops.reshape(_channels_last(ops, x), np.array([1, -1]), special_zero=False)


def _concatenate(ops: Any, layer: Any, *inputs: Node) -> Node:
    return ops.concat(list(inputs), 1)  # of flat features, or of feature maps by channel


def _channels_first(ops: Any, x: Node) -> Node:
    return ops.transpose(x, np.array([0, 3, 1, 2])) if len(x.shape) == 4 else x


def _channels_last(ops: Any, x: Node) -> Node:
    return ops.transpose(x, np.array([0, 2, 3, 1])) if len(x.shape) == 4 else x


CONVERTERS: dict[type, Callable[..., Node]] = {
    keras.layers.Rescaling: _rescaling,
    keras.layers.Conv2D: _conv2d,
    keras.layers.DepthwiseConv2D: _depthwise_conv2d,
    keras.layers.BatchNormalization: _batch_normalization,
    keras.layers.ReLU: _relu,
    keras.layers.ZeroPadding2D: _zero_padding2d,
    keras.layers.Add: _add,
    keras.layers.GlobalAveragePooling2D: _global_average_pooling2d,
    keras.layers.Flatten: _flatten,
    keras.layers.Concatenate: _concatenate,
}

ACTIVATIONS: dict[Any, Callable[..., Node]] = {
    keras.activations.linear: lambda ops, x: x,
    keras.activations.relu: lambda ops, x: ops.relu(x),
}
