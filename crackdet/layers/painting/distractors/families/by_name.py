"""Families that are painted only if they are named, so that others can be judged by them."""

from crackdet.layers.painting.distractors.lines import ANY_ANGLE, Lines
from crackdet.layers.painting.distractors.ranges import Family
from crackdet.layers.painting.distractors.spots import Spots
from crackdet.layers.painting.distractors.stains import Stains

BY_NAME = {
    "saw_grooves": Family(
        "Grooves sawn or tined into pavements: straight dark lines of one width, alone or at equal "
        "distances, with sharp edges.",
        (
            Lines(
                turn=ANY_ANGLE,
                width=(1.5, 6.0),
                soft=(0.8, 2.0),
                tone=(-1.4, -0.3),
                twin=(-0.3, 0.2),
                twin_soft=(1.0, 2.0),
                count=(1.0, 24.0),
                spacing=(9.0, 40.0),
                uneven=(0.0, 0.2),
                rough=(0.0, 0.05),
                fade=(0.0, 0.2),
                partner=(0.1, 0.1),
            ),
        ),
        painted=False,
    ),
    "honeycombing": Family(
        "Nests of gravel that mortar has not filled: dark hollows crowded between stones.",
        (
            Spots(
                count=(70.0, 96.0),
                radius=(2.0, 5.0),
                unequal=(0.3, 0.5),
                long=(0.3, 0.6),
                soft=(1.0, 2.0),
                tone=(-0.9, -0.3),
                vary=(0.1, 0.3),
                shade=(-0.6, 0.6),
                rough=(0.2, 0.4),
                cover=(0.0, 0.4),
            ),
        ),
        painted=False,
    ),
    "rust": Family(
        "Rust of reinforcement or fittings: red-brown runs and clouds.",
        (
            Stains(
                upright=(0.3, 1.0),
                size=(9.0, 40.0),
                stretch=(1.0, 10.0),
                detail=(0.0, 0.4),
                level=(0.3, 1.5),
                soft=(0.5, 2.5),
                tone=(-0.7, -0.15),
                warm=(0.3, 0.7),
                grain=(0.0, 0.25),
                fall=(-0.8, 1.2),
            ),
        ),
        painted=False,
    ),
    "paint_edge": Family(
        "The edge of a coat of paint or of a painted line: another tone without the wall's grain.",
        (
            Lines(
                turn=ANY_ANGLE,
                width=(8.0, 60.0),
                soft=(1.0, 2.5),
                tone=(-0.6, 0.45),
                rough=(0.0, 0.04),
                cover=(0.6, 0.95),
            ),
            Lines(
                turn=ANY_ANGLE,
                width=(4.0, 8.0),
                step=(-0.7, 0.4),
                step_soft=(1.0, 2.5),
                step_cover=(0.6, 0.95),
                rough=(0.0, 0.15),
            ),
        ),
        painted=False,
    ),
    "pipes": Family(
        "Pipes, rails and conduits on a wall: a wide smooth bar with a lit or shaded side and its "
        "shadow beside it.",
        (
            Lines(
                turn=(-0.3, 0.3),
                width=(12.0, 45.0),
                soft=(1.0, 4.0),
                tone=(-1.0, 0.3),
                twin=(0.1, 0.8),
                twin_gap=(-8.0, 8.0),
                twin_soft=(2.0, 10.0),
                bleed=(-0.5, 0.2),
                reach=(3.0, 15.0),
                cover=(0.9, 0.95),
            ),
        ),
        painted=False,
    ),
}
