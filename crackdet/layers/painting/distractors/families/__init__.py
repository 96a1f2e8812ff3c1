"""The families of distractors: what is mistaken for a crack, and how it looks.

No look is thin, dark, jagged and branched at once: that is a crack. The numbers are meant for
patches of about 224 pixels.
"""

from crackdet.layers.painting.distractors.families.before_walls import BEFORE_WALLS
from crackdet.layers.painting.distractors.families.by_name import BY_NAME
from crackdet.layers.painting.distractors.families.deposits import DEPOSITS
from crackdet.layers.painting.distractors.families.joints import JOINTS
from crackdet.layers.painting.distractors.families.surfaces import SURFACES

FAMILIES = {**JOINTS, **SURFACES, **DEPOSITS, **BEFORE_WALLS, **BY_NAME}
