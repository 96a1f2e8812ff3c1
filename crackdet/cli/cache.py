"""`crackdet cache`: lists and clears the frozen features that runs have kept."""

import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crackdet.cli import options as cli
from crackdet.errors import CrackdetError

if TYPE_CHECKING:
    from crackdet.features.store import FeatureStore, StoredTable

_TITLES = ("images", "size", "depth", "view", "rows", "GB", "last use")
_ROW = "{:<8}  {:>9}  {:>5}  {:>4}  {:>15}  {:>8}  {}"


def add_parser(subparsers: Any) -> None:
    """Adds the command and its two parts to the command line."""
    parser = subparsers.add_parser(
        "cache", help="list or clear cached features", allow_abbrev=False
    )
    parts = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)
    for name, execute, text in (
        ("list", execute_list, "say what is cached, how large it is and when it was last used"),
        ("clear", execute_clear, "delete cached features that no running command has open"),
    ):
        part = parts.add_parser(
            name, help=text, description=text.capitalize() + ".", allow_abbrev=False
        )
        part.add_argument(
            "--cache-dir",
            metavar="DIR",
            help="the cache's folder (default: every cache below the current folder)",
        )
        cli.add_common(part)
        part.set_defaults(execute=execute)


def execute_list(arguments: Namespace) -> None:
    """Prints a line for each table of each cache."""
    for store in _caches(arguments.cache_dir):
        tables = store.tables()
        print(store.directory)
        print("  " + _ROW.format(*_TITLES))
        for table in reversed(tables):
            print("  " + _ROW.format(*_cells(table)))
        print(f"  total {_gigabytes(tables)} GB in {len(tables)} tables")


def execute_clear(arguments: Namespace) -> None:
    """Deletes the tables that nobody has open, and nothing else."""
    for store in _caches(arguments.cache_dir):
        tables = store.tables()
        kept = store.clear()
        names = {table.folder for table in kept}
        gone = [table for table in tables if table.folder not in names]
        print(f"{store.directory}: removed {len(gone)} tables, {_gigabytes(gone)} GB")
        for table in kept:
            _, size, depth, view, *_ = _cells(table)
            print(f"  kept {size} pixels, depth {depth}, view {view}: a running command uses it")


def _caches(given: str | None) -> "list[FeatureStore]":
    """Returns the cache that was named, or all below the current folder.

    Raises:
        CrackdetError: If there is no cache.
    """
    from crackdet.features.store import FeatureStore, find_caches, is_cache

    if given is not None:
        if not is_cache(Path(given)):
            raise CrackdetError(f"--cache-dir {given} holds no cached features.")
        return [FeatureStore(Path(given))]
    found = [FeatureStore(directory) for directory in find_caches(Path())]
    if not found:
        raise CrackdetError("No cache below the current folder: name one with --cache-dir.")
    return found


def _cells(table: "StoredTable") -> tuple[str, ...]:
    meta = table.meta
    return (
        meta["universe"][:8],
        "x".join(map(str, meta["image_size"])),
        str(meta["depth"]),
        str(meta["view"]),
        f"{table.done} of {meta['rows']}",
        _gigabytes([table]),
        time.strftime("%Y-%m-%d %H:%M", time.localtime(table.last_use)),
    )


def _gigabytes(tables: "list[StoredTable]") -> str:
    return f"{sum(table.size for table in tables) / 1e9:.3f}"
