"""The head: how features are pooled, and what is decided from."""

import keras
import numpy as np

from crackdet.layers import GeneralizedMeanPooling2D, TopKPooling2D
from crackdet.models.units import (
    CRACK_MAP_NAME,
    DROPOUT_NAME,
    EVIDENCE_NAME,
    HEAD_NAME,
    JOINED_NAME,
    POOLING_NAME,
    PREPROCESSING_NAME,
    unit_of,
)

POOLINGS = ("average", "gem", "local")
_KINDS = {"average": keras.layers.GlobalAveragePooling2D, "gem": GeneralizedMeanPooling2D}
_PLAIN = (POOLING_NAME, DROPOUT_NAME, HEAD_NAME)
_LOCAL = (CRACK_MAP_NAME, EVIDENCE_NAME, JOINED_NAME)


def add_head(
    features: keras.KerasTensor,
    local: keras.KerasTensor,
    num_classes: int,
    *,
    pooling: str,
    dropout: float,
    seed: int | None,
) -> keras.KerasTensor:
    """Puts a new head on a backbone.

    Args:
        features: The backbone's output, `(batch, rows, columns, channels)`.
        local: A map of finer stride, which `pooling="local"` looks at beside it.
        num_classes: Number of classes.
        pooling: One of `POOLINGS`.
        dropout: Share of the pooled features dropped in training.
        seed: Seed of the initial weights and of dropout.

    Returns:
        Probabilities, `(batch, num_classes)`, float32.
    """
    kind = _KINDS["gem" if pooling == "gem" else "average"]
    x = kind(name=POOLING_NAME)(features)
    x = keras.layers.Dropout(dropout, seed=seed, name=DROPOUT_NAME)(x)
    if pooling == "local":
        x = _beside_local_evidence(x, local, seed)
    predictions = keras.layers.Dense(
        num_classes,
        activation="softmax",
        kernel_initializer=keras.initializers.GlorotUniform(seed),
        dtype="float32",
        name=HEAD_NAME,
    )
    outputs = predictions(x)
    if pooling == "local":
        _trust_evidence(predictions)
    return outputs


def pooling_of(model: keras.Model) -> str | None:
    """Returns the `pooling` that a classifier was built with; None where its head is another.

    Example:

    >>> pooling_of(mobilenet_v2_classifier((96, 96), weights=None, pooling="gem"))
    'gem'
    """
    kinds = {layer.name: type(layer) for layer in model.layers if unit_of(layer.name) is None}
    names = list(kinds)
    # What stands before and at the preprocessing is no part of the head.
    head = set(names[names.index(PREPROCESSING_NAME) + 1 :] if PREPROCESSING_NAME in kinds else ())
    if head == {*_PLAIN, *_LOCAL} and kinds[POOLING_NAME] is _KINDS["average"]:
        return "local"
    for pooling, kind in _KINDS.items():
        if head == {*_PLAIN} and kinds[POOLING_NAME] is kind:
            return pooling
    return None


def copy_head(model: keras.Model, source: keras.Model) -> None:
    """Gives a classifier the weights of another's head, which is of the same pooling."""
    for layer in source.layers:
        if layer.name in (*_PLAIN, *_LOCAL) and layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())


def check_pooling(pooling: str | None) -> None:
    """Raises ValueError unless `pooling` is one of `POOLINGS`, or None."""
    if pooling is not None and pooling not in POOLINGS:
        raise ValueError(
            f"`pooling` must be {', '.join(map(repr, POOLINGS))} or None. "
            f"Received: pooling={pooling!r}"
        )


def _beside_local_evidence(
    pooled: keras.KerasTensor, local: keras.KerasTensor, seed: int | None
) -> keras.KerasTensor:
    """Joins pooled features and the logit of the positions that look most like a crack.

    All of it in float32, as are the head's logits. The map starts near 0 everywhere: with larger
    weights, the largest few of many random logits would call every image cracked.
    """
    crack_map = keras.layers.Conv2D(
        1,
        1,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01, seed=seed),
        dtype="float32",
        name=CRACK_MAP_NAME,
    )(local)
    evidence = TopKPooling2D(dtype="float32", name=EVIDENCE_NAME)(crack_map)
    return keras.layers.Concatenate(dtype="float32", name=JOINED_NAME)([pooled, evidence])


def _trust_evidence(predictions: keras.layers.Dense) -> None:
    """Lets the evidence, the last of the head's inputs, count as what it is called from the start.

    Its weights are -1/2 for class 0 and 1/2 for all others, so that it is added as it is to the
    log-odds of a crack. A random weight would be small, and negative for every second seed: the
    map would then learn, slowly, where no crack is.
    """
    kernel, bias = predictions.get_weights()
    kernel[-1] = np.where(np.arange(kernel.shape[1]) == 0, -0.5, 0.5)
    predictions.set_weights([kernel, bias])
