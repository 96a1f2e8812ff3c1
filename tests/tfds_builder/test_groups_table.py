"""The shipped table, against the images it was made from."""

import numpy as np
import pytest

from tfds_builder.concrete_cracks.splits import shipped_leakage, shipped_table
from tfds_builder.grouping import connected_groups, content_key, find_links


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
def test_a_sample_of_the_real_images_gives_the_same_groups(shared):
    folder = shared("data/concrete_cracks")
    table = shipped_table()
    # Files in a row of one class, so that the sample holds whole photos and parts of others.
    names = [f"Positive/{n:05d}.jpg" for n in (*range(6992, 7093), *range(1, 101))]
    names += [f"Negative/{n:05d}.jpg" for n in range(1, 101)]
    encoded = [(folder / name).read_bytes() for name in names]
    rows = [table[content_key(data)] for data in encoded]
    links = find_links(encoded)
    assert len(links) > 200
    shipped = np.array([row["group"] for row in rows])
    # No link of the sample joins what the table keeps apart …
    np.testing.assert_array_equal(shipped[links.first], shipped[links.second])
    # … and nearly all that the table joins is joined by links within the sample alone.
    found = connected_groups(len(names), links)
    same = shipped[:, None] == shipped
    pairs = np.triu(same, 1)
    assert (found[:, None] == found)[pairs].mean() > 0.9
