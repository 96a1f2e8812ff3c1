"""Trains on patches of your own in a folder and writes a report to send on.

The folder holds one folder a class, such as crack/ and no_crack/. Crops that share pixels are found
and kept in one split, so that no figure is measured on known ones. Without --folder, procedural
patches are written to a temporary one first.

    python examples/own_photos.py --folder my_patches --out runs/mine
"""

import argparse
import tempfile
from pathlib import Path

import keras
from PIL import Image

import crackdet
from crackdet.evaluation import evaluate_run
from crackdet.runs import write_config
from crackdet.training import fit
from tfds_builder.concrete_cracks.procedural import demo_image


def write_demo_patches(folder: Path, count: int) -> None:
    for index in range(count):
        pixels, label = demo_image(index, seed=1)
        path = folder / ("no_crack", "crack")[label] / f"{index:04d}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path, quality=92)


def new_model(options: argparse.Namespace) -> keras.Model:
    return crackdet.models.mobilenet_v2_classifier(
        (options.image_size, options.image_size),
        unfreeze_depth=2,
        alpha=options.alpha,
        weights=None if options.weights == "none" else options.weights,
        augmentation=crackdet.layers.augmentation(seed=0),
        seed=0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", help="your patches; procedural ones without it")
    parser.add_argument("--out", default="runs/own_photos", help="the run's folder")
    parser.add_argument("--patches", type=int, default=300, help="procedural patches to write")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("--weights", default="concrete", help="concrete, imagenet or none")
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary)
        if not options.folder:
            write_demo_patches(folder, options.patches)
        data = crackdet.load_data(folder, image_size=options.image_size)
        print(data.counts(), data.notes)
        write_config(options.out, vars(options), data)
        model = new_model(options)
        fit(model, data, epochs=options.epochs, run_dir=options.out, verbose=2)
        # Calibrates and chooses the threshold on validation, then reads test, once.
        metrics = evaluate_run(model, new_model(options), data, options.out)
        print(f"test accuracy {metrics['after']['test']['accuracy']:.4f}")
        print(f"report: {crackdet.report.write_report(options.out)}")


if __name__ == "__main__":
    main()
