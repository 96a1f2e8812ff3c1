"""How many trials run at once: what each takes of the machine's memory and its cores."""

from collections.abc import Sequence

from crackdet.devices import available_cores, available_memory, gpu_count, has_gpu

# Of a process that has imported a backend and built the network, with its libraries' workspace.
BASE_BYTES = 900 * 2**20

# Copies of a trained unit's activations that a step holds: values, gradients, and what convolutions
# and normalizations keep beside them.
COPIES = 4

# MobileNetV2's inverted residuals from the top, as (channels, repeats, stride of the first) of each
# row of its paper's table 2; each expands sixfold but the last of this list.
_ROWS = ((320, 1, 1), (160, 3, 2), (96, 3, 1), (64, 4, 2), (32, 3, 2), (24, 2, 2), (16, 1, 1))


def default_workers(
    image_size: Sequence[int] = (224, 224),
    *,
    batch_size: int = 32,
    alpha: float = 1.0,
    unfreeze_depth: int = 6,
    cached: bool = True,
) -> int:
    """Returns how many trials run at once: one a core as far as memory goes, or one a GPU.

    Args:
        image_size: Height and width of the images.
        batch_size: Images of a step.
        alpha: Width of MobileNetV2.
        unfreeze_depth: The deepest that a trial trains.
        cached: Whether trials train on kept features, and so run the trained units alone.
    """
    if has_gpu():
        return max(1, gpu_count())
    cores, memory = available_cores(), available_memory()
    if memory is None:
        return cores
    each = trial_bytes(
        image_size, batch_size=batch_size, alpha=alpha, unfreeze_depth=unfreeze_depth, cached=cached
    )
    return max(1, min(cores, memory // each))


def trial_bytes(
    image_size: Sequence[int],
    *,
    batch_size: int,
    alpha: float,
    unfreeze_depth: int,
    cached: bool,
) -> int:
    """Returns about how many bytes a trial's process takes; arguments as in `default_workers`."""
    trained = activations(image_size, alpha, unfreeze_depth)
    passed = 0 if cached else activations(image_size, alpha, 18)
    return int(BASE_BYTES + 4 * batch_size * (COPIES * trained + passed))


def activations(image_size: Sequence[int], alpha: float, depth: int) -> float:
    """Returns about how many numbers the layers of the `depth` highest units put out, an image."""
    height, width = image_size
    blocks: list[tuple[int, int, int]] = []  # from the stem: channels in, out, stride
    channels = 32
    for out, repeats, first in reversed(_ROWS):
        for place in range(repeats):
            blocks.append((channels, out, first if place == 0 else 1))
            channels = out
    area = height * width / 4  # the stem has stride 2
    units = []
    for place, (inside, out, stride) in enumerate(blocks):
        wide = inside if place == 0 else 6 * inside
        before, area = area, area / stride**2
        # Convolution, normalization and activation of the expansion and of the depthwise part,
        # convolution and normalization of the projection.
        units.append(alpha * (3 * wide * before + 3 * wide * area + 2 * out * area))
    stem = alpha * 3 * 32 * height * width / 4
    top = 3 * 1280 * max(1.0, alpha) * area
    return sum([top, *reversed(units[1:]), stem + units[0]][:depth])
