"""What one recipe scores on three splits of the same images: random, by twins alone, by walls.

    python examples/benchmarks/split_study.py --manual-dir FOLDER

Trains the head alone, with the same hyperparameters and seed, on each split, and sets the threshold
on its validation split. The frozen features belong to the images, so they are computed once for all
three. Prints the figures on each test split with 95 % intervals that take walls for what they are.
"""

import argparse

import crackdet
from crackdet.evaluation import choose_threshold, metrics_row
from crackdet.features import FeatureCache
from crackdet.training import fit

METRICS = ("accuracy", "recall", "precision", "auroc")


def score(data: crackdet.data.CrackData, cache: FeatureCache, epochs: int, seed: int) -> dict:
    """Returns the figures on the test split of a head trained on the train split."""
    model = crackdet.models.mobilenet_v2_classifier(unfreeze_depth=0, dropout=0.3, seed=seed)
    fit(model, data, epochs=epochs, learning_rate=1e-3, views=1, cache=cache, seed=seed, verbose=0)
    threshold = choose_threshold(
        data.validation.labels,
        cache.predict(model, data.validation)[:, 1],
        groups=data.validation.groups,
        bootstrap=0,
    ).threshold
    scores = cache.predict(model, data.test)[:, 1]
    return metrics_row(data.test.labels, scores, threshold=threshold, groups=data.test.groups)


def figure(row: dict, name: str) -> str:
    """A figure with its interval; null where the images do not define it."""
    if row[name] is None:
        return "undefined"
    interval = row["intervals"][name]
    bounds = "" if interval is None else " [{:.4f}, {:.4f}]".format(*interval)
    return f"{row[name]:.4f}{bounds}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--manual-dir", help="folder of the official images")
    parser.add_argument("--data-dir", help="where built data sets stand")
    parser.add_argument("--cache-dir", default="runs/split-study-cache")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0, help="of the head's weights, order, dropout")
    options = parser.parse_args()
    cache = FeatureCache(options.cache_dir)
    for split in ("random", "twins", "grouped"):
        data = crackdet.load_data(
            f"concrete_cracks/{split}", data_dir=options.data_dir, manual_dir=options.manual_dir
        )
        row = score(data, cache, options.epochs, options.seed)
        figures = (f"{name} {figure(row, name)}" for name in METRICS)
        print(f"{split}: {', '.join(figures)}", flush=True)


if __name__ == "__main__":
    main()
