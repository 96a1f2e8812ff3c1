"""Which images show the same piece of wall, and splits that keep them together.

Needs NumPy, SciPy, OpenCV and Faiss; knows neither TFDS nor crackdet.
"""

from tfds_builder.grouping.groups import connected_groups, join_groups, run_numbers, twin_groups
from tfds_builder.grouping.links import OVERLAP, TWIN, Links, find_links
from tfds_builder.grouping.splits import TEST, TRAIN, VALIDATION, assign_splits, leakage
from tfds_builder.grouping.table import content_key, load_table, save_table

__all__ = [
    "OVERLAP",
    "TEST",
    "TRAIN",
    "TWIN",
    "VALIDATION",
    "Links",
    "assign_splits",
    "connected_groups",
    "content_key",
    "find_links",
    "join_groups",
    "leakage",
    "load_table",
    "run_numbers",
    "save_table",
    "twin_groups",
]
