"""Shows a stress validation: its cracked and its sound pictures, by family and severity.

Without --data, it is made from procedural patches.

    python examples/stress_pictures.py --data my_patches --out stress
"""

import argparse
from pathlib import Path

import numpy as np

import crackdet
from crackdet.report.figures.stress import draw_grid
from crackdet.stress import FAMILIES, SEVERITIES, stress_split


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", default="demo", help="folder, archive or TFDS name")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("stress"), help="folder of the grids")
    args = parser.parse_args()

    data = crackdet.load_data(args.data, image_size=args.image_size)
    one_of_each = 2 * len(FAMILIES) * len(SEVERITIES)
    stress = stress_split(data.validation, images=one_of_each, seed=args.seed, progress=True)
    args.out.mkdir(parents=True, exist_ok=True)
    for label, name in enumerate(("sound", "cracked")):
        part = stress.subset(np.flatnonzero(stress.labels == label))
        images = part.images(range(part.num_images))
        file = args.out / f"{name}.png"
        draw_grid(images, part.families, part.severities.tolist()).savefig(file, dpi=200)
        print(f"{file}: {part.num_images} {name} pictures of {len(FAMILIES)} families")


if __name__ == "__main__":
    main()
