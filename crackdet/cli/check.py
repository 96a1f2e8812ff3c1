"""`crackdet data check`: unreadable files, copies, twins, overlapping crops and leakage."""

from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crackdet.cli import options as cli
from crackdet.cli.progress import Progress, shown_progress
from crackdet.errors import CrackdetError
from crackdet.files import write_csv
from crackdet.keras_import import import_keras
from crackdet.listing import list_pictures
from crackdet.names import printable

if TYPE_CHECKING:
    from crackdet.images import EncodedImage
    from tfds_builder.grouping import Links

COLUMNS = (
    "finding",
    "first",
    "second",
    "first_split",
    "second_split",
    "first_class",
    "second_class",
    "symmetry",
    "dy",
    "dx",
    "correlation",
)


@dataclass(frozen=True)
class Picture:
    """An image to compare with the others; `split` is empty where the source has no splits."""

    key: str
    source: "EncodedImage"
    digest: str
    split: str
    label: str


def execute(arguments: Namespace) -> int:
    """Prints the findings; returns 1 when --strict is given and anything is amiss."""
    import_keras()
    import numpy as np

    from crackdet.data.groups import compiled, given_groups
    from crackdet.data.labelled_folder import contradiction_note, contradictions
    from crackdet.data.walls import Leakage, Walls
    from crackdet.images import read_image
    from tfds_builder.grouping import find_links

    options = cli.resolve(vars(arguments), arguments.source, cli.GROUPS)
    if options["group_by"] is not None:
        compiled(options["group_by"])  # says what is wrong with it before images are read
    bits = None
    with shown_progress(arguments.verbose) as progress:
        if Path(arguments.source).is_dir():
            pictures, unreadable, bits = _of_folder(arguments, progress)
        else:
            pictures, unreadable = _of_data_set(arguments, progress), []
        links = find_links(
            [picture.source for picture in pictures],
            decode=partial(read_image, bits=bits),
            progress=progress and (lambda text, done, total: progress(done, total, text)),
        )
    rows = [_row(pictures[a], pictures[b], links, i) for i, (a, b) in enumerate(_pairs(links))]
    keys = [picture.key for picture in pictures]
    folder = Path(arguments.source) if Path(arguments.source).is_dir() else None
    given, groups_note = given_groups(keys, **options, folder=folder)
    walls = Walls.of_links([picture.digest for picture in pictures], links, given)
    leakage = Leakage.between(walls, np.array([picture.split for picture in pictures], "U10"))
    contradictory = contradictions(pictures)
    _print_findings(pictures, unreadable, rows, walls.groups)
    for note in (groups_note, contradiction_note(contradictory)):
        if note:
            print(printable(note))
    _print_leakage(pictures, links)
    if leakage.known:
        print(leakage.words())
    if arguments.out:
        _write(arguments.out, unreadable, rows)
        print(f"Findings: {arguments.out}")
    source = cli.source_words(arguments, arguments.source)
    print(f"Next: crackdet data group {source} --out groups.csv")
    return int(arguments.strict and bool(unreadable or contradictory or leakage.leaks))


def _of_folder(
    arguments: Namespace, progress: Progress | None
) -> tuple[list[Picture], list[tuple[str, str]], int | None]:
    """Returns the readable pictures below a folder, (file, reason) of the others, and the bits."""
    from crackdet.data.folders import read_files
    from crackdet.sample_bits import bits_note

    folder = Path(arguments.source)
    given = cli.resolve(vars(arguments), arguments.source, cli.GROUPS, cli.LABELLING)
    listing = list_pictures(folder, used=(given["labels"], given["groups"]))
    if listing.note:
        print(listing.note)
    if not listing.paths:
        raise CrackdetError(f"{folder} holds no images: name a folder that does.")
    known = _splits_and_labels(arguments, folder, listing.paths)
    pictures: list[Picture] = []
    unreadable: list[tuple[str, str]] = []
    bits = None
    files = read_files([path for path, _, _ in known], progress)
    for (path, split, label), file in zip(known, files, strict=True):
        key = path.relative_to(folder).as_posix()
        if file.error:
            unreadable.append((key, file.error))
            continue
        bits = file.bits or bits
        pictures.append(Picture(key, path, file.digest, split, label))
    if note := bits_note(bits):
        print(note)
    return pictures, unreadable, bits


def _splits_and_labels(
    arguments: Namespace, folder: Path, paths: Sequence[Path]
) -> list[tuple[Path, str, str]]:
    """Returns path, split and class of each picture, but for those that a label file leaves out.

    Where the classes are in doubt each folder counts as one, unless an option says otherwise.
    """
    from crackdet.data.folder_names import split_of
    from crackdet.data.labelling import label_pictures

    options = cli.resolve(vars(arguments), arguments.source, cli.LABELLING)
    try:
        splits, labelling = label_pictures(folder, paths, **options)
    except CrackdetError as error:
        if any(options.values()):
            raise
        print(printable(f"Each folder is taken for a class. {error}"))
        places = [path.relative_to(folder).parts[:-1] for path in paths]
        return [
            (
                path,
                next(filter(None, map(split_of, place)), ""),
                "/".join(part for part in place if not split_of(part)),
            )
            for path, place in zip(paths, places, strict=True)
        ]
    if arguments.strict and labelling.findings:
        raise CrackdetError(f"{folder}: {labelling.findings[0]} (--strict)")
    print(printable(" ".join((labelling.in_words, *labelling.remarks, *labelling.findings))))
    return [
        (path, split, ("sound", "cracked")[label])
        for path, split, label in zip(paths, splits, labelling.labels, strict=True)
        if label is not None
    ]


def _of_data_set(arguments: Namespace, progress: Progress | None) -> list[Picture]:
    from crackdet.data import load_data

    data = load_data(
        arguments.source,
        data_dir=arguments.data_dir,
        manual_dir=arguments.manual_dir,
        verbose=arguments.verbose,
        progress=progress,
        **cli.resolve(vars(arguments), arguments.source, cli.LABELLING),
    )
    return [
        Picture(key, split.encoded(i), digest, name, data.class_names[label])
        for name, split in data.splits.items()
        for i, (key, digest, label) in enumerate(
            zip(split.keys, split.digests, split.labels, strict=True)
        )
    ]


def _pairs(links: "Links") -> list[tuple[int, int]]:
    return list(zip(links.first.tolist(), links.second.tolist(), strict=True))


def _row(first: Picture, second: Picture, links: "Links", i: int) -> dict[str, Any]:
    kind = "copy" if first.digest == second.digest else ("twin", "overlap")[int(links.kind[i])]
    return {
        "finding": kind,
        "first": first.key,
        "second": second.key,
        "first_split": first.split,
        "second_split": second.split,
        "first_class": first.label,
        "second_class": second.label,
        "symmetry": int(links.symmetry[i]),
        "dy": int(links.dy[i]),
        "dx": int(links.dx[i]),
        "correlation": f"{links.correlation[i]:.4f}",
    }


def _print_findings(
    pictures: Sequence[Picture],
    unreadable: Sequence[tuple[str, str]],
    rows: Sequence[dict[str, Any]],
    groups: Any,
) -> None:
    """Prints the counts."""
    for _, reason in unreadable:
        print(printable(reason))
    found = Counter(row["finding"] for row in rows)
    sizes = Counter(groups.tolist())
    leaks = [
        row
        for row in rows
        if row["first_split"] and row["second_split"] and row["first_split"] != row["second_split"]
    ]
    across = [row for row in rows if row["first_class"] != row["second_class"]]
    contents = len({picture.digest for picture in pictures})
    print(f"{len(pictures)} readable images, {len(unreadable)} unreadable files")
    print(f"{len(pictures) - contents} exact copies ({contents} distinct files)")
    print(f"{found['twin']} pairs of twins (mirrored, rotated or compressed again)")
    print(f"{found['overlap']} pairs of overlapping crops")
    print(f"{len(sizes)} groups, the largest of {max(sizes.values(), default=0)} images")
    print(f"{len(across)} pairs with different classes")
    print(f"{len(leaks)} pairs in different splits")


def _print_leakage(pictures: Sequence[Picture], links: "Links") -> None:
    """Prints the share of test images that have their like in train, if there are such splits."""
    import numpy as np

    from tfds_builder.grouping import TEST, TRAIN, VALIDATION, leakage

    if not {"train", "test"} <= {picture.split for picture in pictures}:
        print("No train and test folders: no leakage between splits to look for")
        return
    number = {"train": TRAIN, "test": TEST}
    splits = np.array([number.get(picture.split, VALIDATION) for picture in pictures])
    names = sorted({picture.label for picture in pictures})
    labels = np.array([names.index(picture.label) for picture in pictures])
    measured = leakage(links, splits, labels)
    shares = {"all classes": measured}
    shares |= {names[label]: share for label, share in measured["by_class"].items()}
    for name, share in shares.items():
        print(
            f"test images, {name}: {share['twin']:.1%} have a twin in train, "
            f"{share['twin_or_overlap']:.1%} a twin or an overlapping crop"
        )


def _write(
    path: str, unreadable: Sequence[tuple[str, str]], rows: Sequence[dict[str, Any]]
) -> None:
    bad = [{"finding": "unreadable", "first": key} for key, _ in unreadable]
    write_csv(path, COLUMNS, [[row.get(name, "") for name in COLUMNS] for row in [*bad, *rows]])
