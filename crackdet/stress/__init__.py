"""The stress validation: pictures made from validation patches that tell how unseen sites go."""

from crackdet.stress.families import FAMILIES
from crackdet.stress.split import SEVERITIES, VERSION, StressSplit, stress_split

__all__ = ["FAMILIES", "SEVERITIES", "VERSION", "StressSplit", "stress_split"]
