"""Pictures that are no concrete: photographs, textures, faces, text, and drawn patterns.

The photographs are those that come inside of scikit-image (`skimage/data`) and scikit-learn; they
are cut into squares of several sizes, so that a whole cat is among them and a piece of its fur.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_images

Pictures = NDArray[np.uint8]

SIDE = 224
CUTS = 12  # of one photograph, beside the whole of it
FACES = 60
DRAWN = 40  # of each pattern

SKIMAGE = {
    "people, animals, things": (
        *("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "rocket.jpg"),
        *("motorcycle_left.png", "clock_motion.png", "horse.png"),
    ),
    "bricks": ("brick.png",),
    "grass": ("grass.png",),
    "gravel": ("gravel.png",),
    "text": ("page.png", "text.png"),
    "medicine, sky": (
        *("cell.png", "ihc.png", "retina.jpg", "microaneurysms.png", "moon.png"),
        "hubble_deep_field.jpg",
    ),
}


def strange_pictures(skimage_data: Path | None = None, seed: int = 0) -> dict[str, Pictures]:
    """Returns pictures by family, each uint8 `(count, 224, 224, 3)`.

    Args:
        skimage_data: The folder skimage/data; None looks for an installed scikit-image, without
            which its pictures are left out.
        seed: Of the cuts and patterns.
    """
    random = np.random.default_rng(seed)
    families = {}
    folder = skimage_data or _installed()
    if folder is not None:
        for family, names in SKIMAGE.items():
            parts = [cuts(_rgb(folder / name), random) for name in names]
            families[family] = np.concatenate(parts)
        faces = np.load(folder / "lfw_subset.npy")[:FACES]  # the first hundred are faces
        families["faces"] = np.stack([_sized(np.uint8(255 * np.stack([f] * 3, -1))) for f in faces])
    photographs = [cuts(image, random) for image in load_sample_images().images]
    families["temple, flower"] = np.concatenate(photographs)
    for family, draw in DRAWINGS.items():
        families[family] = np.stack([draw(random) for _ in range(DRAWN)])
    return families


def cuts(image: Pictures, random: np.random.Generator) -> Pictures:
    """Returns the whole of a picture and squares of it, from a quarter of it to most of it."""
    height, width = image.shape[:2]
    parts = [_sized(image)]
    for _ in range(CUTS):
        side = int(min(height, width) * random.uniform(0.25, 0.9))
        top, left = random.integers(height - side), random.integers(width - side)
        parts.append(_sized(image[top : top + side, left : left + side]))
    return np.stack(parts)


def _installed() -> Path | None:
    found = importlib.util.find_spec("skimage")
    return Path(found.origin).parent / "data" if found and found.origin else None


def _rgb(path: Path) -> Pictures:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _sized(image: Pictures) -> Pictures:
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _colour(random: np.random.Generator) -> NDArray[np.float64]:
    return random.uniform(0, 255, 3)


def _pixels(values: NDArray[np.float64], random: np.random.Generator) -> Pictures:
    noisy = values + random.normal(0, random.uniform(0, 6), values.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _along(random: np.random.Generator) -> NDArray[np.float64]:
    """Distances along a random direction, `(SIDE, SIDE)`."""
    turn = random.uniform(0, np.pi)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return rows * np.sin(turn) + columns * np.cos(turn)


def stripes(random: np.random.Generator) -> Pictures:
    """Stripes of two colours."""
    wave = np.sin(2 * np.pi * _along(random) / np.exp(random.uniform(np.log(6), np.log(90))))
    share = (wave > 0 if random.random() < 0.5 else (wave + 1) / 2)[..., None]
    return _pixels(share * _colour(random) + (1 - share) * _colour(random), random)


def checks(random: np.random.Generator) -> Pictures:
    """A checkerboard of two colours."""
    cell = random.integers(6, 60)
    rows, columns = np.mgrid[:SIDE, :SIDE] // cell
    share = ((rows + columns) % 2)[..., None]
    return _pixels(share * _colour(random) + (1 - share) * _colour(random), random)


def gradient(random: np.random.Generator) -> Pictures:
    """One colour that goes over into another."""
    along = _along(random)
    share = ((along - along.min()) / np.ptp(along))[..., None]
    return _pixels(share * _colour(random) + (1 - share) * _colour(random), random)


def courses(random: np.random.Generator) -> Pictures:
    """A wall of bricks with pale joints."""
    height, joint = random.integers(16, 60), random.integers(1, 5)
    width = int(height * random.uniform(1.8, 3.2))
    colour, mortar = np.array([random.uniform(90, 190), 80, 60]), random.uniform(140, 220)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    course = rows // height
    columns = columns + (course % 2) * (width // 2)
    shade = random.uniform(0.7, 1.2, (SIDE // height + 2, SIDE // width + 3))
    picture = colour * shade[course, columns // width][..., None]
    picture[(rows % height < joint) | (columns % width < joint)] = mortar
    return _pixels(picture, random)


def blades(random: np.random.Generator) -> Pictures:
    """Blades of grass."""
    image = Image.new("RGB", (SIDE, SIDE), (30, 50, 20))
    draw = ImageDraw.Draw(image)
    for _ in range(900):
        x, y = random.uniform(-10, SIDE + 10, 2)
        tip = x + random.normal(0, 12), y - random.uniform(10, 50)
        green = int(random.uniform(80, 220))
        draw.line([(x, y), tip], (int(green * 0.6), green, 30), int(random.integers(1, 4)))
    return np.asarray(image)


def letters(random: np.random.Generator) -> Pictures:
    """Dark lines of letters on paper."""
    image = Image.new("RGB", (SIDE, SIDE), tuple(int(v) for v in random.uniform(190, 255, 3)))
    draw, size = ImageDraw.Draw(image), int(random.integers(10, 40))
    font = ImageFont.load_default(size)
    for top in range(0, SIDE, int(1.3 * size)):
        words = "".join(chr(c) for c in random.choice([*range(97, 123), 32, 32, 32], 60))
        draw.text((4, top), words, (20, 20, 30), font)
    return np.asarray(image)


def shapes(random: np.random.Generator) -> Pictures:
    """Discs and boxes of all colours."""
    image = Image.new("RGB", (SIDE, SIDE), tuple(int(v) for v in _colour(random)))
    draw = ImageDraw.Draw(image)
    for _ in range(int(random.integers(3, 30))):
        (x, y), (w, h) = random.uniform(0, SIDE, 2), random.uniform(10, 90, 2)
        shape = draw.ellipse if random.random() < 0.5 else draw.rectangle
        shape([x, y, x + w, y + h], tuple(int(v) for v in _colour(random)))
    return np.asarray(image)


def noise(random: np.random.Generator) -> Pictures:
    """Noise in colour, finer or coarser."""
    cells = int(random.integers(8, SIDE))
    return _sized(random.integers(0, 256, (cells, cells, 3), np.uint8))


DRAWINGS: dict[str, Callable[[np.random.Generator], Pictures]] = {
    "drawn stripes": stripes,
    "drawn checks": checks,
    "drawn gradients": gradient,
    "drawn bricks": courses,
    "drawn grass": blades,
    "drawn text": letters,
    "drawn shapes": shapes,
    "drawn noise": noise,
}
