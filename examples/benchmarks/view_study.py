"""What K views of each image cost, and what they gain on validation.

    python examples/benchmarks/view_study.py --data concrete_cracks --manual-dir FOLDER

Trains on cached features of 1, 2, 4 and 8 views: the image itself and K-1 augmented ones. Measures
on the clean validation images and on shifted ones: the same images under another light and turned,
drawn with a seed that no training has seen. Figures are means over the seeds, with their standard
deviation (of a sample).
"""

import argparse
import dataclasses
import tempfile
import time

import keras
import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

import crackdet
from crackdet.features import FeatureCache
from crackdet.training import fit

SHIFT_SEED = 10**6
METRICS = ("loss", "accuracy", "AUROC")


def measure(suffix: keras.Model, features: np.ndarray, labels: np.ndarray) -> list[float]:
    scores = suffix.predict(np.asarray(features, np.float32), verbose=0)[:, 1]
    accuracy = np.mean((scores >= 0.5) == labels)
    return [log_loss(labels, scores), accuracy, roc_auc_score(labels, scores)]


def study(
    data: crackdet.data.CrackData, views: int, cache: FeatureCache, options: argparse.Namespace
) -> tuple[float, str]:
    """Returns the seconds of the passes that were still missing, and the other cells of a row."""
    depth, size, rows, seconds = options.unfreeze_depth, data.train.image_size, [], 0.0
    for seed in range(options.seeds):
        model = crackdet.models.mobilenet_v2_classifier(
            size, unfreeze_depth=depth, alpha=options.alpha, weights=options.weights,
            dropout=0.3, augmentation=crackdet.layers.augmentation(seed=0), seed=seed,
        )  # fmt: skip
        if not seed:
            start = time.perf_counter()
            cache.prepare(model, {0, depth}, data, views)
            passes = time.perf_counter() - start
        start = time.perf_counter()
        fit(
            model, data, epochs=options.epochs, patience=None, views=views, cache=cache,
            seed=seed, view_seed=0, verbose=0,
        )  # fmt: skip
        seconds += (time.perf_counter() - start) / options.seeds
        clean = cache.features(model, depth, data.validation)
        shifted = cache.features(model, depth, data.validation, view=1, seed=SHIFT_SEED)
        suffix, labels = crackdet.models.split_at(model, depth)[1], data.validation.labels
        rows.append(measure(suffix, clean, labels) + measure(suffix, shifted, labels))
    figures = zip(np.mean(rows, axis=0), spread(rows), strict=True)
    cells = " | ".join(f"{mean:.4f} ±{deviation:.4f}" for mean, deviation in figures)
    return passes, f"{seconds:.0f} | {cells} |"


def spread(rows: list[list[float]]) -> np.ndarray:
    """Returns the standard deviation of each column, of which the rows are a sample."""
    return np.std(rows, axis=0, ddof=1) if len(rows) > 1 else np.full(len(rows[0]), np.nan)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, value in (
        ("data", "demo"), ("data-dir", None), ("manual-dir", None), ("images", 2000),
        ("epochs", 8), ("unfreeze-depth", 0), ("seeds", 3), ("image-size", 224), ("alpha", 1.0),
        ("weights", "imagenet"), ("cache-gb", None),
    ):  # fmt: skip
        kind = float if name == "cache-gb" else type(value or "")
        parser.add_argument(f"--{name}", type=kind, default=value)
    options = parser.parse_args()
    data = crackdet.load_data(
        options.data, image_size=options.image_size, data_dir=options.data_dir,
        manual_dir=options.manual_dir,
    )  # fmt: skip
    data = dataclasses.replace(
        data,
        train=data.train.stratified(options.images),
        validation=data.validation.stratified(options.images // 2),
    )
    names = [f"{part} {name}" for part in ("clean", "shifted") for name in METRICS]
    print("| K | passes s | training s | " + " | ".join(names) + " |\n|" + " --- |" * 9)
    passes = 0.0
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(folder, max_gb=options.cache_gb, verbose=0)
        for views in (1, 2, 4, 8):  # those of fewer views are among those of more
            missing, cells = study(data, views, cache, options)
            passes += missing
            print(f"| {views} | {passes:.0f} | {cells}", flush=True)


if __name__ == "__main__":
    main()
