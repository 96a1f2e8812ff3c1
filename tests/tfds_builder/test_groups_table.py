"""The shipped table, against the images it was made from."""

import numpy as np
import pytest

from tfds_builder.concrete_cracks.splits import shipped_leakage, shipped_table
from tfds_builder.grouping import connected_groups, content_key, find_links, run_numbers


def test_table_covers_the_data_set_in_groups_that_hold_whole_twins():
    rows = list(shipped_table().values())
    assert len(rows) == 38_402
    sizes = np.bincount([row["group"] for row in rows])
    assert sizes.max() <= 0.03 * len(rows)
    pairs = {(row["twin_group"], row["group"]) for row in rows}
    assert len(pairs) == len({row["twin_group"] for row in rows})


def test_leakage_is_none_for_grouped_and_much_for_random():
    leak = shipped_leakage()
    assert leak["grouped"]["twin_or_overlap"] == 0
    assert leak["twins"]["twin"] == 0
    assert leak["random"]["twin"] > 0.3
    assert leak["random"]["twin_or_overlap"] > leak["twins"]["twin_or_overlap"] > 0.3


@pytest.mark.slow
def test_whole_walls_of_the_real_images_are_found_again(shared):
    files = sorted(shared("data/concrete_cracks").glob("*/*.jpg"))
    group = np.array([shipped_table()[content_key(path.read_bytes())]["group"] for path in files])
    sizes = np.bincount(group)
    walls = np.flatnonzero((sizes >= 10) & (sizes <= 60))[::12]
    alone = np.flatnonzero(sizes == 1)[::120]
    chosen = np.flatnonzero(np.isin(group, np.concatenate([walls, alone])))
    assert len(walls) > 10
    links = find_links([files[i] for i in chosen])
    names = [f"{files[i].parent.name}/{files[i].name}" for i in chosen]
    found = connected_groups(len(chosen), links, numbers=run_numbers(names))
    shipped = np.unique(group[chosen], return_inverse=True)[1]
    # The same division into walls, whatever their numbers.
    assert len(set(zip(found, shipped, strict=True))) == len(set(found)) == len(set(shipped))
