"""Where a classifier of `pooling="local"` sees a crack."""

import keras

from crackdet.models.units import crack_map_logits, preprocessing_input


def crack_map_model(model: keras.Model) -> keras.Model:
    """Returns the model that maps images to where their cracks are.

    Each position answers for the pixels around it that the network sees from there: cells of 16x16
    pixels, with much of their neighbourhood. The map is what the classifier's decision is taken
    from, beside the pooled features. Trained on labels of whole images alone, it shows what speaks
    for a crack and is no calibrated probability; trained on masks, it estimates the share of
    positions like this one that hold a crack.

    Args:
        model: A model of `mobilenet_v2_classifier(..., pooling="local")`. The result shares its
            layers, and so what it learns later.

    Returns:
        A `keras.Model` that maps images `(batch, height, width, 3)` in [0, 255] to `(batch, rows,
        columns)`, float32 in [0, 1]: the sigmoid of each position's logit. `rows` is `height / 16`
        and `columns` is `width / 16`, rounded up: 14x14 for images of 224 px.

    Raises:
        ValueError: If the model has no such map.

    Example:

    >>> model = mobilenet_v2_classifier((96, 96), weights=None, pooling="local")
    >>> crack_map_model(model).output_shape
    (None, 6, 6)
    """
    logits = crack_map_logits(model)
    probabilities = keras.layers.Activation("sigmoid", dtype="float32", name="probabilities")(
        logits
    )
    shape = tuple(logits.shape[1:3])
    # The channel goes; the sides are those of the map.
    positions = keras.layers.Reshape(shape, dtype="float32", name="positions")(probabilities)
    return keras.Model(preprocessing_input(model), positions, name="crack_map_model")
