"""What `--painting` means to the stages of a run: what is painted, and the images under stress."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crackdet.errors import UsageError
from crackdet.runs.folder import timed
from crackdet.runs.record import flag
from crackdet.runs.trials import PAINTING, STRESS_LOSS

if TYPE_CHECKING:
    import keras

    from crackdet.data import CrackData
    from crackdet.stress import StressSplit

# Views of each image in a search that paints: the image as it is and two painted ones. More cost
# a pass each.
SEARCH_VIEWS = 3
# Share of the cracked among --train-images where some of the sound ones get a painted crack: more
# than half of what is shown is cracked then, and the sound surfaces that cracks are painted on are
# many.
CRACKED_SHARE = 0.35
# Of pictures that a fold's few validation images are made into: one for each family and severity.
FOLD_IMAGES = 170


def settle(options: dict[str, Any], given: Mapping[str, Any], *, searches: bool) -> None:
    """Changes the defaults of options where images are painted, and refuses what cannot be.

    Args:
        options: The options, with defaults.
        given: What the command line named.
        searches: Whether there is a search.

    Raises:
        UsageError: If options do not go together.
    """
    strengths = options[PAINTING]
    if isinstance(strengths, list) and not searches:
        raise UsageError("--painting takes several strengths where a search chooses: give one")
    if not strengths:
        return
    for name in ("views", "search_views"):
        if given.get(name) == 1:
            raise UsageError(
                f"{flag(name)} 1 shows images as they are, and --painting paints all views but "
                "that one: give 2 or more"
            )
    if "objective" in options:
        options["objective"] = given.get("objective", STRESS_LOSS)
        options["search_views"] = given.get("search_views", SEARCH_VIEWS)


def painting_of(strength: float) -> "keras.Layer | None":
    """Returns what paints training images; None at strength 0."""
    from crackdet.layers import painting

    return painting(strength) if strength else None


def fewer_train_images(options: Mapping[str, Any], data: "CrackData") -> "CrackData":
    """Returns the data with the train images that `--train-images` asks for; all without it."""
    count = options.get("train_images")
    if count is None:
        return data
    cracked = CRACKED_SHARE if options[PAINTING] else None
    return data.with_train_images(count, cracked, seed=options["seed"])


def is_stressed(options: Mapping[str, Any]) -> bool:
    """Returns whether a run measures its trainings under stress."""
    return bool(options[PAINTING]) or options.get("objective") == STRESS_LOSS


def stress_stage(
    arguments: Namespace, options: Mapping[str, Any], folder: Path, data: "CrackData"
) -> "StressSplit | None":
    """Makes the stress validation of the validation images, if the run measures by it."""
    if not is_stressed(options):
        return None
    from crackdet.stress import stress_split

    count = options["stress_images"]
    print(f"Stress validation: {count:,} pictures made of validation's", flush=True)
    with timed(folder, "stress"):
        return stress_split(
            data.validation,
            images=count,
            seed=options["seed"],
            progress=bool(arguments.verbose),
        )


def fold_images(options: Mapping[str, Any]) -> int | None:
    """Returns how many pictures measure each fold's training under stress; None for none."""
    return min(options["stress_images"], FOLD_IMAGES) if is_stressed(options) else None
