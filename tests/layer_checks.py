"""One check of everything that a layer of crackdet must be able to do."""

from pathlib import Path
from typing import Any

import keras
import numpy as np


def check_layer(
    layer_class: type[keras.layers.Layer],
    init_kwargs: dict[str, Any],
    input_shape: tuple[int, ...],
    folder: Path,
    *,
    input_dtypes: tuple[str, ...] = ("float32",),
    random: bool = False,
) -> None:
    """Checks a layer's shapes, dtypes, mixed precision, config, saving, symbolic and tf.data use.

    Args:
        layer_class: The layer.
        init_kwargs: Its arguments; with a `seed` where it is random.
        input_shape: The shape of an input with its batch, such as `(4, 32, 32, 3)`.
        folder: An empty folder for saved models.
        input_dtypes: The dtypes that the layer takes.
        random: Whether the layer draws at random in training, and is the identity otherwise.
    """

    def make(**kwargs: Any) -> keras.layers.Layer:
        return layer_class(**init_kwargs, **kwargs)

    call = {"training": True} if random else {}
    for dtype in input_dtypes:
        inputs = _inputs(input_shape, dtype)
        _check_shapes_and_dtypes(make(), inputs, call)
        _check_config(make(), inputs, call)
        _check_tf_data(make, inputs, call)
        if random:
            _check_random(make, inputs)
    _check_mixed_precision(make, _inputs(input_shape, "float32"), call)
    _check_saving(make(), _inputs(input_shape, "float32"), call, folder)
    _check_fit(make(), _inputs(input_shape, "float32"))


def _inputs(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


def _numpy(tensor: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def _dtype(tensor: Any) -> str:
    return keras.backend.standardize_dtype(tensor.dtype)


def _check_shapes_and_dtypes(
    layer: keras.layers.Layer, inputs: np.ndarray, call: dict[str, Any]
) -> None:
    """The static shape, the symbolic call (batch unknown) and the real call agree."""
    dtype = str(inputs.dtype)
    symbolic = layer(keras.Input(inputs.shape[1:], dtype=dtype), **call)
    outputs = layer(inputs, **call)
    assert tuple(outputs.shape) == tuple(layer.compute_output_shape(inputs.shape))
    assert tuple(symbolic.shape) == (None, *outputs.shape[1:])
    assert _dtype(symbolic) == _dtype(outputs)
    assert np.isfinite(_numpy(outputs)).all()


def _check_config(layer: keras.layers.Layer, inputs: np.ndarray, call: dict[str, Any]) -> None:
    """A layer made again from its config has the same config and gives the same outputs."""
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    registered = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(registered) is type(layer)
    np.testing.assert_array_equal(_numpy(again(inputs, **call)), _numpy(layer(inputs, **call)))


def _check_tf_data(make: Any, inputs: np.ndarray, call: dict[str, Any]) -> None:
    """Inside tf.data, batches come out as from a direct call."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    layer = make()
    dataset = tf.data.Dataset.from_tensor_slices(inputs).batch(len(inputs))
    mapped = next(iter(dataset.map(lambda batch: layer(batch, **call))))
    direct = make()(inputs, **call)
    assert mapped.dtype == direct.dtype
    np.testing.assert_allclose(_numpy(mapped), _numpy(direct), rtol=1e-5, atol=1e-4)


def _check_random(make: Any, inputs: np.ndarray) -> None:
    """Equal seeds repeat to the bit, calls differ, and nothing changes when not training."""
    first, second = make(), make()
    for _ in range(2):
        one, other = _numpy(first(inputs, training=True)), _numpy(second(inputs, training=True))
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, _numpy(first(inputs, training=True)))
    np.testing.assert_array_equal(_numpy(first(inputs, training=False)), inputs)
    single = first(inputs[0], training=True)
    assert tuple(single.shape) == inputs.shape[1:]


def _check_mixed_precision(make: Any, inputs: np.ndarray, call: dict[str, Any]) -> None:
    """Under mixed_float16, variables stay float32 and outputs are close, in float16."""
    layer = make(dtype="mixed_float16")
    outputs = layer(inputs, **call)
    assert _dtype(outputs) == "float16"
    assert _dtype(layer(keras.Input(inputs.shape[1:]), **call)) == "float16"
    assert all(_dtype(weight) == "float32" for weight in layer.weights)
    expected = _numpy(make()(inputs, **call))
    np.testing.assert_allclose(_numpy(outputs).astype("float32"), expected, rtol=2e-3, atol=0.2)


def _check_saving(
    layer: keras.layers.Layer, inputs: np.ndarray, call: dict[str, Any], folder: Path
) -> None:
    """A `.keras` file, read in safe mode, holds the layer and its weights, and the seed."""
    images = keras.Input(inputs.shape[1:])
    model = keras.Model(images, layer(images))
    model.save(folder / "layer.keras")
    loaded = keras.models.load_model(folder / "layer.keras", safe_mode=True)
    np.testing.assert_array_equal(_numpy(loaded(inputs, **call)), _numpy(model(inputs, **call)))
    np.testing.assert_array_equal(
        loaded.predict(inputs, verbose=0), model.predict(inputs, verbose=0)
    )


def _check_fit(layer: keras.layers.Layer, inputs: np.ndarray) -> None:
    """The layer trains inside a model, compiled to a graph."""
    model = keras.Sequential([keras.Input(inputs.shape[1:]), layer, keras.layers.Flatten()])
    model.add(keras.layers.Dense(1, kernel_initializer="zeros"))
    model.compile("sgd", "mse")
    history = model.fit(inputs / 255, np.ones(len(inputs)), epochs=2, batch_size=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def check_painting_layer(
    layer_class: type[keras.layers.Layer],
    init_kwargs: dict[str, Any],
    input_shape: tuple[int, ...],
    folder: Path,
) -> None:
    """Checks what a `PaintingLayer` does with dictionaries: as `check_layer` does with images.

    Args:
        layer_class: The layer.
        init_kwargs: Its arguments but `seed`.
        input_shape: The shape of a batch of images, such as `(4, 32, 32, 3)`.
        folder: An empty folder for a saved model.
    """

    def make(**kwargs: Any) -> keras.layers.Layer:
        return layer_class(**init_kwargs, **kwargs, seed=0)

    # A wall, not noise: on that nothing that is painted could be seen.
    wall = np.random.default_rng(0).normal(150, 4, input_shape).astype("uint8")
    inputs = {"images": wall, "labels": np.zeros(len(wall), "int32")}
    layer = make()
    first = layer(inputs, training=True)
    assert {name: tuple(value.shape) for name, value in first.items()} == {
        name: tuple(shape)
        for name, shape in layer.compute_output_shape(
            {name: value.shape for name, value in inputs.items()}
        ).items()
    }
    assert (_dtype(first["images"]), _dtype(first["labels"])) == ("uint8", "int32")
    # Equal seeds repeat, calls differ, nothing changes when not training, one image is a batch too.
    config = type(layer).from_config(layer.get_config())
    assert config.get_config() == layer.get_config()
    again = config(inputs, training=True)
    for name in first:
        np.testing.assert_array_equal(_numpy(first[name]), _numpy(again[name]))
    other = layer(inputs, training=True)
    assert not np.array_equal(_numpy(first["images"]), _numpy(other["images"]))
    still = layer(inputs, training=False)
    assert sorted(still) == sorted(first)
    np.testing.assert_array_equal(_numpy(still["images"]), inputs["images"])
    single = layer({name: value[0] for name, value in inputs.items()}, training=True)
    assert {name: tuple(value.shape) for name, value in single.items()} == {
        name: tuple(value.shape[1:]) for name, value in first.items()
    }
    _check_painting_in_tf_data(make, inputs)
    half = make(dtype="mixed_float16")({**inputs, "images": inputs["images"].astype("float32")})
    assert _dtype(half["images"]) == "float16"
    np.testing.assert_allclose(_numpy(half["images"]), _numpy(first["images"]), atol=0.7)
    symbolic = {
        name: keras.Input(value.shape[1:], dtype=str(value.dtype), name=name)
        for name, value in inputs.items()
    }
    model = keras.Model(symbolic, make()(symbolic))
    model.save(folder / "painting.keras")
    loaded = keras.models.load_model(folder / "painting.keras", safe_mode=True)
    assert loaded.layers[-1].get_config() == model.layers[-1].get_config()
    np.testing.assert_array_equal(
        _numpy(loaded(inputs, training=False)["images"]), inputs["images"]
    )


def _check_painting_in_tf_data(make: Any, inputs: dict[str, np.ndarray]) -> None:
    """Inside tf.data, with batches of unknown size, an image is painted as by a direct call."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    layer = make()
    dataset = tf.data.Dataset.from_tensor_slices(inputs).batch(len(inputs["labels"]))
    mapped = next(iter(dataset.map(layer)))
    direct = make()(inputs)
    for name, value in direct.items():
        np.testing.assert_allclose(_numpy(mapped[name]), _numpy(value), rtol=1e-5, atol=1)
