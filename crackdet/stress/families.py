"""The families of the stress validation: what each lays on a picture, and how severely."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crackdet.stress import camera, on_walls, over_walls
from crackdet.stress.drawing import Field, Picture

# What stands on or before the wall: a picture with it, and where it hides a crack.
Thing = Callable[[Picture, int, np.random.Generator], tuple[Picture, Field | None]]
Fault = Callable[[Picture, int, np.random.Generator], Picture]


@dataclass(frozen=True)
class Family:
    """How the pictures of a family are made.

    Attributes:
        thing: What is on the wall, sound and cracked alike.
        fault: What the camera does, last.
        cracks: Severity of the painted crack at each severity of the family.
        made_up: Share of the pairs that stand on a made-up surface. Validation's walls are of the
            site that training knows; a detector is as much at a loss on another wall as before
            what lies on it.
        real: Share of the other cracked pictures whose crack is a real one.
    """

    thing: Thing | None = None
    fault: Fault | None = None
    cracks: tuple[int, int, int, int, int] = (1, 2, 3, 4, 5)
    made_up: float = 0.5
    real: float = 0.0


def _on(paint: Fault) -> Thing:
    """Returns a thing that hides nothing of a crack."""

    def thing(picture: Picture, severity: int, rng: np.random.Generator) -> tuple[Picture, None]:
        return paint(picture, severity, rng), None

    return thing


_FAULTY = (2, 2, 3, 3, 3)
FAMILIES: dict[str, Family] = {
    "faint cracks": Family(cracks=(2, 3, 4, 4, 5)),
    "saw grooves": Family(_on(on_walls.saw_grooves), real=0.25),
    "joints": Family(_on(on_walls.joints), real=0.25),
    "honeycombing": Family(_on(on_walls.honeycombing), real=0.25),
    "rust": Family(_on(on_walls.rust), real=0.25),
    "rough texture": Family(_on(on_walls.rough_texture), real=0.25),
    "twigs": Family(over_walls.twigs, real=0.25),
    "writing": Family(over_walls.writing, real=0.25),
    "paint edges": Family(over_walls.paint_edges, real=0.25),
    "rails and pipes": Family(over_walls.rails_and_pipes, real=0.25),
    "blur": Family(fault=camera.blur, cracks=_FAULTY, real=0.5),
    "noise": Family(fault=camera.sensor_noise, cracks=_FAULTY, real=0.5),
    "jpeg": Family(fault=camera.jpeg, cracks=_FAULTY, real=0.5),
    "low light": Family(fault=camera.low_light, cracks=_FAULTY, real=0.5),
    "low resolution": Family(fault=camera.low_resolution, cracks=_FAULTY, real=0.5),
    "zoomed out": Family(made_up=0.0, real=1.0),
    "scenes": Family(made_up=1.0),
}
