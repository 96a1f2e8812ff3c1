"""Shows what the painting layers make of patches: a grid for each, the patches in its first row.

A red frame says that the label is 1, cracked, after the painting. Without --data, the patches are
procedural ones.

    python examples/paint_patches.py --data my_patches --out painted
"""

import argparse
from pathlib import Path

import keras
import numpy as np
from PIL import Image

import crackdet
from crackdet import layers

RED, FRAME, GAP = (200, 0, 0), 3, 4


def grid(rows: list[tuple[np.ndarray, np.ndarray]]) -> Image.Image:
    lines = []
    for images, labels in rows:
        framed = images.copy()
        for edge in (
            np.s_[:, :FRAME],
            np.s_[:, -FRAME:],
            np.s_[:, :, :FRAME],
            np.s_[:, :, -FRAME:],
        ):
            framed[edge][labels == 1] = RED
        spaced = np.pad(framed, [(0, 0), (GAP, GAP), (GAP, GAP), (0, 0)], constant_values=255)
        lines.append(np.concatenate(list(spaced), axis=1))
    return Image.fromarray(np.concatenate(lines))


def paint(layer: keras.Layer, images: np.ndarray, labels: np.ndarray) -> tuple:
    painted = layer({"images": images, "labels": labels})
    return tuple(keras.ops.convert_to_numpy(painted[name]) for name in ("images", "labels"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default="demo", help="a folder with one folder a class")
    parser.add_argument("--data-dir", help="where built data sets stand")
    parser.add_argument("--out", default="runs/painted", help="folder for the grids")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--patches", type=int, default=6)
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    size, seed, strength = options.image_size, options.seed, options.strength
    data = crackdet.load_data(options.data, image_size=size, data_dir=options.data_dir)
    rng, labels = np.random.default_rng(seed), np.asarray(data.train.labels)
    cracked, sound = (rng.permutation(np.flatnonzero(labels == label)) for label in (1, 0))
    count = options.patches // 3  # two sound ones for each that is cracked
    chosen = np.concatenate([sound[: options.patches - count], cracked[:count]])
    images, labels = data.train.images(chosen).astype(np.uint8), labels[chosen].astype(np.int32)

    shown = {
        "zoom_out": layers.RandomZoomOut(1 + 0.8 * strength, rate=1.0, seed=seed),
        "distractor": layers.RandomDistractor(1.0, strength, seed=seed),
        "crack": layers.RandomCrack(1.0, strength, seed=seed),
        "camera": layers.RandomCamera(strength, seed=seed),
        "painting": layers.painting(strength, seed=seed),
    }
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    for name, layer in shown.items():
        rows = [paint(layer, images, labels) for _ in range(5)]
        path = out / f"{name}.jpg"
        grid([(images, labels), *rows]).save(path, quality=90)
        print(path)


if __name__ == "__main__":
    main()
