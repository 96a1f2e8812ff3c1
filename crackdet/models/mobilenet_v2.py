"""The classifier: images in, probabilities out, preprocessing inside."""

from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path

import keras

from crackdet.layers import Augmentation
from crackdet.models.heads import add_head, check_pooling, pooling_of
from crackdet.models.units import (
    LOCAL_FEATURES_NAME,
    POOLING_NAME,
    PREPROCESSING_NAME,
    check_depth,
    set_unfreeze_depth,
    unfreeze_depth,
)
from crackdet.models.weights import check_weights, load_initial_weights, pooling_in

MIN_SIZE = 32
MIN_ALPHA, MAX_ALPHA = 0.35, 1.4


def mobilenet_v2_classifier(
    image_size: int | Sequence[int] = (224, 224),
    num_classes: int = 2,
    *,
    unfreeze_depth: int = 0,
    dropout: float = 0.3,
    alpha: float = 1.0,
    pooling: str | None = None,
    weights: str | Path | None = "imagenet",
    augmentation: keras.layers.Layer | None = None,
    seed: int | None = None,
) -> keras.Model:
    """Builds an image classifier on MobileNetV2 (Sandler et al., CVPR 2018).

    One flat functional graph: input `image`, the augmentation, `preprocessing` (to [-1, 1]), the
    layers of `keras.applications.MobileNetV2` under their own names, `pooling` (global average),
    `dropout`, and `predictions` (softmax in float32, whatever the dtype policy).

    With `pooling="local"`, `crack_map`, a 1x1 convolution of MobileNetV2's highest map of stride 16
    (`block_13_expand_relu`), gives each position one logit; `evidence`, the mean of the
    highest 4 % of them, is put beside the pooled features, after the dropout, in
    `features`. A hairline that crosses few positions is so not averaged away, and
    `crack_map_model` shows where it was seen. At first the evidence is added as it is to the
    log-odds of all classes but 0; its weights are then trained like the others.

    Args:
        image_size: `(height, width)` of the images in pixels, or one integer for squares; each at
            least 32.
        num_classes: Number of classes, at least 2. For cracks: 0 negative, 1 positive.
        unfreeze_depth: How many units of the backbone are trained, 0 (head only) to 18
            (everything); see `set_unfreeze_depth`.
        dropout: Share of the pooled features dropped in training, in [0, 1).
        alpha: Width multiplier of the backbone, 0.35 to 1.4.
        pooling: What is decided from: `"average"`, the mean over the last map; `"gem"`, its
            generalized mean with a learned exponent, see `GeneralizedMeanPooling2D`; `"local"`,
            the mean and the crack map. None for that of the weights where they have a head, else
            `"average"`. What "gem" and "local" train at depth 0 starts from whole maps: cached, an
            image of 224 px takes 125 kB ("gem") or 228 kB ("local", up to depth 4) in place of
            2.5 kB.
        weights: `"imagenet"` (backbone only; alpha one of 0.35, 0.5, 0.75, 1.0, 1.3, 1.4), a
            preset's name such as `"concrete"` (backbone and head), the path of a `.keras` or
            `.weights.h5` file of a classifier with the same `alpha`, `num_classes` and `pooling`,
            or None (random).
        augmentation: Layer applied to the images in training only, such as
            `crackdet.layers.augmentation()`; None for none. It must keep the images' shape.
        seed: Seed of the head's initial weights and of dropout. A random backbone (`weights=None`)
            follows `keras.utils.set_random_seed`.

    Returns:
        An uncompiled `keras.Model` that maps images `(batch, height, width, 3)`, uint8 or float in
        [0, 255], to float32 probabilities `(batch, num_classes)`.

    Raises:
        ValueError: If an argument is out of its range.
        CrackdetError: If the weights cannot be found, downloaded or read, or do not fit.

    Example:

    >>> model = mobilenet_v2_classifier((96, 96), weights=None, unfreeze_depth=2)
    >>> tuple(model(keras.random.uniform((4, 96, 96, 3), maxval=255.0)).shape)
    (4, 2)
    """
    height, width = _check_image_size(image_size)
    _check_arguments(num_classes, dropout, alpha, augmentation)
    check_depth(unfreeze_depth, "unfreeze_depth")
    check_pooling(pooling)
    check_weights(weights, alpha, num_classes, pooling)

    # Input and preprocessing.
    images = keras.Input((height, width, 3), name="image")
    x = images
    if augmentation is not None:
        # Wrapped, since Keras' random layers would augment at a plain `model(images)` too.
        x = Augmentation([augmentation], name="augmentation")(x)
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name=PREPROCESSING_NAME)(x)

    # Backbone: built on the tensor above, so that its layers stand in this model's own graph.
    backbone = keras.applications.MobileNetV2(
        input_tensor=x, include_top=False, weights=None, alpha=alpha
    )

    # Head.
    predictions = add_head(
        backbone.output,
        backbone.get_layer(LOCAL_FEATURES_NAME).output,
        num_classes,
        pooling=pooling or pooling_in(weights) or "average",
        dropout=dropout,
        seed=seed,
    )

    model = keras.Model(images, predictions, name="mobilenet_v2_classifier")
    load_initial_weights(model, weights, alpha)
    return set_unfreeze_depth(model, unfreeze_depth)


def replace_head(
    model: keras.Model,
    num_classes: int = 2,
    *,
    dropout: float = 0.3,
    pooling: str | None = None,
    seed: int | None = None,
) -> keras.Model:
    """Puts a new, untrained head on a classifier's backbone.

    Args:
        model: A classifier of `mobilenet_v2_classifier`. The result shares its backbone, frozen
            and unfrozen units alike; the model itself keeps its own head.
        num_classes: Number of classes, at least 2.
        dropout: Share of the pooled features dropped in training, in [0, 1).
        pooling: As in `mobilenet_v2_classifier`. None for the model's own.
        seed: Seed of the head's initial weights and of dropout.

    Returns:
        An uncompiled classifier, the same as a new one with these weights of the backbone.

    Raises:
        ValueError: If an argument is out of its range, or `model` is no such classifier.

    Example:

    >>> model = mobilenet_v2_classifier((96, 96), weights=None)
    >>> replace_head(model, num_classes=3).output_shape
    (None, 3)
    """
    _check_arguments(num_classes, dropout, MIN_ALPHA, None)
    check_pooling(pooling)
    depth = unfreeze_depth(model)
    predictions = add_head(
        model.get_layer(POOLING_NAME).input,
        model.get_layer(LOCAL_FEATURES_NAME).output,
        num_classes,
        pooling=pooling or pooling_of(model) or "average",
        dropout=dropout,
        seed=seed,
    )
    return set_unfreeze_depth(keras.Model(model.input, predictions, name=model.name), depth)


def _check_image_size(image_size: int | Sequence[int]) -> tuple[int, int]:
    sizes = image_size if isinstance(image_size, Sequence) else (image_size, image_size)
    if len(sizes) != 2 or not all(isinstance(s, Integral) and s >= MIN_SIZE for s in sizes):
        raise ValueError(
            f"`image_size` must be (height, width) in pixels, each an integer of at least "
            f"{MIN_SIZE}. Received: image_size={image_size!r}"
        )
    height, width = (int(size) for size in sizes)
    return height, width


def _check_arguments(
    num_classes: int, dropout: float, alpha: float, augmentation: keras.layers.Layer | None
) -> None:
    if not isinstance(num_classes, Integral) or num_classes < 2:
        raise ValueError(
            "`num_classes` must be an integer of at least 2 (two classes take two outputs). "
            f"Received: num_classes={num_classes!r}"
        )
    if not isinstance(dropout, Real) or not 0 <= dropout < 1:
        raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout!r}")
    if not isinstance(alpha, Real) or not MIN_ALPHA <= alpha <= MAX_ALPHA:
        raise ValueError(
            f"`alpha` must be from {MIN_ALPHA} to {MAX_ALPHA}. Received: alpha={alpha!r}"
        )
    if augmentation is not None and not isinstance(augmentation, keras.layers.Layer):
        raise ValueError(
            "`augmentation` must be a Keras layer, such as `crackdet.layers.augmentation()`, or "
            f"None. Received: augmentation={augmentation!r}"
        )
    if keras.config.image_data_format() != "channels_last":
        raise ValueError(
            "crackdet's models take channels-last images; call "
            "keras.config.set_image_data_format('channels_last') first. "
            f"Received: {keras.config.image_data_format()}"
        )
