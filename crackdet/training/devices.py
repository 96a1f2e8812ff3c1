"""What Keras computes on."""

import keras


def has_gpu() -> bool:
    """Returns whether the backend sees a GPU, on any backend."""
    if keras.backend.backend() == "torch":  # whose devices `keras.distribution` does not list
        return keras.ops.zeros(()).device.type != "cpu"
    try:
        return bool(keras.distribution.list_devices("gpu"))
    except RuntimeError:  # JAX's answer where there is none
        return False
