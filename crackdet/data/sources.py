"""`load_data`: whatever a user points at, as one `CrackData`."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crackdet.data.dataset import DEFAULT_CLASSES, CrackData, make_universe
from crackdet.data.folders import Progress, list_folder
from crackdet.data.partition import complete_splits
from crackdet.data.splits import ImageSplit
from crackdet.errors import CrackdetError
from crackdet.images import ImageSize

TFDS_NAME = "concrete_cracks"
SPLIT_NAMES = ("train", "validation", "test")


def load_data(
    source: str | os.PathLike[str] | CrackData,
    *,
    image_size: ImageSize = 224,
    batch_size: int = 32,
    seed: int = 0,
    data_dir: str | os.PathLike[str] | None = None,
    manual_dir: str | os.PathLike[str] | None = None,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
    cut: bool = True,
    verbose: int = 1,
    progress: Progress | None = None,
) -> CrackData:
    """Loads a data set for training, validation and test.

    TensorFlow is not needed: a TFDS data set is built and read as array_record, which TFDS does
    without it. It is needed to read the tfrecord files of `tfds.load` and `as_dataset`.

    Args:
        source: One of

            - "concrete_cracks" or "concrete_cracks/grouped", "concrete_cracks/random",
              "concrete_cracks/demo" (or just "demo"): the TFDS data set, built on first use;
            - a folder with one sub-folder a class (see `crackdet.data.folders.list_folder`).
              Splits that it does not have are cut from its training pictures, so that crops of
              one piece of wall stay together (see `tfds_builder.grouping`);
            - a `CrackData`, which is returned as it is.
        image_size: Height and width that pictures are resized to, or one integer for a square.
        batch_size: Pictures in a batch.
        seed: Seed of the training order and of splits that are made here.
        data_dir: Where TFDS keeps built data sets. Defaults to TFDS's own folder.
        manual_dir: Where the official archive, or its two folders, lie.
        validation_fraction: Share of a folder's pictures to validate on, when it has no
            validation folder.
        test_fraction: The same for test.
        cut: Whether splits that a folder lacks are cut from its training pictures. With `False`
            every picture stays where the folder has it, and those of a folder without splits are
            all in test: for a classifier that is only to be measured. One class is enough then,
            and splits may be empty.
        verbose: 0 silences the lines about what is done.
        progress: Called as `progress(done, total, text)` during long steps.

    Returns:
        A `CrackData`.

    Raises:
        CrackdetError: If the source is unknown or holds too little to train and test on.

    Example:

    >>> data = crackdet.load_data("demo", image_size=96)
    >>> images, labels = data.train[0]
    """
    if isinstance(source, CrackData):
        return source
    options: dict[str, Any] = {"image_size": image_size, "batch_size": batch_size, "seed": seed}
    text = os.fspath(source)
    if text == "demo":
        text = f"{TFDS_NAME}/demo"
    if text.split("/")[0] == TFDS_NAME and not os.path.isdir(text):
        return _load_tfds(text, options, data_dir, manual_dir)
    if not os.path.isdir(text):
        raise CrackdetError(
            f"Cannot find the data {text!r}: give a folder with one sub-folder a class, or one of "
            f"{TFDS_NAME}, {TFDS_NAME}/random, {TFDS_NAME}/twins, demo."
        )
    fractions = (validation_fraction, test_fraction) if cut else None
    return _load_folder(Path(text), options, fractions, verbose, progress)


def _load_tfds(text: str, options: dict[str, Any], data_dir: Any, manual_dir: Any) -> CrackData:
    import tensorflow_datasets as tfds

    from tfds_builder import concrete_cracks
    from tfds_builder.grouping import content_key

    config = text.partition("/")[2] or "grouped"
    try:
        builder = concrete_cracks.prepare(
            config, data_dir=data_dir, manual_dir=manual_dir, file_format="array_record"
        )
    except concrete_cracks.DataSourceError as error:
        raise CrackdetError(str(error)) from error
    records = {
        name: list(
            builder.as_data_source(split=name, decoders={"image": tfds.decode.SkipDecoding()})
        )
        for name in SPLIT_NAMES
    }
    digests = {name: [content_key(r["image"]) for r in rows] for name, rows in records.items()}
    universe = make_universe(digests.values())
    splits = {
        name: ImageSplit(
            name,
            [record["image"] for record in rows],
            [int(record["label"]) for record in rows],
            keys=[_text(record["filename"]) for record in rows],
            digests=digests[name],
            groups=[int(record["group"]) for record in rows],
            shuffle=name == "train",
            universe=universe,
            **options,
        )
        for name, rows in records.items()
    }
    notes = "" if config == "grouped" else builder.builder_config.description
    return CrackData(
        **splits, class_names=DEFAULT_CLASSES, name=f"{TFDS_NAME}/{config}", notes=notes
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _load_folder(
    folder: Path,
    options: dict[str, Any],
    fractions: tuple[float, float] | None,
    verbose: int,
    progress: Progress | None,
) -> CrackData:
    listing = list_folder(folder, for_training=fractions is not None, progress=progress)
    notes = []
    if listing.unreadable:
        notes.append(_unreadable_note(listing.unreadable))
        warnings.warn(notes[-1], stacklevel=3)
    splits, groups, cut, how = complete_splits(
        listing, fractions, options["seed"], verbose, progress
    )
    notes.append(how)
    universe = make_universe([[image.digest for image in listing.images]])
    parts = {}
    for index, name in enumerate(SPLIT_NAMES):
        members = np.flatnonzero(splits == index)
        images = [listing.images[i] for i in members]
        if fractions is not None and len({image.label for image in images}) < 2:
            raise CrackdetError(
                f"The {name} split of {folder} has {len(images)} pictures and not both classes: "
                "add pictures, or raise the fraction of this split."
            )
        parts[name] = ImageSplit(
            name,
            [image.path for image in images],
            [image.label for image in images],
            keys=[image.key for image in images],
            digests=[image.digest for image in images],
            groups=groups[members],
            shuffle=name == "train",
            universe=universe,
            **options,
        )
    return CrackData(
        **parts,
        class_names=listing.class_names,
        name=folder.resolve().name,
        notes=" ".join(note for note in notes if note),
        cut=cut,
    )


def _unreadable_note(errors: Sequence[str], most: int = 10) -> str:
    more = f" And {len(errors) - most} more." if len(errors) > most else ""
    return f"{len(errors)} unreadable pictures were left out. " + " ".join(errors[:most]) + more
