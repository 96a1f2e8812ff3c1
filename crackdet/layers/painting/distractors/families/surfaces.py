"""Families of how a surface was made and worn."""

from crackdet.layers.painting.distractors.lines import ANY_ANGLE, Lines
from crackdet.layers.painting.distractors.ranges import Family
from crackdet.layers.painting.distractors.spots import Spots

SURFACES = {
    "tie_holes": Family(
        "Where formwork ties went through the wall: a few round holes, open and dark or plugged "
        "with mortar, with a rim.",
        (
            Spots(
                weight=0.5,
                count=(1.0, 3.5),
                radius=(4.0, 15.0),
                unequal=(0.0, 0.05),
                long=(0.0, 0.08),
                soft=(1.0, 2.5),
                tone=(-1.8, -0.5),
                shade=(-0.5, 0.5),
                ring=(-0.25, 0.2),
                ring_width=(0.15, 0.8),
                rough=(0.0, 0.06),
                cover=(0.5, 0.9),
            ),
            Spots(
                weight=0.5,
                count=(1.0, 3.5),
                radius=(6.0, 18.0),
                unequal=(0.0, 0.05),
                long=(0.0, 0.08),
                soft=(1.0, 3.0),
                tone=(-0.3, 0.2),
                shade=(-0.25, 0.25),
                ring=(-0.7, -0.1),
                ring_width=(0.08, 0.2),
                rough=(0.0, 0.06),
                cover=(0.2, 0.8),
            ),
        ),
    ),
    "pores": Family(
        "Pores of trapped air: dark round holes, lit on one side, few or many, of all sizes.",
        (
            Spots(
                weight=1.5,
                count=(4.0, 96.0),
                radius=(0.8, 4.5),
                unequal=(0.3, 0.7),
                long=(0.1, 0.5),
                soft=(0.8, 1.6),
                tone=(-1.1, -0.12),
                vary=(0.0, 0.25),
                shade=(-0.5, 0.5),
                ring=(-0.04, 0.08),
                rough=(0.0, 0.25),
                cover=(0.0, 0.5),
            ),
        ),
    ),
    "coarse_aggregate": Family(
        "Stones of the mix that lie open: light and dark pebbles, each with a shaded side.",
        (
            Spots(
                count=(40.0, 96.0),
                radius=(4.0, 12.0),
                unequal=(0.2, 0.45),
                long=(0.2, 0.5),
                soft=(1.0, 2.0),
                tone=(-0.12, 0.12),
                vary=(0.06, 0.3),
                shade=(-0.25, 0.25),
                ring=(-0.12, 0.04),
                ring_width=(0.2, 0.5),
                rough=(0.1, 0.35),
                cover=(0.0, 0.4),
            ),
        ),
    ),
    "scratches": Family(
        "Scratches and scrapes: thin pale lines, nearly straight, alone or in bundles, that fade "
        "out at their ends.",
        (
            Lines(
                turn=ANY_ANGLE,
                bend=(-0.05, 0.05),
                width=(0.5, 2.2),
                soft=(1.0, 1.6),
                tone=(0.08, 0.5),
                count=(1.0, 14.0),
                spacing=(3.0, 24.0),
                uneven=(0.5, 1.0),
                fade=(0.3, 0.6),
                patchy=(0.2, 0.7),
                inside=(0.2, 0.7),
                partner=(0.25, 0.25),
            ),
        ),
    ),
    "trowel_marks": Family(
        "What a trowel or a float leaves: sweeping arcs, sharp on one side and fading on the "
        "other, with stripes along them.",
        (
            Lines(
                turn=ANY_ANGLE,
                bend=(-0.15, 0.15),
                width=(1.0, 4.0),
                soft=(1.5, 5.0),
                tone=(-0.12, 0.2),
                bleed=(-0.18, 0.18),
                reach=(6.0, 50.0),
                count=(1.0, 6.0),
                spacing=(18.0, 70.0),
                uneven=(0.3, 0.9),
                grain=(0.005, 0.05),
                grain_width=(1.5, 6.0),
                rough=(0.0, 0.3),
                fade=(0.3, 0.6),
                patchy=(0.3, 0.7),
                inside=(0.0, 0.4),
            ),
        ),
    ),
}
