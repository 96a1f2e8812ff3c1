"""MobileNetV2 counted in units from the top: what is trained, and where the model is cut.

The units are the head's lower neighbour `Conv_1` (depth 1), the inverted residuals `block_16` (2)
down to `block_1` (17), and the stem, `Conv1` with `expanded_conv` (18). Depth 0 is the head alone.
"""

import re
from collections.abc import Sequence
from numbers import Integral
from typing import NamedTuple

import keras

MAX_DEPTH = 18
PREPROCESSING_NAME = "preprocessing"
POOLING_NAME = "pooling"
DROPOUT_NAME = "dropout"
HEAD_NAME = "predictions"
# Of a head that decides from single places too: where it branches off, the highest map of stride
# 16; one logit for each position of it; what is made of them; and that beside the pooled features.
LOCAL_FEATURES_NAME = "block_13_expand_relu"
CRACK_MAP_NAME = "crack_map"
EVIDENCE_NAME = "evidence"
JOINED_NAME = "features"
# A standard deviation over places that is as good as none: what half precision rounds away.
_NO_SPREAD = 1e-2

# The one map of the names that keras.applications gives to MobileNetV2's layers.
_STAGES = (
    (re.compile(r"Conv_1(_bn)?|out_relu"), "Conv_1"),
    (re.compile(r"(block_\d+)_.+"), r"\1"),
    (re.compile(r"expanded_conv_.+"), "expanded_conv"),
    (re.compile(r"Conv1|bn_Conv1|Conv1_relu"), "Conv1"),
)


class Unit(NamedTuple):
    """Where a layer of MobileNetV2 belongs.

    Attributes:
        stage: The name that the layers of a stage share, such as "block_16".
        depth: The unfreeze depth from which it is trained.
    """

    stage: str
    depth: int


def unit_of(layer_name: str) -> Unit | None:
    """Returns the unit of a layer, or None outside the backbone.

    Args:
        layer_name: A layer's name, as `keras.applications.MobileNetV2` gives it.

    Example:

    >>> unit_of("block_16_expand"), unit_of("Conv1").depth, unit_of("predictions")
    (Unit(stage='block_16', depth=2), 18, None)
    """
    for pattern, name in _STAGES:
        if match := pattern.fullmatch(layer_name):
            stage = match.expand(name)
            block = stage.removeprefix("block_")
            depth = MAX_DEPTH - int(block) if block.isdecimal() else MAX_DEPTH
            return Unit(stage, 1 if stage == "Conv_1" else depth)
    return None


def set_unfreeze_depth(model: keras.Model, depth: int) -> keras.Model:
    """Trains the head and the `depth` highest units of the backbone; freezes the rest.

    Every BatchNormalization of the backbone stays `trainable=False`, at any depth: its statistics,
    gamma and beta never move. Keras hands a model's `training` flag on to all layers inside, so an
    unfrozen BatchNormalization would run on batch statistics during `fit`, whatever flag the
    backbone was first called with; on few images, validation then falls apart.

    Args:
        model: A model of `mobilenet_v2_classifier`, changed in place. Compile it (again) before
            `fit`, as after any change of `trainable`.
        depth: Integer 0 to 18. 0 trains the head only, 1 also `Conv_1`, 2 also `block_16`, ...,
            17 also `block_1`, 18 also the stem, which is everything.

    Returns:
        The same model.

    Raises:
        ValueError: If `depth` is no integer from 0 to 18, or the model has no MobileNetV2 layers.

    Example:

    >>> model = mobilenet_v2_classifier((96, 96), weights=None)
    >>> unfreeze_depth(set_unfreeze_depth(model, 3))
    3
    """
    check_depth(depth, "depth")
    depths = _backbone_depths(model)
    model.trainable = True
    for layer in model.layers:
        frozen = isinstance(layer, keras.layers.BatchNormalization)
        # Layers outside the backbone have no unit and are trained at any depth.
        layer.trainable = not frozen and depths.get(layer.name, 0) <= depth
    return model


def unfreeze_depth(model: keras.Model) -> int:
    """Reads back how deep a model is trained.

    Args:
        model: A model of `mobilenet_v2_classifier`, also after saving and loading.

    Returns:
        The depth, 0 to 18, of the lowest unit with a trainable weight; 0 if there is none.

    Raises:
        ValueError: If the model has no MobileNetV2 layers.

    Example:

    >>> unfreeze_depth(mobilenet_v2_classifier((96, 96), weights=None, unfreeze_depth=2))
    2
    """
    depths = _backbone_depths(model)
    return max(
        (
            depths[layer.name]
            for layer in model.layers
            if layer.name in depths and layer.trainable_weights
        ),
        default=0,
    )


def split_at(model: keras.Model, depth: int) -> tuple[keras.Model, keras.Model]:
    """Cuts a classifier below its `depth` highest units into two models that share its layers.

    The prefix holds the units that a search up to `depth` never trains, so its activations can be
    computed once: at inference, `suffix(prefix(x))` equals `model(x)`. Training the suffix trains
    the model itself. Dropout stands in the suffix; augmentation stands in neither.

    Args:
        model: A model of `mobilenet_v2_classifier`, or one whose head takes further tensors of the
            backbone beside the pooled features.
        depth: Integer 0 to 18, as in `set_unfreeze_depth`. At 0 the cut is after the pooling; at
            18 after the preprocessing, so that the prefix has no weights.

    Returns:
        `(prefix, suffix)`. The prefix maps images `(batch, height, width, 3)` in [0, 255] to
        features, `(batch, channels)` at depth 0 and `(batch, rows, columns, channels)` above;
        the suffix maps features to probabilities `(batch, num_classes)`. Where several tensors
        cross the cut, the prefix returns a list of them and the suffix takes it.

    Raises:
        ValueError: If `depth` is no integer from 0 to 18, or the model has no MobileNetV2 layers.

    Example:

    >>> model = mobilenet_v2_classifier((96, 96), weights=None)
    >>> prefix, suffix = split_at(model, 2)
    >>> prefix.output_shape, suffix.output_shape
    ((None, 3, 3, 160), (None, 2))
    """
    tensors = boundary(model, depth)
    cut = tensors[0] if len(tensors) == 1 else tensors
    prefix = keras.Model(preprocessing_input(model), cut, name="prefix")
    return prefix, suffix_at(model, depth)


def suffix_at(model: keras.Model, depth: int) -> keras.Model:
    """Returns the upper of the two models that `split_at` makes."""
    tensors = boundary(model, depth)
    return keras.Model(tensors[0] if len(tensors) == 1 else tensors, model.output, name="suffix")


def head_inputs_at(model: keras.Model, depth: int = 0) -> keras.Model:
    """Returns the network from a boundary's features to what the head takes, `(batch, channels)`.

    At depth 0 that is the pooled features themselves, unless more stands between pooling and head.
    """
    tensors = boundary(model, depth)
    return keras.Model(
        tensors[0] if len(tensors) == 1 else tensors,
        model.get_layer(HEAD_NAME).input,
        name="head_inputs",
    )


def with_head_inputs(model: keras.Model) -> keras.Model:
    """Returns a classifier that answers with its probabilities and with what its head takes.

    Both come of one pass, `(batch, classes)` and `(batch, channels)`; its layers and its name are
    the model's own.
    """
    outputs = [model.output, model.get_layer(HEAD_NAME).input]
    return keras.Model(model.input, outputs, name=model.name)


def with_surface(model: keras.Model, depth: int) -> keras.Model:
    """Returns a classifier that answers with its probabilities and with `surface_at` a depth."""
    surface = _over_places(boundary(model, depth))
    return keras.Model(model.input, [model.output, surface], name=model.name)


def surface_at(model: keras.Model, depth: int) -> keras.Model:
    """Returns the network from a boundary's features to their mean and spread over all places.

    They say what a surface is made of, and how much of one thing it is, whatever lies where on it,
    in features that training at this depth has not moved: the means of all channels, then the
    logarithms of their standard deviations, `(batch, 2 * channels)`, float32.
    """
    tensors = boundary(model, depth)
    return keras.Model(
        tensors[0] if len(tensors) == 1 else tensors, _over_places(tensors), name="surface"
    )


def _over_places(tensors: list[keras.KerasTensor]) -> keras.KerasTensor:
    maps = [keras.ops.cast(each, "float32") for each in tensors]
    means = [keras.ops.mean(each, axis=(1, 2)) for each in maps]
    spreads = [keras.ops.log(keras.ops.std(each, axis=(1, 2)) + _NO_SPREAD) for each in maps]
    return keras.ops.concatenate([*means, *spreads], axis=-1)


def boundary(model: keras.Model, depth: int) -> list[keras.KerasTensor]:
    """Returns the tensors, in the model's own graph, that the `depth` highest units start from.

    Raises:
        ValueError: As `split_at`.
    """
    below = layers_below(model, depth)
    names = {layer.name for layer in below}
    crossing = {
        id(tensor): tensor
        for layer in model.layers
        if layer.name not in names
        for tensor in _inputs(layer)
        if tensor._keras_history.operation.name in names
    }
    # In the order of the layers that they come from.
    return [layer.output for layer in below if id(layer.output) in crossing]


def layers_below(model: keras.Model, depth: int) -> list[keras.Layer]:
    """Returns the layers between the images and the boundary of a depth, preprocessing included.

    They are what no training at this depth changes: units above `depth`, and what follows on them
    without weights or chance, such as the pooling at depth 0.

    Raises:
        ValueError: As `split_at`.
    """
    check_depth(depth, "depth")
    depths = _backbone_depths(model)
    below: dict[str, keras.Layer] = {}
    for layer in model.layers:
        if layer.name == PREPROCESSING_NAME:
            below[layer.name] = layer
        elif layer.name in depths:
            if depths[layer.name] > depth:
                below[layer.name] = layer
        elif below and not layer.weights and not isinstance(layer, keras.layers.Dropout):
            inputs = _inputs(layer)
            if inputs and all(each._keras_history.operation.name in below for each in inputs):
                below[layer.name] = layer
    return list(below.values())


def preprocessing_input(model: keras.Model) -> keras.KerasTensor:
    """Returns the images that a model's preprocessing takes: its own, or augmented ones."""
    return model.get_layer(PREPROCESSING_NAME).input


def augmentation_of(model: keras.Model) -> keras.Model | None:
    """Returns what a model does to images before its preprocessing; None for nothing."""
    if all(layer.name != PREPROCESSING_NAME for layer in model.layers):
        return None
    entry = preprocessing_input(model)
    if entry is model.inputs[0]:
        return None
    return keras.Model(model.inputs[0], entry, name="augmentation")


def without_augmentation(model: keras.Model) -> keras.Model:
    """Returns a classifier without what it does to images before its preprocessing.

    The result shares all other layers, and has the model's own name and names of inputs. A model
    that does not augment is returned as it is.
    """
    if augmentation_of(model) is None:
        return model
    entry = model.inputs[0]
    images = keras.Input(batch_shape=entry.shape, dtype=entry.dtype, name=entry.name)
    cut = keras.Model(preprocessing_input(model), model.output, name=model.name)
    return keras.models.clone_model(cut, images, clone_function=lambda layer: layer)


def inference_graph(model: keras.Model) -> keras.Model:
    """Returns what a classifier computes at inference, as a model that shares its layers.

    Without augmentation and dropout, two classifiers of the same `alpha`, `num_classes` and
    `pooling` have the same layers, so that a file of weights of one fits the other.
    """
    x = model.get_layer(POOLING_NAME).output
    if has_crack_map(model):
        x = model.get_layer(JOINED_NAME)([x, model.get_layer(EVIDENCE_NAME).output])
    return keras.Model(preprocessing_input(model), model.get_layer(HEAD_NAME)(x), name="inference")


def has_crack_map(model: keras.Model) -> bool:
    """Whether a classifier decides from a map of local evidence beside its pooled features."""
    return any(layer.name == CRACK_MAP_NAME for layer in model.layers)


def crack_map_logits(model: keras.Model) -> keras.KerasTensor:
    """Returns the map of local evidence, in the model's own graph: one logit a position.

    Shape `(batch, rows, columns, 1)` at stride 16, float32; above 0 speaks for a crack.

    Raises:
        ValueError: If the model has no such map.
    """
    if not has_crack_map(model):
        raise ValueError(
            "Expected a classifier with a crack map, of `mobilenet_v2_classifier(..., "
            f"pooling='local')`. Received: model {model.name!r} without one"
        )
    return model.get_layer(CRACK_MAP_NAME).output


def backbone(model: keras.Model) -> keras.Model:
    """Returns the MobileNetV2 inside a classifier, as a model that shares its layers."""
    depths = _backbone_depths(model)
    layers = [layer for layer in model.layers if layer.name in depths]
    return keras.Model(layers[0].input, layers[-1].output, name="backbone")


def check_depth(depth: int, argument: str) -> None:
    """Raises ValueError unless `depth` is an integer from 0 to 18."""
    # A NumPy integer is one too; True is not meant as 1.
    whole = isinstance(depth, Integral) and not isinstance(depth, bool)
    if not whole or not 0 <= depth <= MAX_DEPTH:
        raise ValueError(
            f"`{argument}` must be an integer from 0 (head only) to {MAX_DEPTH} (everything). "
            f"Received: {argument}={depth!r}"
        )


def _backbone_depths(model: keras.Model) -> dict[str, int]:
    units = {layer.name: unit_of(layer.name) for layer in model.layers}
    depths = {name: unit.depth for name, unit in units.items() if unit is not None}
    if set(depths.values()) != set(range(1, MAX_DEPTH + 1)):
        raise ValueError(
            "Expected a model of `mobilenet_v2_classifier`, with the layers of MobileNetV2 at its "
            f"top level. Received: model {model.name!r} with {len(model.layers)} layers"
        )
    return depths


def _inputs(layer: keras.Layer) -> Sequence[keras.KerasTensor]:
    """Returns the tensors that a layer takes in the graph it was made in."""
    return layer._inbound_nodes[0].input_tensors
