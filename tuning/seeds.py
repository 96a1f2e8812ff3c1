"""Seeds of oracles and trials, each a pure function of the search's seed."""

import numpy as np

# Below this, a seed and the small numbers that layers add to it fit in the int32 that Keras keeps
# a layer's seed in on PyTorch.
SEED_LIMIT = 2**30


def oracle_seed(seed: int) -> int:
    """Returns the seed of KerasTuner's oracle.

    KerasTuner takes 0 for "draw one" and counts its seed up by one for each value, so that
    neighbouring seeds would draw the same values shifted; a hash answers both.

    Args:
        seed: The search's seed, 0 or more.

    Returns:
        An integer from 1 to 2**31 - 1.
    """
    return 1 + int(np.random.SeedSequence(seed).generate_state(1)[0]) % (2**31 - 1)


def trial_seed(seed: int, trial: str, execution: int = 0) -> int:
    """Returns the seed of one execution of a trial.

    Args:
        seed: The search's seed, 0 or more.
        trial: KerasTuner's trial id, a number such as "07".
        execution: Which repetition of the trial.

    Returns:
        An integer from 0 to 2**30 - 1.
    """
    drawn = np.random.SeedSequence([seed, int(trial), execution]).generate_state(1)[0]
    return int(drawn) % SEED_LIMIT
