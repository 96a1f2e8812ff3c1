"""Families of what water, dirt and life leave on a wall."""

from crackdet.layers.painting.distractors.ranges import Family
from crackdet.layers.painting.distractors.stains import Stains

DEPOSITS = {
    "stains": Family(
        "Damp, dirt and uneven drying: darker or paler patches with soft or sharp outlines.",
        (
            Stains(  # With an outline.
                size=(20.0, 110.0),
                stretch=(1.0, 3.0),
                detail=(0.0, 0.05),
                level=(-0.6, 1.0),
                soft=(0.06, 0.4),
                tone=(-0.5, -0.06),
                warm=(-0.05, 0.2),
                grain=(0.0, 0.08),
                fall=(-0.8, 0.8),
            ),
            Stains(
                size=(12.0, 110.0),
                stretch=(1.0, 4.0),
                detail=(0.0, 0.3),
                level=(-0.6, 1.0),
                soft=(0.5, 2.5),
                tone=(-0.7, 0.15),
                warm=(-0.05, 0.25),
                grain=(0.0, 0.15),
                fall=(-0.8, 0.8),
            ),
        ),
    ),
    "efflorescence": Family(
        "Lime that water has left: pale runs down the wall, powdery veils and crusts.",
        (
            Stains(
                upright=(0.3, 1.0),
                size=(9.0, 22.0),
                stretch=(3.0, 24.0),
                detail=(0.1, 0.5),
                level=(0.3, 1.4),
                soft=(0.8, 2.5),
                tone=(0.1, 0.6),
                warm=(-0.1, 0.15),
                grain=(0.0, 0.25),
                fall=(-0.4, 1.6),
                cover=(0.0, 0.5),
            ),
            Stains(
                weight=0.7,
                size=(9.0, 40.0),
                stretch=(1.0, 3.0),
                detail=(0.2, 0.7),
                level=(0.5, 1.5),
                soft=(1.0, 3.0),
                tone=(0.1, 0.5),
                warm=(-0.1, 0.1),
                grain=(0.1, 0.5),
                fall=(-1.0, 1.0),
                cover=(0.0, 0.5),
            ),
        ),
    ),
    "moss": Family(
        "Moss, algae and lichen: ragged patches, green, grey or black, with a fine grain.",
        (
            Stains(
                size=(9.0, 45.0),
                stretch=(1.0, 1.6),
                detail=(0.2, 0.6),
                level=(0.5, 1.7),
                soft=(0.5, 2.0),
                tone=(-1.2, -0.25),
                warm=(0.05, 0.4),
                green=(0.0, 0.3),
                grain=(0.1, 0.4),
                fall=(-0.8, 0.8),
                cover=(0.0, 0.5),
            ),
        ),
    ),
}
