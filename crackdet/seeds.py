"""Seeds that really repeat, 0 included."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

# Name of the variable in which a random layer keeps what it draws from.
SEED_STATE = "seed_generator_state"


def set_seed(seed: int) -> None:
    """Seeds Python, NumPy and the backend.

    Args:
        seed: An integer from 0 to 2**32 - 1.

    Raises:
        ValueError: If it is not.
    """
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise ValueError(f"Expected a seed from 0 to {2**32 - 1}. Received: {seed!r}")
    import keras

    keras.utils.set_random_seed(int(seed))


def reseed(layer: "keras.Layer", *seed: int) -> None:
    """Restarts every random layer inside `layer` (a model, say) from the given numbers.

    Dropout and augmentation layers keep a state of their own, drawn when they were made and moved
    on by each call; without this, what a model computes in training would depend on what was
    done with it before. On PyTorch, a Dropout layer made without a seed draws from the state that
    `set_seed` restarts, not from its own.

    Args:
        layer: A layer or model that has been built.
        seed: One or more integers; equal ones give equal states.
    """
    states = [v for v in layer.variables if v.name == SEED_STATE]
    drawn = np.random.SeedSequence(seed).generate_state(max(1, len(states)))
    for state, value in zip(states, drawn, strict=False):
        # The same 32 bits in each backend's dtype: PyTorch has int32, JAX uint32, TensorFlow int64.
        state.assign(np.array([value, 0], "uint32").astype(state.dtype))
