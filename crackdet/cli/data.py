"""`crackdet data`: builds, describes, checks and groups data sets."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from crackdet.cli import check
from crackdet.cli import options as cli
from crackdet.cli.loading import load_images
from crackdet.errors import CrackdetError
from crackdet.files import write_csv
from crackdet.keras_import import import_keras
from crackdet.names import printable

if TYPE_CHECKING:
    from crackdet.data import CrackData
    from crackdet.data.labelled_folder import CutError

SOURCE_HELP = "concrete_cracks[/random|/twins], demo, or a folder"


def add_parser(subparsers: Any) -> None:
    """Adds the command and its four parts to the command line."""
    parser = subparsers.add_parser(
        "data", help="build, describe, check or group a data set", allow_abbrev=False
    )
    parts = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)
    _add_part(parts, "build", execute_build, "make a TFDS data set, once")
    info = _add_part(parts, "info", execute_info, "count images, classes and groups")
    group = _add_part(
        parts, "group", execute_group, "write each image's group and leak-free split to a table"
    )
    group.add_argument("--out", required=True, metavar="FILE", help="the CSV file to write")
    for part in (info, group):
        cli.add(part, *cli.CUTTING, title="splits")
        cli.add_strict(part)
    checked = _add_part(
        parts, "check", check.execute, "find unreadable files, twins, overlaps and leakage"
    )
    cli.add(checked, *cli.LABELLING, title="classes of a folder")
    checked.add_argument("--out", metavar="FILE", help="writes each finding to this CSV file")
    cli.add(checked, *cli.GROUPS, title="groups")
    cli.add_strict(checked)


def execute_build(arguments: Namespace) -> None:
    """Builds a TFDS data set."""
    import_keras()
    from tfds_builder import concrete_cracks

    name, _, config = arguments.source.partition("/")
    if name == "demo":
        name, config = "concrete_cracks", "demo"
    if name != "concrete_cracks":
        raise CrackdetError(
            f"{arguments.source} is not a data set that can be built: give concrete_cracks, "
            "concrete_cracks/random or demo; a folder is used as it is."
        )
    builder = concrete_cracks.prepare(
        config or "grouped",
        data_dir=arguments.data_dir,
        manual_dir=arguments.manual_dir,
        verbose=arguments.verbose,
    )
    print(f"Built: {builder.data_path}")
    print(f"Next: crackdet run --data {arguments.source} --out runs/{config or name}")


def execute_info(arguments: Namespace) -> None:
    """Prints what a data set holds."""
    import_keras()
    from crackdet.data.folders import UntrainableError
    from crackdet.data.labelled_folder import CutError

    hindrance = ""
    try:
        data = _load(arguments)
    except CutError as error:
        _print_uncut(error)
        return
    except UntrainableError as error:
        data, hindrance = _load(arguments, cut=False), str(error)
    print(f"{data.name}: fingerprint {data.fingerprint}")
    for name, split in data.splits.items():
        if hindrance and not split.num_images:
            continue
        counts = ", ".join(f"{n} {label}" for label, n in data.counts()[name].items())
        print(f"{name:>12}  {split.num_images} images in {len(set(split.groups))} groups: {counts}")
    print(data.classes)
    if data.notes:
        print(data.notes)
    if hindrance:
        print(printable(hindrance))
    print(f"Next: crackdet data check {cli.source_words(arguments, arguments.source)}")


def _print_uncut(error: "CutError") -> None:
    """Prints what a folder holds of which no splits can be cut."""
    folder = error.folder
    labels = [image.label for image in folder.images]
    counts = ", ".join(f"{labels.count(i)} {name}" for i, name in enumerate(folder.class_names))
    groups = len(set(folder.walls.groups.tolist()))
    print(f"{folder.path.resolve().name}: {len(labels)} images in {groups} groups: {counts}")
    print(folder.classes)
    print("\n".join((*folder.notes, str(error))))


def execute_group(arguments: Namespace) -> None:
    """Writes the group and split of each image."""
    data = _load(arguments)
    rows = (
        (key, name, data.class_names[label], int(group))
        for name, split in data.splits.items()
        for key, label, group in zip(split.keys, split.labels, split.groups, strict=True)
    )
    write_csv(arguments.out, ("path", "split", "label", "group"), rows)
    if data.notes:
        print(data.notes)
    print(f"Groups: {arguments.out}")
    source = cli.source_words(arguments, arguments.source)
    print(f"Next: crackdet run --data {source} --groups {arguments.out} --out DIR")


def _add_part(
    parts: Any, name: str, execute: Callable[[Namespace], Any], text: str
) -> ArgumentParser:
    parser: ArgumentParser = parts.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.add_argument("source", metavar="SOURCE", help=SOURCE_HELP)
    cli.add_places(parser)
    cli.add_common(parser)
    parser.set_defaults(execute=execute)
    return parser


def _load(arguments: Namespace, *, cut: bool = True) -> "CrackData":
    import_keras()
    options = cli.resolve(vars(arguments), arguments.source, cli.CUTTING)
    return load_images(arguments, arguments.source, cut=cut, **options)
