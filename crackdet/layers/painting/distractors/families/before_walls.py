"""Families of what stands before a wall, and of its shadow."""

from crackdet.layers.painting.distractors.lines import ANY_ANGLE, Lines
from crackdet.layers.painting.distractors.ranges import Family

BEFORE_WALLS = {
    "shadow_edge": Family(
        "Shadows of roofs, poles and beams: a sharp or soft edge, or a band between two edges, "
        "dark and a little blue.",
        (
            Lines(
                turn=ANY_ANGLE,
                place=(-0.35, 0.35),
                bend=(-0.04, 0.04),
                warm=(-0.12, 0.0),
                step=(-1.1, -0.2),
                step_soft=(1.0, 25.0),
            ),
            Lines(
                turn=ANY_ANGLE,
                bend=(-0.03, 0.03),
                width=(5.0, 70.0),
                soft=(1.0, 15.0),
                tone=(-1.0, -0.2),
                warm=(-0.12, 0.0),
                partner=(0.2, 0.2),
            ),
        ),
    ),
    "wires": Family(
        "Cables, wires and bare stems before a wall, and the shadows that they cast: smooth curves "
        "of one width that cross the patch.",
        (
            Lines(  # Before the wall, with or without its shadow.
                turn=ANY_ANGLE,
                bend=(-0.2, 0.2),
                wave=(-0.06, 0.06),
                width=(1.4, 8.0),
                soft=(0.9, 2.0),
                tone=(-1.8, -0.3),
                twin=(-0.2, 0.5),
                twin_gap=(-22.0, 22.0),
                twin_soft=(1.5, 7.0),
                partner=(0.25, 0.25),
                cover=(0.5, 0.95),
            ),
            Lines(  # Pale.
                weight=0.5,
                turn=ANY_ANGLE,
                bend=(-0.2, 0.2),
                wave=(-0.06, 0.06),
                width=(1.2, 7.0),
                soft=(0.9, 2.0),
                tone=(0.08, 0.5),
                twin=(-2.0, -0.3),
                twin_gap=(-12.0, 12.0),
                twin_soft=(1.5, 6.0),
                partner=(0.2, 0.2),
                cover=(0.5, 0.95),
            ),
            Lines(  # The shadow alone.
                turn=ANY_ANGLE,
                bend=(-0.2, 0.2),
                wave=(-0.06, 0.06),
                width=(1.5, 9.0),
                soft=(1.5, 6.0),
                tone=(-0.8, -0.15),
                warm=(-0.12, 0.0),
                partner=(0.3, 0.3),
            ),
            Lines(  # Several, side by side.
                weight=0.5,
                turn=ANY_ANGLE,
                bend=(-0.15, 0.15),
                width=(1.2, 5.0),
                soft=(0.9, 2.0),
                tone=(-1.5, -0.3),
                count=(2.0, 5.0),
                spacing=(7.0, 40.0),
                uneven=(0.0, 0.3),
                cover=(0.4, 0.95),
            ),
        ),
    ),
}
