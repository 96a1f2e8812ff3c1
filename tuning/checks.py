"""What the arguments of a search must be."""

from crackdet.data import CrackData, ImageSplit
from crackdet.runs.trials import OBJECTIVES, RECALL, STRESS_LOSS
from tuning.oracles import TUNERS


def check_objective(data: CrackData, tuner: str, objective: str, stress: ImageSplit | None) -> None:
    """Raises ValueError unless tuner and objective are known and can be told by the images."""
    if tuner not in TUNERS:
        raise ValueError(f"Expected tuner to be one of {TUNERS}. Received: {tuner!r}")
    if objective not in OBJECTIVES:
        raise ValueError(
            f"Expected objective to be one of {(*OBJECTIVES,)}. Received: {objective!r}"
        )
    if not data.validation.num_images:
        raise ValueError("Expected images to validate on; the split is empty.")
    if objective == STRESS_LOSS and stress is None:
        raise ValueError(
            f"{objective} needs images to measure: give stress, such as "
            "crackdet.stress.stress_split(data.validation)."
        )
    if objective == RECALL and len(data.class_names) != 2:
        raise ValueError(f"{objective} needs two classes. Received: {data.class_names}")


def check_least(**bounds: tuple[int | None, int]) -> None:
    """Checks `name=(value, lowest)`; None stands for all or none, which is allowed."""
    for name, (value, lowest) in bounds.items():
        if value is not None and value < lowest:
            raise ValueError(f"Expected {name} of {lowest} or more. Received: {value}")


def check_pruning(pruning: str | None, halving_factor: int | None, tuner: str) -> None:
    """Raises ValueError unless pruning and halving go with the tuner."""
    if pruning not in (None, "median"):
        raise ValueError(f'Expected pruning to be "median" or None. Received: {pruning!r}')
    given = {"pruning": pruning, "halving_factor": halving_factor}
    for name, value in given.items():
        if tuner == "hyperband" and value is not None:
            raise ValueError(
                f"Expected {name} of None, since hyperband halves by itself. Received: {value!r}"
            )


def check_halving(halving_factor: int | None, search_images: int | None) -> None:
    """Raises ValueError unless a halving has a first round."""
    if halving_factor is not None and search_images is None:
        raise ValueError(
            "Expected halving_factor of None, or search_images for the first of its rounds: all "
            f"trials train on all images already. Received: {halving_factor}"
        )
