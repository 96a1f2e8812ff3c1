"""What every painting layer shares."""

from typing import Any

import keras

from crackdet.layers.painting.resampling import from_planes, to_planes


class PaintingLayer(keras.layers.Layer):
    """Base of layers that paint on the images of training, and may change labels with them.

    A subclass implements `paint_planes(inputs, keys)` on a batch, a function of its arguments
    alone; this class draws the keys, takes single images too, casts, turns images into planes and
    back, and hands everything on untouched when `training=False`. Unless told otherwise the layers
    paint, so that `dataset.map(layer)` does.

    Args:
        seed: Integer for random draws that repeat to the bit (0 is a seed like any other), or None.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape:
        A dictionary as Keras' `MixUp` takes: `"images"` `(batch, height, width, 3)` in [0, 255],
        integer or float; `"labels"` `(batch,)` or `(batch, 1)` integers, 0 sound and 1 cracked, or
        one-hot `(batch, 2)`; `"masks"` `(batch, height, width, 1)`, if any; all without `batch` for
        a single image. Images alone where a layer changes no labels. Height and width are known
        beforehand. Inside `tf.data`, the TensorFlow backend is needed.

    Output shape:
        That of the input. Integers keep their dtype; floats take the layer's compute dtype.
    """

    # Whether images alone are refused, since their labels would be wrong afterwards.
    needs_labels = False

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        # There are no weights. What is not built, Keras runs once uncompiled: minutes with JAX.
        self.built = True
        # TensorFlow's XLA compiles the thousands of small operations for long, and has aborted.
        self.supports_jit = keras.backend.backend() != "tensorflow"

    def paint(self, inputs: dict[str, Any], keys: Any) -> dict[str, Any]:
        """Paints a batch; the same inputs and keys give the same outputs.

        Args:
            inputs: A batch as `call` takes it, the images float32.
            keys: int32 `(batch, 2)`: one an image, from which all of its random numbers come.

        Returns:
            A dictionary like `inputs`, the images float32 in [0, 255].
        """
        painted = self.paint_planes({**inputs, "images": to_planes(inputs["images"])}, keys)
        return {**painted, "images": from_planes(painted["images"])}

    def paint_planes(self, inputs: dict[str, Any], keys: Any) -> dict[str, Any]:
        """Paints a batch as `paint` does, with images `(batch, 3, height, width)`.

        Arrays whose last axis holds three colours are slow to compute with; layers that follow each
        other hand on planes.
        """
        raise NotImplementedError

    def call(self, inputs: Any, training: bool | None = True) -> Any:
        if not training:
            return self._unpainted(inputs)
        batch = self._checked(inputs)
        if not isinstance(inputs, dict):
            return self._paint_batch(batch)["images"]
        return self._paint_batch(batch)

    def _paint_batch(self, inputs: dict[str, Any]) -> dict[str, Any]:
        if len(inputs["images"].shape) == 3:
            single = {name: keras.ops.expand_dims(value, 0) for name, value in inputs.items()}
            painted = self._paint_batch(single)
            return {name: keras.ops.squeeze(value, 0) for name, value in painted.items()}
        images = inputs["images"]
        # float32 whatever the policy: float16 holds 0..255 but not the steps in between.
        painted = self.paint(
            {**inputs, "images": keras.ops.cast(images, "float32")}, self._keys(images)
        )
        dtype = keras.backend.standardize_dtype(images.dtype)
        result = painted["images"]
        result = keras.ops.round(result) if "int" in dtype else result
        return {**painted, "images": keras.ops.cast(result, dtype)}

    def _unpainted(self, inputs: Any) -> Any:
        """The inputs as they are, with the masks that go with them where the layer makes masks."""
        if not isinstance(inputs, dict) or not getattr(self, "masks", False) or "masks" in inputs:
            return inputs
        batch = self._checked(inputs)
        shape = keras.ops.shape(batch["images"])[:-1]
        known = sound(batch["labels"]) if len(shape) == 3 else sound(batch["labels"][None])[0]
        rows = keras.ops.reshape(known, (-1, 1, 1, 1) if len(shape) == 3 else (1, 1, 1))
        return {**batch, "masks": keras.ops.broadcast_to(rows - 1.0, (*shape, 1))}

    def _keys(self, images: Any) -> Any:
        shape = (keras.ops.shape(images)[0], 2)
        return keras.random.randint(shape, 0, 2**31 - 1, "int32", seed=self.seed_generator)

    def _checked(self, inputs: Any) -> dict[str, Any]:
        """The inputs as a dictionary of tensors; a `ValueError` says what is wrong with them."""
        name = type(self).__name__
        batch = dict(inputs) if isinstance(inputs, dict) else {"images": inputs}
        if "images" not in batch or (self.needs_labels and "labels" not in batch):
            raise ValueError(
                f"{name} takes a dictionary with 'images' and 'labels', since it changes both. "
                f"Received: {sorted(batch)}"
            )
        batch = {
            key: value if keras.ops.is_tensor(value) else keras.ops.convert_to_tensor(value)
            for key, value in batch.items()
        }
        shape = tuple(batch["images"].shape)
        if len(shape) not in (3, 4) or shape[-1] != 3 or None in shape[-3:]:
            raise ValueError(
                f"{name} takes images (height, width, 3) or batches of them, of known height and "
                f"width. Received: shape {shape}"
            )
        return batch

    def compute_output_spec(self, inputs: Any, training: bool | None = True) -> Any:
        batch = inputs if isinstance(inputs, dict) else {"images": inputs}
        specs = {key: keras.KerasTensor(value.shape, value.dtype) for key, value in batch.items()}
        if getattr(self, "masks", False) and "masks" not in specs:
            specs["masks"] = keras.KerasTensor((*specs["images"].shape[:-1], 1), self.compute_dtype)
        return specs if isinstance(inputs, dict) else specs["images"]

    def compute_output_shape(self, input_shape: Any) -> Any:
        if not isinstance(input_shape, dict):
            return input_shape
        shapes = dict(input_shape)
        if getattr(self, "masks", False):
            shapes["masks"] = (*input_shape["images"][:-1], 1)
        return shapes

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


def sound(labels: Any) -> Any:
    """1 where an image is labelled sound, else 0; float32 `(batch,)`."""
    if len(labels.shape) == 2 and labels.shape[1] == 2:
        return keras.ops.cast(keras.ops.cast(labels[:, 0], "float32") > 0.5, "float32")
    return keras.ops.cast(keras.ops.reshape(labels, (-1,)) == 0, "float32")
