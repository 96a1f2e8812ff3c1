"""The stress validation: pictures made from validation patches that tell how unseen sites go."""

from crackdet.stress.families import FAMILIES
from crackdet.stress.split import SEVERITIES, VERSION, StressSplit, stress_split
from crackdet.stress.widths import CONTRASTS, WidthSplit, width_split

__all__ = [
    "CONTRASTS",
    "FAMILIES",
    "SEVERITIES",
    "VERSION",
    "StressSplit",
    "WidthSplit",
    "stress_split",
    "width_split",
]
