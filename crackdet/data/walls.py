"""What pictures have in common, and how much of one split another one knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tfds_builder.grouping import Links

# Which split must not know which, the gravest first.
_PAIRS = (("test", "train"), ("test", "validation"), ("validation", "train"))
# How a picture may be known, the closest way first, and how that is said.
_WAYS = {
    "copy": "as exact copies",
    "twin": "as twins (mirrored, rotated or compressed again)",
    "overlap": "as overlapping crops",
    "group": "by their group",
}


@dataclass(frozen=True)
class Walls:
    """What pictures have in common; all arrays but `overlaps` are int64 `(count,)`.

    Attributes:
        contents: Pictures of one number are exact copies.
        crops: Pictures of one number are twins, or exact copies.
        overlaps: int64 `(pairs, 2)`, numbers of crops that overlap.
        groups: Pictures of one number belong together, by any of these or as the user says.
        compared: Whether the groups hold all twins and overlapping crops that can be found.
    """

    contents: np.ndarray
    crops: np.ndarray
    overlaps: np.ndarray
    groups: np.ndarray
    compared: bool

    @classmethod
    def of_groups(
        cls, digests: Sequence[str], groups: np.ndarray | None = None, *, compared: bool = False
    ) -> "Walls":
        """Returns what content keys and groups tell alone.

        Args:
            digests: Content key of each picture.
            groups: int64 `(count,)`, -1 for pictures of which nothing is known.
            compared: See `Walls`.
        """
        contents = np.unique(np.array(digests, "U16"), return_inverse=True)[1]
        joined = contents if groups is None else joined_groups(contents, groups)
        return cls(contents, contents, np.empty((0, 2), np.int64), joined, compared)

    @classmethod
    def of_links(cls, digests: Sequence[str], links: "Links", groups: np.ndarray) -> "Walls":
        """Returns what content keys, links and groups tell.

        Args:
            digests: Content key of each picture.
            links: Twins and overlapping crops among the pictures.
            groups: Further groups, as in `of_groups`.
        """
        from tfds_builder.grouping import connected_groups, twin_groups

        walls = cls.of_groups(digests, groups)
        crops = joined_groups(walls.contents, twin_groups(len(digests), links))
        overlaps = np.stack([crops[links.first], crops[links.second]], axis=1)
        joined = joined_groups(walls.groups, connected_groups(len(digests), links))
        return cls(walls.contents, crops, overlaps, joined, True)


@dataclass(frozen=True)
class Leakage:
    """How many pictures of a split are known from another one.

    Attributes:
        compared: Whether twins and overlapping crops were looked for, or are told by the groups.
        known: For `test_in_train`, `test_in_validation` and `validation_in_train`, as far as these
            splits hold pictures: how many `images` the first split has, how many of them the
            second one knows (`known`), and each of these by the closest way: `copy`, `twin`,
            `overlap` (both None where they were not looked for) or `group`, which stands for what
            other pictures, or the user, join.
    """

    compared: bool
    known: Mapping[str, Mapping[str, Any]]

    @classmethod
    def between(cls, walls: Walls, splits: np.ndarray) -> "Leakage":
        """Counts what splits know of each other.

        Args:
            walls: What all pictures have in common.
            splits: `(count,)`, the name of each picture's split.
        """
        known = {
            f"{here}_in_{there}": _known(walls, splits == here, splits == there)
            for here, there in _PAIRS
            if here in splits and there in splits
        }
        return cls(walls.compared, known)

    @property
    def leaks(self) -> bool | None:
        """Whether a split knows another one; None where only copies and groups were looked at."""
        if any(row["known"] for row in self.known.values()):
            return True
        return False if self.compared or not self.known else None

    def facts(self) -> dict[str, Any]:
        """Returns what a record says of it: `leaks`, `words` and the counts of `known`."""
        counts = {name: dict(row) for name, row in self.known.items()}
        return {"leaks": self.leaks, "words": self.words(), **counts}

    def words(self) -> str:
        """Returns the counts in one or two sentences."""
        shown = [name for name, row in self.known.items() if row["known"]]
        if "test_in_train" in self.known and "test_in_train" not in shown:
            shown.insert(0, "test_in_train")
        sentences = [_sentence(name, self.known[name]) for name in shown]
        if self.known and not self.compared:
            sentences.append(
                "Twins and overlapping crops across the splits were not looked for, so figures may "
                "be too good."
            )
        return " ".join(sentences)


def joined_groups(*groupings: np.ndarray) -> np.ndarray:
    """Returns `tfds_builder.grouping.join_groups`, whose package is loaded by who needs it."""
    from tfds_builder.grouping import join_groups

    return join_groups(*groupings)


def _known(walls: Walls, here: np.ndarray, there: np.ndarray) -> dict[str, Any]:
    theirs = np.unique(walls.crops[there])
    pairs = np.concatenate([walls.overlaps, walls.overlaps[:, ::-1]])
    touching = pairs[np.isin(pairs[:, 1], theirs), 0]
    ways = {
        "copy": np.isin(walls.contents, walls.contents[there]),
        "twin": np.isin(walls.crops, theirs),
        "overlap": np.isin(walls.crops, touching),
        "group": np.isin(walls.groups, walls.groups[there]),
    }
    closest = np.select(list(ways.values()), range(len(ways)), default=-1)[here]
    counts: dict[str, Any] = {
        way: int(np.count_nonzero(closest == number)) for number, way in enumerate(ways)
    }
    if not walls.compared:
        counts |= {"twin": None, "overlap": None}
    return {"images": int(here.sum()), "known": int(np.count_nonzero(closest >= 0)), **counts}


def _sentence(name: str, row: Mapping[str, Any]) -> str:
    here, _, there = name.partition("_in_")
    of = f"of {row['images']:,} {here} images"
    if not row["known"]:
        return f"None {of} is known from {there}."
    ways = ", ".join(f"{row[way]:,} {words}" for way, words in _WAYS.items() if row[way])
    are = "is" if row["known"] == 1 else "are"
    return f"{row['known']:,} {of} {are} known from {there}: {ways}."
