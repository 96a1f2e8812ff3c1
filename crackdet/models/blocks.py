"""MobileNetV2 counted in units from the top: what is trained, and where the model is cut.

The units are the head's lower neighbour `Conv_1` (depth 1), the inverted residuals `block_16` (2)
down to `block_1` (17), and the stem, `Conv1` with `expanded_conv` (18). Depth 0 is the head alone.
"""

import re
from numbers import Integral

import keras

MAX_DEPTH = 18
PREPROCESSING_NAME = "preprocessing"
POOLING_NAME = "pooling"
DROPOUT_NAME = "dropout"
HEAD_NAME = "predictions"

# The names that keras.applications gives to the layers of each unit.
_TOP_UNIT = re.compile(r"Conv_1(_bn)?|out_relu")
_BLOCK_UNIT = re.compile(r"block_(\d+)_.+")
_STEM_UNIT = re.compile(r"Conv1|bn_Conv1|Conv1_relu|expanded_conv_.+")


def unit_depth(layer_name: str) -> int | None:
    """Returns the depth from which a layer is trained, or None outside the backbone.

    Args:
        layer_name: A layer's name, as `keras.applications.MobileNetV2` gives it.

    Returns:
        1 for `Conv_1`, 2 for `block_16`, ..., 17 for `block_1`, 18 for the stem.

    Example:

    >>> unit_depth("block_16_expand"), unit_depth("Conv1"), unit_depth("predictions")
    (2, 18, None)
    """
    if _TOP_UNIT.fullmatch(layer_name):
        return 1
    if block := _BLOCK_UNIT.fullmatch(layer_name):
        return MAX_DEPTH - int(block[1])
    return MAX_DEPTH if _STEM_UNIT.fullmatch(layer_name) else None


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
        model: A model of `mobilenet_v2_classifier`.
        depth: Integer 0 to 18, as in `set_unfreeze_depth`. At 0 the cut is after the pooling; at
            18 after the preprocessing, so that the prefix has no weights.

    Returns:
        `(prefix, suffix)`. The prefix maps images `(batch, height, width, 3)` in [0, 255] to
        features, `(batch, channels)` at depth 0 and `(batch, rows, columns, channels)` above;
        the suffix maps features to probabilities `(batch, num_classes)`.

    Raises:
        ValueError: If `depth` is no integer from 0 to 18, or the model has no MobileNetV2 layers.

    Example:

    >>> model = mobilenet_v2_classifier((96, 96), weights=None)
    >>> prefix, suffix = split_at(model, 2)
    >>> prefix.output_shape, suffix.output_shape
    ((None, 3, 3, 160), (None, 2))
    """
    check_depth(depth, "depth")
    boundary = _boundary(model, depth)
    prefix = keras.Model(model.get_layer(PREPROCESSING_NAME).input, boundary, name="prefix")
    suffix = keras.Model(boundary, model.output, name="suffix")
    return prefix, suffix


def inference_graph(model: keras.Model) -> keras.Model:
    """Returns what a classifier computes at inference, as a model that shares its layers.

    Without augmentation and dropout, two classifiers of the same `alpha` and `num_classes` have the
    same layers, so that a file of weights of one fits the other.
    """
    images = model.get_layer(PREPROCESSING_NAME).input
    predictions = model.get_layer(HEAD_NAME)(model.get_layer(POOLING_NAME).output)
    return keras.Model(images, predictions, name="inference")


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
    depths = {}
    for layer in model.layers:
        depth = unit_depth(layer.name)
        if depth is not None:
            depths[layer.name] = depth
    if set(depths.values()) != set(range(1, MAX_DEPTH + 1)):
        raise ValueError(
            "Expected a model of `mobilenet_v2_classifier`, with the layers of MobileNetV2 at its "
            f"top level. Received: model {model.name!r} with {len(model.layers)} layers"
        )
    return depths


def _boundary(model: keras.Model, depth: int) -> keras.KerasTensor:
    """The tensor that the highest `depth` units and the head start from."""
    depths = _backbone_depths(model)
    if depth == 0:
        return model.get_layer(POOLING_NAME).output
    if depth == MAX_DEPTH:
        return model.get_layer(PREPROCESSING_NAME).output
    below = [layer for layer in model.layers if depths.get(layer.name, 0) == depth + 1]
    return below[-1].output
