"""What only some images of a batch get is computed for these alone."""

from collections.abc import Callable
from typing import Any

import keras

# A batch is worked on in so many parts at most: enough that few images are computed twice, few
# enough that the steps for a part's small arrays cost little.
_PARTS = 4


def for_some(wanted: Any, work: Callable[..., Any], inputs: tuple[Any, ...], otherwise: Any) -> Any:
    """Computes something for those images that need it, a part of the batch at a time.

    In a loop over parts of one size, since not all backends compile shapes that depend on values;
    the last part is filled up with its last image.

    Args:
        wanted: bool `(batch,)`: which images need it.
        work: Function that is given the inputs of some images and returns for them, for each by
            itself, what is like `otherwise`.
        inputs: The arguments of `work`, nested tensors `(batch, ...)`.
        otherwise: Nested tensors `(batch, ...)`: the results of images that do not need it.

    Returns:
        Like `otherwise`.
    """
    size = -(-keras.ops.shape(wanted)[0] // _PARTS)
    count = keras.ops.sum(keras.ops.cast(wanted, "int32"))
    order = keras.ops.argsort(keras.ops.cast(keras.ops.logical_not(wanted), "int32"))

    def work_on_part(start: Any, results: Any) -> tuple[Any, Any]:
        places = keras.ops.minimum(start + keras.ops.arange(size, dtype="int32"), count - 1)
        rows = keras.ops.take(order, places, axis=0)
        part = work(*keras.tree.map_structure(lambda x: keras.ops.take(x, rows, axis=0), inputs))
        rows = keras.ops.expand_dims(rows, 1)
        results = keras.tree.map_structure(
            lambda result, some: keras.ops.scatter_update(result, rows, some), results, part
        )
        return start + size, results

    loop = (keras.ops.convert_to_tensor(0, "int32"), otherwise)
    return keras.ops.while_loop(lambda start, _: start < count, work_on_part, loop)[1]
