"""Makes the shipped table `groups.csv` and `leakage.json` again from the official images.

    python -m tfds_builder.concrete_cracks.make_groups FOLDER --out DIR

FOLDER holds the two class folders or the archive, as for TFDS's `manual_dir`. The same images give
the same bytes, whatever the files' order.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from tfds_builder.concrete_cracks.errors import DataSourceError
from tfds_builder.concrete_cracks.sources import (
    SourceImage,
    check_complete,
    find_source,
    read_images,
)
from tfds_builder.concrete_cracks.splits import distinct_names
from tfds_builder.grouping import (
    Links,
    assign_splits,
    connected_groups,
    find_links,
    leakage,
    run_numbers,
    save_table,
    twin_groups,
)

LARGEST_SHARE = 0.03


def make_groups(images: list[SourceImage], links: Links) -> tuple[list[dict[str, Any]], dict]:
    """Works out groups and splits.

    Args:
        images: The images, ordered by content key and file name.
        links: Their links.

    Returns:
        The rows of `groups.csv` and the content of `leakage.json`.
    """
    count = len(images)
    names = distinct_names(images)
    labels = np.array([image.label for image in images])
    numbers = run_numbers([image.filename for image in images])
    groups = connected_groups(count, links, numbers=numbers, largest=LARGEST_SHARE)
    twins = twin_groups(count, links)
    splits = {
        rule: assign_splits(units, labels, names)
        for rule, units in (("random", np.arange(count)), ("twins", twins), ("grouped", groups))
    }
    facts: dict[str, Any] = {rule: leakage(links, split, labels) for rule, split in splits.items()}
    facts["facts"] = group_facts(labels, links, twins, groups)
    rows = {
        image.key: {"key": image.key, "twin_group": int(twin), "group": int(group)}
        for image, twin, group in zip(images, twins, groups, strict=True)
    }
    return list(rows.values()), facts


def group_facts(
    labels: np.ndarray, links: Links, twins: np.ndarray, groups: np.ndarray
) -> dict[str, Any]:
    """Counts groups, their sizes and what stays alone."""
    crops = np.unique(np.stack([groups, twins]), axis=1)[0]
    sizes = np.bincount(groups)
    crop_sizes = np.bincount(crops)
    positive = labels == 1
    return {
        "images": len(labels),
        "links": len(links),
        "distinct_crops": {
            "negative": len(np.unique(twins[~positive])),
            "positive": len(np.unique(twins[positive])),
        },
        "groups": len(sizes),
        "groups_with_positives": len(np.unique(groups[positive])),
        "largest_groups": np.sort(sizes)[::-1][:10].tolist(),
        "images_alone_with_their_twins": {
            "negative": int((crop_sizes[groups[~positive]] == 1).sum()),
            "positive": int((crop_sizes[groups[positive]] == 1).sum()),
        },
    }


def _print_progress(what: str, done: int, total: int) -> None:
    end = "\n" if done >= total else ""
    print(f"\r{what}: {done:,} of {total:,} ", end=end, file=sys.stderr, flush=True)


def main() -> int:
    """Runs the script; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the class folders or the archive's folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for the two files")
    parser.add_argument("--workers", type=int, default=2, help="threads (default 2)")
    options = parser.parse_args()
    started = time.monotonic()
    try:
        source = find_source(options.folder)
        if source is None:
            raise DataSourceError(
                f"{options.folder} holds neither the class folders nor an archive."
            )
        images = sorted(read_images(source), key=lambda image: (image.key, image.filename))
        check_complete(source, images)
    except DataSourceError as error:
        print(f"make_groups: {error}", file=sys.stderr)
        return 1
    encoded = [image.jpeg for image in images]
    links = find_links(encoded, progress=_print_progress, workers=options.workers)
    rows, facts = make_groups(images, links)
    options.out.mkdir(parents=True, exist_ok=True)
    save_table(options.out / "groups.csv", rows)
    text = json.dumps(facts, indent=2) + "\n"
    (options.out / "leakage.json").write_text(text, "utf-8")
    print(text)
    print(f"Wrote {options.out / 'groups.csv'} in {time.monotonic() - started:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
