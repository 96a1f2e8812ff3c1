"""`load_data`: whatever a user points at, as one `CrackData`."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np

from crackdet.data.dataset import DEFAULT_CLASSES, CrackData, make_universe, measured_leakage
from crackdet.data.folders import Progress
from crackdet.data.groups import GroupsFile, given_groups
from crackdet.data.labelled_folder import CutError, LabelledFolder, read_folder
from crackdet.data.partition import SPLITS, complete_splits, few_groups
from crackdet.data.splits import ImageSplit
from crackdet.data.walls import Leakage, joined_groups
from crackdet.errors import CrackdetError
from crackdet.images import ImageSize

TFDS_NAME = "concrete_cracks"


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
    group_by: str | None = None,
    groups: GroupsFile | None = None,
    audit: bool = True,
    strict: bool = False,
    positive: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    verbose: int = 1,
    progress: Progress | None = None,
) -> CrackData:
    r"""Loads a data set for training, validation and test.

    TensorFlow is not needed: a TFDS data set is read as array_record. Where TensorFlow is
    installed, tfrecord files stand beside it, for `tfds.load` and `as_dataset`.

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
        group_by: A regular expression, searched in each picture's path below the folder: pictures
            where its first group is the same belong together, such as tiles of one photo
            (`r"(DSC\d+)_"`). They are joined with the groups that are found.
        groups: A CSV file with the columns `path` and `group`, for the same purpose;
            `crackdet data group` writes one. Without both, the photo in SDNET2018's file names is
            understood.
        audit: Whether a folder's pictures are compared with each other. Without it, crops of one
            wall may stand in two splits, and only exact copies and given groups are known.
        strict: Whether anything amiss is an error: pictures that cannot be read or whose labels
            contradict each other, splits that know each other's pictures.
        positive: Name of the folder, or of the label in `labels`, that counts as cracked. Defaults
            to what the names say; where they leave doubt, it must be given.
        labels: A CSV file of path and label that replaces the folders' labels. Labels are 0
            (sound), 1 (cracked) or names; pictures with others, or without a row, are left out.
        verbose: 0 silences the lines about what is done, and the progress bars of TFDS.
        progress: Called as `progress(done, total, text)` during long steps.

    Returns:
        A `CrackData`.

    Raises:
        CrackdetError: If the source is unknown or holds too little to train and test on, if an
            argument makes no sense, or if `strict` is set and something is amiss.

    Example:

    >>> data = crackdet.load_data("demo", image_size=96)
    >>> images, labels = data.train[0]
    """
    is_folder = not isinstance(source, CrackData) and os.path.isdir(source)
    if not is_folder and (positive, labels) != (None, None):
        raise CrackdetError(
            "--positive and --labels (positive and labels in Python) are for folders of pictures: "
            "other data have their labels."
        )
    options: dict[str, Any] = {"image_size": image_size, "batch_size": batch_size, "seed": seed}
    text = "" if isinstance(source, CrackData) else os.fspath(source)
    if text == "demo":
        text = f"{TFDS_NAME}/demo"
    if isinstance(source, CrackData):
        data = _regrouped(source, group_by, groups)
    elif text.split("/")[0] == TFDS_NAME and not os.path.isdir(text):
        data = _load_tfds(text, options, data_dir, manual_dir, verbose)
        data = _regrouped(data, group_by, groups)
    elif os.path.isdir(text):
        folder = read_folder(
            Path(text),
            positive=positive,
            labels=labels,
            group_by=group_by,
            groups=groups,
            audit=audit,
            strict=strict,
            for_training=cut,
            verbose=verbose,
            progress=progress,
        )
        fractions = (validation_fraction, test_fraction) if cut else None
        data = _divided(folder, options, fractions)
    else:
        raise CrackdetError(
            f"Cannot find the data {text!r}: give a folder with one sub-folder a class, or one of "
            f"{TFDS_NAME}, {TFDS_NAME}/random, {TFDS_NAME}/twins, demo."
        )
    if strict and data.leakage.leaks:
        raise CrackdetError(f"{data.name}: {data.leakage.words()} With --strict this is an error.")
    return data


def _regrouped(data: CrackData, group_by: str | None, groups: GroupsFile | None) -> CrackData:
    """Joins the groups of a data set with those that the user gives."""
    if group_by is None and groups is None:
        return data
    keys = [key for split in data.splits.values() for key in split.keys]
    given, note = given_groups(keys, group_by, groups)
    own = np.concatenate([split.groups for split in data.splits.values()])
    ends = np.cumsum([split.num_images for split in data.splits.values()])
    parts = np.split(joined_groups(own, given), ends[:-1])
    splits = {
        name: split.with_groups(part)
        for (name, split), part in zip(data.splits.items(), parts, strict=True)
    }
    leakage = measured_leakage(splits, compared=data.leakage.compared)
    notes = "\n".join(filter(None, (data.notes, note)))
    return dataclasses.replace(data, **splits, leakage=leakage, notes=notes)


def _load_tfds(
    text: str, options: dict[str, Any], data_dir: Any, manual_dir: Any, verbose: int
) -> CrackData:
    import tensorflow_datasets as tfds

    from tfds_builder import concrete_cracks
    from tfds_builder.grouping import content_key

    config = text.partition("/")[2] or "grouped"
    try:
        builder = concrete_cracks.prepare(
            config, data_dir=data_dir, manual_dir=manual_dir, verbose=verbose
        )
    except concrete_cracks.DataSourceError as error:
        raise CrackdetError(str(error)) from error
    records = {
        name: list(
            builder.as_data_source(split=name, decoders={"image": tfds.decode.SkipDecoding()})
        )
        for name in SPLITS
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
    return CrackData(
        **splits,
        class_names=DEFAULT_CLASSES,
        name=f"{TFDS_NAME}/{config}",
        notes="" if config == "grouped" else builder.builder_config.description,
        # The groups hold all that is known; `random` and `twins` leak by them.
        leakage=measured_leakage(splits, compared=True),
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _divided(
    folder: LabelledFolder, options: dict[str, Any], fractions: tuple[float, float] | None
) -> CrackData:
    """Divides a folder into the splits that it has, or that are cut here."""
    splits, cut, how = complete_splits(folder.images, folder.walls, fractions, options["seed"])
    leakage = Leakage.between(folder.walls, splits)
    parts = {name: folder.part(name, np.flatnonzero(splits == name), options) for name in SPLITS}
    data = CrackData(
        **parts,
        class_names=folder.class_names,
        name=folder.path.resolve().name,
        notes="\n".join(filter(None, (*folder.notes, f"{how} {leakage.words()}".strip()))),
        cut=cut,
        leakage=leakage,
        classes=folder.classes,
    )
    if fractions is not None:
        _require_both_classes(data, folder)
    return data


def _require_both_classes(data: CrackData, folder: LabelledFolder) -> None:
    for name, counts in data.counts().items():
        lacking = [label for label, count in enumerate(counts.values()) if not count]
        if not lacking:
            continue
        absent = data.class_names[lacking[0]]
        if name not in data.cut:
            raise CrackdetError(
                f"The {name} split of {folder.path} has {data.splits[name].num_images} pictures "
                f"and none of the class {absent!r}: add some."
            )
        raise CutError(
            f"{folder.path} cannot be cut into splits that each hold whole groups of both classes: "
            f"of the class {absent!r} it has "
            f"{few_groups(folder.images, folder.walls, lacking[0])}. Add pictures of other walls, "
            f"or measure a classifier on all of them with `crackdet evaluate MODEL --data "
            f"{folder.path}`.",
            folder,
        )
