"""Seeds that really repeat, 0 included."""

import keras
import numpy as np


def set_seed(seed: int) -> None:
    """Seeds Python, NumPy and the backend.

    Args:
        seed: An integer from 0 to 2**32 - 1.

    Raises:
        ValueError: If it is not.
    """
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise ValueError(f"Expected a seed from 0 to {2**32 - 1}. Received: {seed!r}")
    keras.utils.set_random_seed(int(seed))


def reseed(layer: keras.Layer, *seed: int) -> None:
    """Restarts every random layer inside `layer` (a model, say) from the given numbers.

    Dropout and augmentation layers keep a state of their own, drawn when they were made and moved
    on by each call; without this, what a model computes in training would depend on what was
    done with it before.

    Args:
        layer: A layer or model that has been built.
        seed: One or more integers; equal ones give equal states.
    """
    states = [v for v in layer.variables if v.name == "seed_generator_state"]
    drawn = np.random.SeedSequence(seed).generate_state(max(1, len(states)))
    for state, value in zip(states, drawn, strict=False):
        state.assign(np.array([value, 0], "uint32"))
