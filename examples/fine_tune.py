"""Fine-tunes the classifier in Python and measures it, step by step.

The head is trained first, then the top units of MobileNetV2 at a lower rate. The frozen part is
computed once for a few augmented views of each image and kept in a cache, which makes every
further epoch quick. Temperature and threshold would come next: `crackdet.evaluation.evaluate_run`
does both.

    python examples/fine_tune.py --data demo --unfreeze-depth 2
"""

import argparse
import tempfile

import crackdet
from crackdet.evaluation import evaluate
from crackdet.features import FeatureCache
from crackdet.training import fit


def figure(row: dict, name: str) -> str:
    """A figure with its interval; null where the images do not define it."""
    if row[name] is None:
        return "undefined"
    interval = row["intervals"][name]
    bounds = "" if interval is None else " [{:.4f}, {:.4f}]".format(*interval)
    return f"{row[name]:.4f}{bounds}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="demo", help="demo, concrete_cracks or a folder")
    parser.add_argument("--data-dir", help="where built data sets stand")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("--weights", default="concrete", help="concrete, imagenet or none")
    parser.add_argument("--unfreeze-depth", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()

    data = crackdet.load_data(
        options.data, image_size=options.image_size, data_dir=options.data_dir
    )
    model = crackdet.models.mobilenet_v2_classifier(
        (options.image_size, options.image_size),
        unfreeze_depth=options.unfreeze_depth,
        alpha=options.alpha,
        weights=None if options.weights == "none" else options.weights,
        augmentation=crackdet.layers.augmentation(seed=0),
        seed=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        history = fit(
            model, data, epochs=options.epochs, views=2, cache=FeatureCache(folder), verbose=2
        )
    for phase, loss in zip(history.history["phase"], history.history["val_loss"], strict=True):
        print(f"{phase:>10}: val_loss {loss:.4f}")

    row = evaluate(model, data, "validation")
    for name in ("accuracy", "recall", "precision", "auroc"):
        print(f"{name:>10}: {figure(row, name)}")


if __name__ == "__main__":
    main()
