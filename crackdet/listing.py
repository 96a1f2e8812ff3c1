"""The one rule of what counts as a picture in a folder. What is passed over is counted by kind."""

import glob
import importlib.util
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from crackdet.errors import CrackdetError
from crackdet.names import printable

HEIF_SUFFIXES = frozenset({".heic", ".heif"})
_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"}
    | {".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
# Copies and thumbnails that macOS and Synology make. Hidden names, such as .ipynb_checkpoints, are
# passed over anyway, and Thumbs.db for its suffix.
_CLUTTER = frozenset({"__macosx", "@eadir"})
_KINDS_NAMED = 8
_FOLDER, _PICTURE = "folder", "picture"

_Identity = tuple[int, int]


@dataclass
class Listing:
    """The pictures below a folder.

    Attributes:
        paths: Their files, sorted.
        skipped_files: How many files were passed over, by kind, such as ".mov".
        skipped_folders: The same for folders, by name or by what is wrong with them.
    """

    paths: list[Path] = field(default_factory=list)
    skipped_files: Counter[str] = field(default_factory=Counter)
    skipped_folders: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Listing") -> None:
        """Takes in what another listing found."""
        known = set(self.paths)
        self.paths += [path for path in other.paths if path not in known]
        self.skipped_files += other.skipped_files
        self.skipped_folders += other.skipped_folders

    @property
    def note(self) -> str:
        """What was passed over, in words; empty when nothing was.

        For example "3 files skipped: 2 .heic (pip install 'crackdet[heic]'), 1 .mov".
        """
        parts = (("file", self.skipped_files), ("folder", self.skipped_folders))
        return "; ".join(_counted(noun, kinds) for noun, kinds in parts if kinds)


def list_pictures(
    folder: str | os.PathLike[str], used: Iterable[str | os.PathLike[str] | None] = ()
) -> Listing:
    """Finds the pictures below a folder: the one rule of what counts as one.

    - Regular files with the suffix of a picture, in any case; HEIC where pillow-heif is installed.
    - Links to files and folders are followed, except back to a folder that leads to them.
    - No names that begin with a dot, no `__MACOSX`, no `@eaDir`.

    Args:
        folder: Where to look.
        used: Files that are read for something else, such as labels; they are not passed over.

    Returns:
        A `Listing`, which also counts what was passed over.

    Raises:
        CrackdetError: If the folder itself cannot be opened.

    Example:

    >>> listing = list_pictures("walls")
    >>> print(len(listing.paths), "pictures;", listing.note)
    """
    listing = Listing()
    elsewhere = {os.path.realpath(file) for file in used if file is not None}
    for path, kind, is_folder in _walk(Path(folder)):
        if kind == _PICTURE:
            listing.paths.append(path)
        elif is_folder:
            listing.skipped_folders[kind] += 1
        elif os.path.realpath(path) not in elsewhere:
            listing.skipped_files[kind] += 1
    listing.paths.sort()
    return listing


def list_matches(pattern: str) -> Listing:
    """Finds the pictures that a pattern means, as a shell would.

    Args:
        pattern: A path with `*`, `?` or `[...]`; one of its parts may be `**`, any folders below.
            Of a folder that matches, all pictures below it are meant.

    Returns:
        A `Listing`, by the same rule of what counts as a picture. With `**`, only a pattern that
        ends so counts what was passed over.

    Raises:
        CrackdetError: If the pattern holds `**` twice.

    Example:

    >>> paths = list_matches("walls/**/north*/*.jpg").paths
    """
    parts = Path(pattern).parts
    if parts.count("**") > 1:
        raise CrackdetError(f"{pattern} holds ** twice: name a folder, or use ** once.")
    listing = Listing()
    if "**" not in parts:
        for match in map(Path, sorted(glob.glob(pattern))):
            listing.add(list_pictures(match) if match.is_dir() else _listing_of(match))
        return listing
    place = parts.index("**")
    rest = str(Path(*parts[place + 1 :]))
    for folder in filter(os.path.isdir, sorted(glob.glob(str(Path(*parts[:place]))))):
        below = list_pictures(folder)
        if place < len(parts) - 1:
            below = Listing([path for path in below.paths if _matches(path, folder, rest)])
        listing.add(below)
    return listing


def picture_suffixes() -> frozenset[str]:
    """Returns the suffixes of pictures, in lower case, that this installation reads."""
    return _SUFFIXES | HEIF_SUFFIXES if reads_heif() else _SUFFIXES


@cache
def reads_heif() -> bool:
    """Returns whether pillow-heif, of the extra `crackdet[heic]`, is installed."""
    return importlib.util.find_spec("pillow_heif") is not None


def _listing_of(file: Path) -> Listing:
    kind = _kind(file)
    return Listing([file]) if kind == _PICTURE else Listing(skipped_files=Counter([kind]))


def _matches(path: Path, folder: str, pattern: str) -> bool:
    """Whether a picture below a folder, or a folder that leads to it, matches from its end on."""
    inside = path.relative_to(folder)
    return any(each.match(pattern) for each in (inside, *inside.parents[:-1]))


def _walk(root: Path) -> Iterator[tuple[Path, str, bool]]:
    """Yields what stands below a folder, except folders that are entered: path, kind, if a folder.

    A link back to a folder that leads to it is not followed. Inside of linked folders each folder
    is entered by a link once, since links between many folders would make the ways countless.
    """
    entered: set[_Identity] = set()
    # A folder to read, those that lead to it, and whether a link is among these.
    pending: list[tuple[Path, frozenset[_Identity], bool]] = [(root, frozenset(), False)]
    while pending:
        place, above, linked = pending.pop()
        try:
            here = _identity(place)
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            if place == root:
                raise CrackdetError(f"Cannot open the folder {root}: {reason}.") from error
            yield place, f"{place.relative_to(root)} ({reason})", True
            continue
        entered.add(here)
        above |= {here}
        for entry in entries:
            path, kind, is_folder = Path(entry.path), _kind(entry), _is_folder(entry)
            if kind != _FOLDER:
                yield path, kind, is_folder
            elif entry.is_symlink() and _identity(path) in (entered if linked else above):
                yield path, f"{entry.name} (a link back)", True
            else:
                pending.append((path, above, linked or entry.is_symlink()))


def _kind(entry: os.DirEntry[str] | Path) -> str:
    """Returns whether an entry is a folder or a picture to be listed, or what else, in words."""
    is_folder = _is_folder(entry)
    if entry.name.startswith("."):
        return entry.name if is_folder else "hidden"
    if entry.name.lower() in _CLUTTER:
        return entry.name
    if is_folder:
        return _FOLDER
    if not _is_regular(entry):
        return "broken link" if entry.is_symlink() else "no regular file"
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix in picture_suffixes():
        return _PICTURE
    if suffix in HEIF_SUFFIXES:
        return f"{suffix} (pip install 'crackdet[heic]')"
    return suffix or "without suffix"


def _is_folder(entry: os.DirEntry[str] | Path) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_regular(entry: os.DirEntry[str] | Path) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _identity(path: Path) -> _Identity:
    status = path.stat()
    return status.st_dev, status.st_ino


def _counted(noun: str, kinds: Counter[str]) -> str:
    ranked = sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))
    named = [f"{count} {printable(kind)}" for kind, count in ranked[:_KINDS_NAMED]]
    if others := sum(count for _, count in ranked[_KINDS_NAMED:]):
        named.append(f"{others} of other kinds")
    total = kinds.total()
    return f"{total} {noun}{'s' * (total > 1)} skipped: {', '.join(named)}"
