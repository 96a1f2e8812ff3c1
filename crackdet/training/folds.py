"""Folds of whole groups: each image is judged by a model that saw no image of its group."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from crackdet.data.dataset import CrackData
from crackdet.data.splits import ImageSplit
from crackdet.errors import CrackdetError
from crackdet.features import FeatureCache, Uncached
from crackdet.files import atomic_write
from crackdet.models import unfreeze_depth
from crackdet.runs import files
from crackdet.runs.history import best_epoch, deciding_loss
from crackdet.stress import stress_split
from crackdet.training.fitting import fit, plan_phases
from crackdet.training.made_of import made_of
from tfds_builder.grouping import assign_splits

Indices = NDArray[np.int64]

PHASES = ("head", "fine_tune")
# A fold's model is trained on at least as many images as it is validated on, and no group that is
# held out may leave it less of a class than it takes away.
_MOST_VALIDATION = 0.5
_MOST_OF_A_CLASS = 0.5
_REMEDY = (
    "Add pictures of other walls; or, if patches of one photo may be parted, take each file by "
    "itself with --group-by '(.+)'."
)


@dataclass(frozen=True)
class Fold:
    """Images that are held out together, and the others: those to train on and to validate on.

    Attributes:
        held_out: Indices of the images that the fold's model is to judge.
        train: Indices of those that it is trained on.
        validation: Indices of those that say which of its epochs is the best.
    """

    held_out: Indices
    train: Indices
    validation: Indices

    def data(self, images: ImageSplit, class_names: Sequence[str]) -> CrackData:
        """Returns the fold as a data set, `held_out` as its test split."""
        parts = {"train": self.train, "validation": self.validation, "test": self.held_out}
        splits = {name: part(images, indices, name) for name, indices in parts.items()}
        return CrackData(**splits, class_names=tuple(class_names))


@dataclass(frozen=True)
class FoldResult:
    """What a fold's model has shown.

    Attributes:
        probabilities: Of the images held out, float32 `(held_out, classes)`.
        epochs: For each phase after how many epochs the model was at its best, by the fold's
            validation images; 0 for a phase that was no gain, or that there was not.
        val_loss: Loss on the validation images at that epoch.
    """

    probabilities: NDArray[np.float32]
    epochs: Mapping[str, int]
    val_loss: float


def deal_folds(
    images: ImageSplit, folds: int, *, validation_fraction: float = 0.1, seed: int = 0
) -> list[Fold]:
    """Divides images into folds, whole groups at a time, each with its share of every class.

    Where groups are too few for so many folds, there are fewer of them: as many as leave each fold
    both classes to train on and to validate on. A group that has more than half of a class is
    refused: a model without it would know next to nothing of the class.

    Args:
        images: All images.
        folds: The most folds, 2 or more.
        validation_fraction: Share of all images that validate each fold's training; they are
            taken from what the fold does not hold out.
        seed: Which of the many such divisions.

    Returns:
        The folds; each image is held out in exactly one of them.

    Raises:
        ValueError: If an argument is out of its range.
        CrackdetError: If groups are too few for two folds, or one of them has most of a class.
    """
    if folds < 2 or not 0 < validation_fraction <= _MOST_VALIDATION:
        raise ValueError(
            f"Expected folds of 2 or more and a validation_fraction above 0, at most "
            f"{_MOST_VALIDATION}. Received: {folds}, {validation_fraction}"
        )
    groups = {
        int(label): len(np.unique(images.groups[images.labels == label]))
        for label in np.unique(images.labels)
    }
    if len(groups) > 1:
        _require_no_ruling_group(images)
        for count in range(min(folds, *groups.values()), 1, -1):
            dealt = _deal(images, count, validation_fraction, seed)
            if all(_holds_all_classes(images, fold, len(groups)) for fold in dealt):
                return dealt
    raise CrackdetError(_too_few(images, groups))


def fit_folds(
    model: keras.Model,
    images: ImageSplit,
    folds: Sequence[Fold],
    class_names: Sequence[str],
    *,
    cache: FeatureCache | Uncached | None = None,
    stress_images: int | None = None,
    run_dir: Path | None = None,
    verbose: int = 1,
    **options: Any,
) -> list[FoldResult]:
    """Trains a model for each fold, all from the same weights, and lets it judge what is held out.

    With `views`, the frozen features of all images are computed once, for all folds.

    Args:
        model: A classifier with the weights that each training starts from; it ends with them.
        images: All images.
        folds: What `deal_folds` returned for them.
        class_names: Names in the order of the labels.
        cache: Where frozen features are kept.
        stress_images: How many pictures are made of each fold's validation images to measure its
            epochs under stress, see `crackdet.stress.stress_split`; None for none.
        run_dir: Folder in which each fold that is done is kept; what an earlier call with the same
            images and options left there is not trained again.
        verbose: 0 for no line a fold.
        **options: Further arguments of `crackdet.training.fit`.

    Returns:
        A result for each fold.
    """
    start = model.get_weights()
    kept = cache or Uncached()
    prepare(model, images, class_names, kept, options)
    results = []
    for number, fold in enumerate(folds, start=1):
        data = fold.data(images, class_names)
        file = None if run_dir is None else run_dir / files.fold_file(number)
        digest = made_of(data, options, stress_images)
        result = None if file is None else _read(file, digest)
        if result is None:
            stress = None
            if stress_images is not None:
                seed = options.get("seed", 0)
                stress = stress_split(data.validation, images=stress_images, seed=seed)
            history = fit(model, data, cache=kept, stress=stress, verbose=0, **options).history
            probabilities = np.asarray(kept.predict(model, data.test), np.float32)
            result = FoldResult(probabilities, *_best(history))
            model.set_weights(start)
            if file is not None:
                _write(file, result, digest)
        if verbose:
            print(
                f"Fold {number} of {len(folds)}: {len(fold.train)} images to train on, "
                f"{len(fold.validation)} to validate, {len(fold.held_out)} held out; best after "
                f"{sum(result.epochs.values())} epochs, validation loss {result.val_loss:.4f}",
                flush=True,
            )
        results.append(result)
    return results


def fit_all(
    model: keras.Model,
    images: ImageSplit,
    results: Sequence[FoldResult],
    class_names: Sequence[str],
    *,
    cache: FeatureCache | Uncached | None = None,
    **options: Any,
) -> tuple[keras.callbacks.History, dict[str, int]]:
    """Trains a model on all images, for as many epochs as were best in the median of the folds.

    Args:
        model: As in `fit_folds`.
        images: All images.
        results: What `fit_folds` returned.
        class_names: Names in the order of the labels.
        cache: Where frozen features are kept.
        **options: Further arguments of `crackdet.training.fit`.

    Returns:
        The history of `fit`, and the epochs of each phase.
    """
    epochs = median_epochs(results)
    data = everything(images, class_names)
    options = {**options, "epochs": sum(epochs.values()), "head_epochs": epochs["head"]}
    return fit(model, data, cache=cache or Uncached(), **options), epochs


def median_epochs(results: Sequence[FoldResult]) -> dict[str, int]:
    """Returns the median of the folds' best epochs by phase, at least one epoch in all.

    Example:

    >>> folds = [FoldResult(np.empty((0, 2)), {"head": n, "fine_tune": 0}, 0.1) for n in (3, 9, 4)]
    >>> median_epochs(folds)
    {'head': 4, 'fine_tune': 0}
    """
    # Of two in the middle their mean, rounded up: one epoch more costs less than one too few.
    median = {
        phase: int(np.ceil(np.median([result.epochs[phase] for result in results])))
        for phase in PHASES
    }
    return median if any(median.values()) else {**median, PHASES[0]: 1}


def prepare(
    model: keras.Model,
    images: ImageSplit,
    class_names: Sequence[str],
    cache: FeatureCache | Uncached,
    options: Mapping[str, Any],
) -> None:
    """Computes the features that all folds train on, in one pass for each view."""
    views, seed = options.get("views"), options.get("seed", 0)
    if views is None:
        return
    phases = plan_phases(
        unfreeze_depth(model),
        options.get("epochs", 10),
        options.get("head_epochs"),
        options.get("learning_rate", 1e-3),
    )
    depths = {phase.depth for phase in phases}
    data = everything(images, class_names)
    cache.prepare(model, depths, data, views, seed=seed, painting=options.get("painting"))


def everything(images: ImageSplit, class_names: Sequence[str]) -> CrackData:
    """Returns a data set whose train split holds all images, and the others none."""
    none = np.empty(0, np.int64)
    return Fold(none, np.arange(images.num_images), none).data(images, class_names)


def part(images: ImageSplit, indices: Indices, name: str) -> ImageSplit:
    """Returns some images as a split of another name; train changes its order."""
    split = images.subset(indices, shuffle=name == "train")
    split.name = name
    return split


def _deal(images: ImageSplit, count: int, validation_fraction: float, seed: int) -> list[Fold]:
    held_out_in = _assigned(images, np.arange(images.num_images), [1 / count] * count, seed)
    folds = []
    for number in range(count):
        held_out, rest = (np.flatnonzero((held_out_in == number) == own) for own in (True, False))
        share = validation_fraction * images.num_images / max(1, len(rest))
        share = min(share, _MOST_VALIDATION)
        validates = _assigned(images, rest, [1 - share, share], seed) == 1
        folds.append(Fold(held_out, rest[~validates], rest[validates]))
    return folds


def _assigned(
    images: ImageSplit, indices: Indices, fractions: Sequence[float], seed: int
) -> Indices:
    return assign_splits(
        images.groups[indices],
        images.labels[indices],
        [images.digests[i] for i in indices],
        fractions,
        seed,
    )


def _holds_all_classes(images: ImageSplit, fold: Fold, classes: int) -> bool:
    seen = (np.unique(images.labels[each]) for each in (fold.train, fold.validation))
    return len(fold.held_out) > 0 and all(len(labels) == classes for labels in seen)


def _require_no_ruling_group(images: ImageSplit) -> None:
    for label in np.unique(images.labels):
        members = np.flatnonzero(images.labels == label)
        numbers, sizes = np.unique(images.groups[members], return_counts=True)
        if len(numbers) > 1 and sizes.max() > _MOST_OF_A_CLASS * len(members):
            ruling = images.groups[members] == numbers[sizes.argmax()]
            raise CrackdetError(
                f"Cross-validation needs classes of many groups, and here one group (that of "
                f"{images.keys[members[int(ruling.argmax())]]}) has {sizes.max()} of the "
                f"{len(members)} images of its class: without it, too few would be left to train "
                f"on. {_REMEDY} --folds none trains with a single test split."
            )


def _too_few(images: ImageSplit, groups: Mapping[int, int]) -> str:
    if not groups:
        return "Cross-validation needs images of two classes, and there are none."
    if len(groups) < 2:
        return (
            "Cross-validation needs images of two classes, and these are all of one (such as "
            f"{images.keys[0]}): add a folder of the other, or give the labels with --labels FILE."
        )
    label = min(groups, key=lambda each: groups[each])
    count = int(np.sum(images.labels == label))
    key = images.keys[int(np.argmax(images.labels == label))]
    one = groups[label] == 1
    return (
        "Cross-validation needs groups of each class to hold out, to train on and to validate on, "
        f"and here they are too few: the {count} images of one class (such as {key}) are of "
        f"{'one group' if one else f'{groups[label]} groups'}. {_REMEDY}"
    )


def _best(history: Mapping[str, Sequence[Any]]) -> tuple[dict[str, int], float]:
    """Returns the best number of epochs of each phase, and `val_loss` at the best epoch of all."""
    losses, phases = list(history[deciding_loss(history)]), list(history["phase"])
    best = best_epoch(losses)
    assert best is not None, "fit raises where no loss was a number"
    epochs = dict.fromkeys(PHASES, 0)
    for phase in PHASES[: PHASES.index(phases[best]) + 1]:
        own = [loss for loss, name in zip(losses, phases, strict=True) if name == phase]
        epochs[phase] = (best_epoch(own) or 0) + 1 if own else 0
    return epochs, float(history["val_loss"][best])


def _write(file: Path, result: FoldResult, digest: str) -> None:
    with atomic_write(file) as temporary:
        np.savez_compressed(
            temporary,
            probabilities=result.probabilities,
            epochs=np.array([result.epochs[phase] for phase in PHASES]),
            val_loss=np.array(result.val_loss),
            made_of=np.array(digest),
        )


def _read(file: Path, digest: str) -> FoldResult | None:
    """Returns a fold that is done; None where there is none of the same images and options."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            if str(arrays["made_of"]) != digest:
                return None
            epochs = dict(zip(PHASES, arrays["epochs"].tolist(), strict=True))
            return FoldResult(arrays["probabilities"], epochs, float(arrays["val_loss"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
