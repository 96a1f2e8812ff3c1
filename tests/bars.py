"""A painting for tests: a dark bar across half of the sound images."""

from typing import Any

import keras


def bars(strength: float) -> "Bars":
    """Returns the painting of a strength, as `crackdet.layers.painting` does."""
    return Bars(width=round(4 * strength))


class Bars(keras.layers.Layer):
    """Paints a bar on sound images whose key says so, at a place that the key says.

    Args:
        width: Pixels of the bar.
        masks: Whether it says where the bars are.
    """

    def __init__(self, width: int = 3, masks: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width
        self.masks = masks

    def paint(self, inputs: dict[str, Any], keys: Any) -> dict[str, Any]:
        ops = keras.ops
        images, labels = inputs["images"], inputs["labels"]
        keys = ops.cast(keys, "int32")
        height = images.shape[1]
        start = ops.abs(keys[:, 1]) % (height - self.width)
        painted = ops.logical_and(keys[:, 0] % 2 == 0, labels == 0)
        row = ops.arange(height, dtype="int32")[None]
        inside = ops.logical_and(row >= start[:, None], row < start[:, None] + self.width)
        share = ops.cast(ops.logical_and(inside, painted[:, None]), "float32")[:, :, None, None]
        share = share * ops.ones_like(ops.cast(images[..., :1], "float32"))
        found = {
            "images": ops.cast(images, "float32") * (1.0 - 0.8 * share),
            "labels": ops.where(painted, ops.ones_like(labels), labels),
        }
        if self.masks:
            real = ops.cast(labels == 1, "float32")[:, None, None, None]
            found["masks"] = share - real
        return found

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width, "masks": self.masks}
