"""Which images judge a model: those that it has not met, unless it is told otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackdet.data import CrackData, ImageSplit
from crackdet.errors import CrackdetError
from crackdet.models.known_images import SEEN, START, TEST, TRAIN, VALIDATION, KnownImages

SPLITS = (TRAIN, VALIDATION, TEST)
ALL = "all"
_NAMED = 3

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Choice:
    """The images that judge a model, and how they were chosen.

    Attributes:
        images: The images.
        split: "all", "train", "validation" or "test".
        reason: Which images these are and why, and what was left out, in sentences.
        counts: Numbers of images: `given` by the data and `judged`; `trained_on`, `tuned_on` and
            `tested_on` by the model's run among those given, and `unknown` to it (None where the
            model does not say what it knows); `left_out` because it was trained or tuned on them;
            `near_seen`, judged though they share a group with one that it was trained or tuned on.
    """

    images: ImageSplit
    split: str
    reason: str
    counts: dict[str, int | None]


def choose_images(
    data: CrackData,
    known: KnownImages | None = None,
    *,
    split: str | None = None,
    include_seen: bool | None = False,
) -> Choice:
    """Chooses the images that judge a model.

    In this order: what `split` says; else, where the data hold images of the test split of the
    model's own run, these; else all. Images that the model was trained or tuned on are left out.

    Args:
        data: The data, loaded with `cut=False` unless a split is to be cut from them.
        known: What the model knows, `crackdet.models.known_images(model)`. None where it does not
            say.
        split: `"all"`, or `"train"`, `"validation"` or `"test"`: that of the data, or of the
            model's own run where `load_data` had to cut the data and they are that run's.
        include_seen: Whether images that the model was trained or tuned on are judged too; without
            a `split` that is all. None leaves them out as False does, and names no such option.

    Returns:
        The images; `evaluate(model, choice.images)` measures on them.

    Raises:
        ValueError: If there is no such split.
        CrackdetError: If no image is left.

    Example:

    >>> data = crackdet.load_data("my_patches", cut=False)
    >>> choice = choose_images(data, crackdet.models.known_images("concrete"))
    >>> row = evaluate(crackdet.load_model("concrete"), choice.images)
    """
    if split not in (None, ALL, *SPLITS):
        raise ValueError(f"split must be one of {', '.join((ALL, *SPLITS))}; received {split!r}.")
    whole = data.whole()
    roles = np.array([""] * whole.num_images if known is None else known.roles(whole.digests), "U")
    places = np.repeat(list(data.splits), [part.num_images for part in data.splits.values()])
    of_the_run = np.isin(roles, SPLITS)

    if split is None and not include_seen and np.any(roles == TEST):
        pool, wanted, name = np.full(roles.size, True), roles == TEST, TEST
        what = "the test split of the model's own run"
    elif split in (None, ALL):
        pool = wanted = np.full(roles.size, True)
        name, what = ALL, f"the whole of {data.name}"
    elif split in data.cut and of_the_run.any():
        pool = wanted = roles == split
        name, what = str(split), f"the {split} split of the model's own run"
    else:
        pool = wanted = places == split
        name, what = str(split), f"the {split} split of {data.name}"

    seen = np.isin(roles, SEEN)
    judged = wanted & ~seen | (pool & seen if include_seen else False)
    left_out = pool & seen & ~judged
    near = judged & ~seen & np.isin(whole.groups, whole.groups[seen])
    if not whole.num_images:
        raise CrackdetError(f"{data.name} holds no image that can be judged: give another one.")
    if not judged.any():
        raise CrackdetError(_nothing_left(what, int(left_out.sum()), include_seen is not None))
    images = whole.subset(np.flatnonzero(judged))
    images.name = name
    counts: dict[str, int | None] = {"given": int(roles.size), "judged": int(judged.sum())}
    for count, mask in {
        "trained_on": np.isin(roles, (TRAIN, START)),
        "tuned_on": roles == VALIDATION,
        "tested_on": roles == TEST,
        "unknown": roles == "",
    }.items():
        counts[count] = None if known is None else int(mask.sum())
    counts |= {"left_out": int(left_out.sum()), "near_seen": int(near.sum())}
    reason = [_judging(what, counts)]
    if known is None:
        reason.append(_not_said(data, name))
    if left_out.any():
        reason.append(
            f"Left out {_named(whole, left_out)}, which the model was trained or tuned on"
            + ("." if include_seen is None else "; --include-seen judges them too.")
        )
    if (judged & seen).any():
        reason.append(
            f"The model was trained or tuned on {_named(whole, judged & seen)}: the figures are "
            "better than on images that it has not seen."
        )
    strange = pool & ~wanted & (roles == "")
    if strange.any():
        reason.append(
            f"Not judged either: {_named(whole, strange)}, which its run did not hold; --split all "
            "judges them too."
        )
    if near.any():
        reason.append(
            f"{_named(whole, near)} of those judged show the same walls as images that it was "
            "trained or tuned on: the figures may be too good."
        )
    return Choice(images, name, "\n".join(reason), counts)


def _judging(what: str, counts: dict[str, int | None]) -> str:
    given, judged = counts["given"], counts["judged"]
    images = f"{judged:,} image{'' if judged == 1 else 's'}"
    if judged != given:
        images = f"{judged:,} of {given:,} images"
    none = ", none known to the model" if counts["unknown"] == given else ""
    return f"Judging {what}: {images}{none}."


def _not_said(data: CrackData, name: str) -> str:
    sentence = (
        "What the model was trained on does not stand beside it: if some of these images were "
        "among it, the figures are too good."
    )
    if name == ALL and data.test.num_images and data.train.num_images:
        sentence += " --split test judges the test split alone."
    return sentence


def _nothing_left(what: str, left_out: int, optional: bool) -> str:
    if left_out:
        remedy = "--include-seen judges them all the same" if optional else "give others"
        return f"The model was trained or tuned on all {left_out} images of {what}: {remedy}."
    return f"There is no image in {what}: leave --split out, which judges all there are."


def _named(images: ImageSplit, mask: Mask) -> str:
    """Returns how many images there are and the names of the first ones."""
    keys: Sequence[str] = [images.keys[i] for i in np.flatnonzero(mask)[:_NAMED]]
    count = int(mask.sum())
    more = ", …" if count > len(keys) else ""
    return f"{count:,} image{'' if count == 1 else 's'} ({', '.join(keys)}{more})"
