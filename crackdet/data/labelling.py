"""Which class and split each picture of a folder belongs to, from where it stands."""

from collections.abc import Container, Iterable, Mapping, Sequence, Set
from os import PathLike
from pathlib import Path

from crackdet.data.class_names import NAME_IT, Labels, listed, same_name, sides_of
from crackdet.data.dataset import DEFAULT_CLASSES, classes_in_words
from crackdet.data.folder_names import split_of
from crackdet.data.label_file import label_by_file
from crackdet.errors import CrackdetError, UsageError

Folders = tuple[str, ...]  # the folders above a picture, split folders taken out


def label_pictures(
    folder: Path,
    paths: Sequence[Path],
    *,
    positive: str | None = None,
    labels: str | PathLike[str] | None = None,
) -> tuple[tuple[str, ...], Labels]:
    """Labels the pictures of a folder; see `crackdet.data.folders.list_folder`.

    Args:
        folder: The folder.
        paths: Pictures below it.
        positive: Name of the class that counts as cracked.
        labels: A CSV file of path and label, which replaces the class folders.

    Returns:
        For each picture "train", "validation" or "test" ("" for all where the folder is not
        divided), and the labels.

    Raises:
        CrackdetError: If it is not beyond doubt which class a picture belongs to.
    """
    parts = [path.relative_to(folder).parts[:-1] for path in paths]
    splits = _splits(folder, paths, parts)
    if labels is not None:
        return splits, label_by_file(folder, paths, Path(labels), positive)
    places = [tuple(part for part in each if not split_of(part)) for each in parts]
    if not any(places):
        raise CrackdetError(
            f"{folder} holds {len(paths)} pictures and no class folders: put them into one folder "
            "a class, such as negative/ and positive/, or give their labels with --labels FILE; "
            "`crackdet predict` judges pictures without labels."
        )
    if positive is None:
        classes = _understood_classes(folder, [place for place in places if place])
        names = DEFAULT_CLASSES
    else:
        classes = _chosen_classes(folder, parts, [place for place in places if place], positive)
        sound = _names(classes, 0)
        names = (sound[0] if len(sound) == 1 else DEFAULT_CLASSES[0], _names(classes, 1)[0])
    found = [_class_folder(place, classes) for place in places]
    _require_labels(folder, paths, found)
    return splits, Labels(
        tuple(None if place is None else classes[place] for place in found),
        names,
        classes_in_words("folder", _names(classes, 0), _names(classes, 1)),
    )


def _splits(folder: Path, paths: Sequence[Path], parts: Sequence[Folders]) -> tuple[str, ...]:
    """Returns the split of each file, or "" for all when the folder is not divided."""
    splits = []
    for path, each in zip(paths, parts, strict=True):
        found = {split_of(part) for part in each} - {""}
        if len(found) > 1:
            raise CrackdetError(
                f"{path} stands in folders of two splits ({' and '.join(sorted(found))}): move it."
            )
        splits.append(found.pop() if found else "")
    if any(splits) and not all(splits):
        outside = next(path for path, split in zip(paths, splits, strict=True) if not split)
        within = sorted(set(splits) - {""})
        raise CrackdetError(
            f"{folder} mixes split folders ({', '.join(within)}) with pictures that stand in none, "
            f"such as {outside.relative_to(folder)}: move these into a split folder, or out of "
            f"{folder}."
        )
    return tuple(splits)


def _understood_classes(folder: Path, places: Sequence[Folders]) -> dict[Folders, int]:
    """Returns each class folder with its side, where the names leave no doubt."""
    classes = _classes_below((), set(places))
    if classes is None:
        raise CrackdetError(_question(folder, _doubtful_names(places)))
    for place in set(places):
        above = _class_folder(place, classes)
        for name in place[len(above) :] if above else ():
            if above and sides_of([name]) == [1 - classes[above]]:
                raise CrackdetError(
                    f"{'/'.join(place)} in {folder} names both sides, {above[-1]!r} and {name!r}: "
                    f"if {above[-1]!r} is a class, say which class shows cracks and {NAME_IT}."
                )
    return classes


def _classes_below(prefix: Folders, places: Set[Folders]) -> dict[Folders, int] | None:
    """Returns the class folders of a tree: the topmost siblings of which both sides are known.

    A folder without its opposite counts as a class only if no such siblings stand below it.
    """
    names = sorted({place[0] for place in places if place})
    if not names:
        return None
    sides = sides_of(names, prefix[-1] if prefix else "")
    here = {
        (*prefix, name): side for name, side in zip(names, sides, strict=True) if side is not None
    }
    understood = len(here) == len(names)
    if understood and set(sides) == {0, 1}:
        return here
    trees: dict[str, set[Folders]] = {}
    for place in filter(None, places):
        trees.setdefault(place[0], set()).add(place[1:])
    below: dict[Folders, int] = {}
    for name in names:
        found = _classes_below((*prefix, name), trees[name])
        if found is None:
            break
        below |= found
    else:
        if set(below.values()) == {0, 1} or not understood:
            return below
    return here if understood and len(names) == 1 else None


def _chosen_classes(
    folder: Path, parts: Sequence[Folders], places: Sequence[Folders], positive: str
) -> dict[Folders, int]:
    """Returns each class folder with its side, where the user says which class is the crack."""
    chosen = _chosen_names(folder, parts, places, positive)
    start = len(_shared(places))
    siblings = _siblings([place[start:] for place in places])
    sound = {name for names in siblings if names & chosen for name in names - chosen}
    if len({same_name(name) for name in sound}) > 1 and set(sides_of(sorted(sound))) != {0}:
        raise CrackdetError(
            f"{folder} holds {len(sound) + 1} classes, {listed(sound | chosen)}, and two are "
            f"needed: leave one beside {positive!r}, or give the labels with --labels FILE."
        )
    sides = dict.fromkeys(sound, 0) | dict.fromkeys(chosen, 1)
    classes = {}
    for place in places:
        for depth in range(start, len(place)):
            if place[depth] in sides:
                classes[place[: depth + 1]] = sides[place[depth]]
                break
    return classes


def _chosen_names(
    folder: Path, parts: Sequence[Folders], places: Sequence[Folders], positive: str
) -> set[str]:
    """Returns the folder names that --positive means: in any case, where that is one class."""
    known = {name for place in places for name in place}
    chosen = {name for name in known if same_name(name) == same_name(positive)}
    if any(len(names & chosen) > 1 for names in _siblings(parts)):
        chosen &= {positive}
        if not chosen:
            raise UsageError(
                f"--positive {positive} fits several class folders of {folder}: spell it as the "
                "folder is."
            )
    if not chosen:
        raise UsageError(
            f"{folder} has no class folder {positive!r}, which --positive names: it has "
            f"{listed(_doubtful_names(places))}."
        )
    return chosen


def _class_folder(place: Folders, classes: Container[Folders]) -> Folders | None:
    """Returns the class folder that a picture stands in, or None."""
    above = (place[:depth] for depth in range(1, len(place) + 1))
    return next((folders for folders in above if folders in classes), None)


def _require_labels(folder: Path, paths: Sequence[Path], found: Sequence[Folders | None]) -> None:
    bare = [path for path, place in zip(paths, found, strict=True) if place is None]
    if bare:
        raise CrackdetError(
            f"{len(bare)} pictures of {folder} stand in no class folder and so carry no label, "
            f"such as {bare[0].relative_to(folder)}: move them out of {folder}; "
            "`crackdet predict` judges pictures without labels."
        )


def _question(folder: Path, names: Sequence[str]) -> str:
    """Returns the sentence that asks which class is the crack."""
    if len(names) > 2:
        return (
            f"{folder} holds {len(names)} classes, {listed(names)}, and two are needed, without "
            "crack and with crack: move the others out, or give the labels with --labels FILE."
        )
    if len(names) == 1:
        return (
            f"{folder} holds one class folder, {listed(names)}, which does not say whether it "
            f"shows cracks: if it does, {NAME_IT}; else call it 'sound'."
        )
    sides = sides_of(names)
    if sides == [1, 1] or sides == [0, 0]:
        word = "cracked" if sides[0] else "sound"
        return f"{listed(names)} of {folder} both read as {word}: if one is the crack, {NAME_IT}."
    return f"Which of {listed(names)} of {folder} shows cracks is not clear: {NAME_IT}."


def _doubtful_names(places: Sequence[Folders]) -> list[str]:
    """Returns the names of the topmost siblings of which something is understood, or the first."""
    start = len(_shared(places))
    siblings = _siblings([place[start:] for place in places])
    told = (names for names in siblings if any(s is not None for s in sides_of(sorted(names))))
    return sorted(next(told, siblings[0]))


def _siblings(places: Iterable[Folders]) -> list[set[str]]:
    """Returns the names of the folders of each folder, from the top down."""
    found: dict[Folders, set[str]] = {}
    for place in places:
        for depth, name in enumerate(place):
            found.setdefault(place[:depth], set()).add(name)
    return [found[prefix] for prefix in sorted(found, key=len)]


def _shared(places: Sequence[Folders]) -> Folders:
    """Returns the folders that all pictures stand below, such as the one of an unpacked archive."""
    shared = places[0][:-1]
    for place in places:
        while shared != place[:-1][: len(shared)]:
            shared = shared[:-1]
    return shared


def _names(classes: Mapping[Folders, int], side: int) -> list[str]:
    return sorted({place[-1] for place, each in classes.items() if each == side})
