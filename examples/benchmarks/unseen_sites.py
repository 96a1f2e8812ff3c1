"""Which recipe holds on sites it has never seen, and does the stress validation tell?

    python examples/benchmarks/unseen_sites.py --data concrete_cracks --manual-dir FOLDER \
        --looks deck=FOLDER,labels=FILE external=FOLDER facade=FOLDER --out recipes [NAME…]

Trains each recipe of `unseen_recipes.py` that the log lacks on cached features of painted views,
and adds a row to the log: its stress score (validation patches alone), and the AUROC on each set of
patches of other sites, read once and used for nothing. `--correlate` prints Spearman's rank
correlation between the two, with its interval.
"""

import argparse
import csv
import dataclasses
import io
import subprocess
import time
from itertools import chain
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from unseen_recipes import RECIPES, Recipe

import crackdet
from crackdet.evaluation import stress_score
from crackdet.features import CachedFeatures, FeatureBatches, FeatureCache
from crackdet.files import atomic_write
from crackdet.models.units import boundary, crack_map_logits
from crackdet.seeds import reseed, set_seed
from crackdet.stress import stress_split
from crackdet.training.callbacks import EpochOrder
from crackdet.training.fitting import learning_rate_schedule
from crackdet.training.precision import fast_arithmetic


class PaintedBatches(FeatureBatches):
    """Batches of painted views whose targets are the labels and the masks of the cracks."""

    def __init__(self, views: list[CachedFeatures], labels: np.ndarray, **options: Any):
        super().__init__(views, labels, **options)
        painted = next(view.masks for view in views if view.masks is not None)
        # An image as it is has no crack, or one that nobody knows the place of.
        as_it_is = np.broadcast_to(-labels[:, None, None].astype("float16"), painted.shape)
        self._masks = [as_it_is if view.masks is None else view.masks for view in views]

    def __getitem__(self, batch: int) -> tuple[Any, tuple[np.ndarray, np.ndarray]]:
        features, labels = super().__getitem__(batch)
        indices, shown = self.chosen(batch)
        masks = np.stack([self._masks[view][i] for i, view in zip(indices, shown, strict=True)])
        return features, (labels, masks.astype(np.float32))


def map_loss(masks: Any, logits: Any) -> Any:
    """Cross-entropy of the map where the painted crack is known; -1 marks where it is not."""
    ops = keras.ops
    logits = ops.reshape(logits, ops.shape(masks))
    target = ops.cast(masks > 0.08, "float32")
    each = ops.binary_crossentropy(target, logits, from_logits=True)
    known = ops.cast(masks >= 0, "float32") * (1 + 3 * target)
    return ops.sum(each * known) / (ops.sum(known) + 1e-3)


def smooth_loss(smoothing: float) -> Any:
    """Returns cross-entropy with label smoothing (Szegedy et al., 2016)."""
    return lambda labels, scores: keras.losses.categorical_crossentropy(
        keras.ops.one_hot(keras.ops.cast(keras.ops.reshape(labels, (-1,)), "int32"), 2),
        scores,
        label_smoothing=smoothing,
    )


def build(recipe: Recipe, options: argparse.Namespace) -> keras.Model:
    """Returns the untrained classifier of a recipe."""
    set_seed(recipe.seed)
    backbone = crackdet.models.mobilenet_v2_classifier(
        options.image_size, unfreeze_depth=recipe.depth, weights=options.weights,
        augmentation=crackdet.layers.augmentation(recipe.augmentation, seed=0),
    )  # fmt: skip
    return crackdet.models.replace_head(
        backbone, dropout=recipe.dropout, pooling=recipe.pooling, seed=recipe.seed
    )


def train(
    recipe: Recipe, model: keras.Model, shown: list[CachedFeatures], labels: np.ndarray
) -> None:
    """Trains the head, then the unfrozen units too, on features at the recipe's depth."""
    reseed(model, recipe.seed)
    mapped = recipe.map_loss > 0
    outputs = [model.output] + ([crack_map_logits(model)] if mapped else [])
    trained = keras.Model(boundary(model, recipe.depth), outputs)
    batches = (PaintedBatches if mapped else FeatureBatches)(
        shown, labels, batch_size=recipe.batch_size, shuffle=True, seed=recipe.seed
    )
    head, rest = recipe.head_epochs, recipe.epochs - recipe.head_epochs
    epoch = 0
    for depth, epochs, rate in ((0, head, recipe.head_rate), (recipe.depth, rest, recipe.rate)):
        if not epochs:
            continue
        crackdet.models.set_unfreeze_depth(model, depth)
        steps = epochs * len(batches)
        schedule = learning_rate_schedule("cosine", rate, steps)
        optimizer = keras.optimizers.AdamW(
            schedule, weight_decay=recipe.weight_decay, use_ema=bool(recipe.ema),
            ema_momentum=recipe.ema or 0.99,
        )  # fmt: skip
        losses = [smooth_loss(recipe.smoothing)] + ([map_loss] if mapped else [])
        trained.compile(
            optimizer, loss=losses, loss_weights=[1.0, recipe.map_loss] if mapped else None
        )
        with fast_arithmetic(model, mixed_precision=False):
            trained.fit(
                batches, initial_epoch=epoch, epochs=epoch + epochs, shuffle=False, verbose=0,
                callbacks=[EpochOrder(batches)],
            )  # fmt: skip
        epoch += epochs
        if recipe.ema:
            optimizer.finalize_variable_values(trained.trainable_variables)


def recall_at(labels: np.ndarray, scores: np.ndarray, false_alarms: float) -> float:
    """Returns the recall at the threshold that this share of sound patches reaches."""
    return float(np.mean(scores[labels == 1] > np.quantile(scores[labels == 0], 1 - false_alarms)))


def run(recipe: Recipe, options: argparse.Namespace, sets: dict[str, Any]) -> dict[str, Any]:
    """Trains a recipe; returns its row of the log."""
    start = time.perf_counter()
    cache = FeatureCache(options.out / "cache", max_gb=options.cache_gb, verbose=0)
    data, model = sets["data"], build(recipe, options)
    some = data.with_train_images(recipe.originals, recipe.cracked)
    some = dataclasses.replace(some, validation=data.validation.subset([]))
    shown, _ = cache.training_features(
        model, recipe.depth, some, recipe.views, painting=painting_of(recipe), seed=recipe.seed
    )
    passed = time.perf_counter()
    train(recipe, model, shown, some.train.labels)
    model.save_weights(options.out / f"{recipe.name}.weights.h5")
    stress = sets["stress"]
    row: dict[str, Any] = {"recipe": recipe.name, "revision": git_revision()}
    row |= {"stress_images": stress.num_images}
    scores = cache.predict(model, stress)[:, 1]
    figures = stress_score(stress.labels, scores, stress.families, stress.severities)
    row |= {"stress_score": figures["score"], "stress_loss": figures["loss"]}
    clean = data.validation.stratified(1000)
    row["validation"] = float(np.mean((cache.predict(model, clean)[:, 1] > 0.5) == clean.labels))
    for name, split in sets["looks"].items():
        scores = cache.predict(model, split)[:, 1]
        row[name] = roc_auc_score(split.labels, scores)
        row[f"{name}_recall"] = recall_at(split.labels, scores, 0.05)
    row["mean"] = float(np.mean([row[name] for name in sets["looks"]]))
    row |= {"pass_seconds": passed - start, "seconds": time.perf_counter() - start}
    row |= {"by_family": " ".join(f"{k}:{v['auroc']:.3f}" for k, v in figures["families"].items())}
    return row | {k: v for k, v in dataclasses.asdict(recipe).items() if k != "name"}


def git_revision() -> str:
    """Returns the revision of the code, short; "" outside of a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def painting_of(recipe: Recipe) -> Any:
    """Returns the default painting without the layers that the recipe leaves out; None for none."""
    whole = crackdet.layers.painting(recipe.strength, masks=True)
    names = "" if recipe.without == "all" else recipe.without
    kept = [layer for layer in whole.layers if type(layer).__name__ not in names.split()]
    return None if recipe.without == "all" else crackdet.layers.Painting(kept)


def add_row(path: Path, row: dict[str, Any]) -> None:
    """Adds a row to the log."""
    words = {k: f"{v:.4f}" if isinstance(v, float) else str(v) for k, v in row.items()}
    rows = [*read_rows(path), words]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(chain(*rows))), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(path) as temporary:
        temporary.write_text(text.getvalue(), "utf-8")


def read_rows(path: Path) -> list[dict[str, str]]:
    """Returns the rows of the log; none where there is none yet."""
    return list(csv.DictReader(path.open())) if path.exists() else []


def correlation(rows: list[dict[str, str]], draws: int = 2000) -> tuple[float, float, float, int]:
    """Returns Spearman's correlation of stress score and mean AUROC, its 95 % interval, and n."""
    pairs = np.array(
        [[float(r["stress_score"]), float(r["mean"])] for r in rows if r["without"] != "all"]
    )
    random = np.random.default_rng(0)
    drawn = [
        spearmanr(*pairs[random.integers(len(pairs), size=len(pairs))].T).statistic
        for _ in range(draws)
    ]
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return spearmanr(*pairs.T).statistic, low, high, len(pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="recipes; all that the log lacks")
    parser.add_argument("--data", default="concrete_cracks")
    parser.add_argument("--data-dir")
    parser.add_argument("--manual-dir")
    parser.add_argument("--weights", default="imagenet", help="of the backbone")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--stress-images", type=int, default=2040)
    parser.add_argument("--looks", nargs="+", default=[], help="NAME=FOLDER[,labels=FILE]")
    parser.add_argument("--out", type=Path, default=Path("recipes"))
    parser.add_argument("--log", type=Path, default=Path(__file__).with_suffix(".csv"))
    parser.add_argument("--cache-gb", type=float)
    parser.add_argument("--correlate", action="store_true")
    options = parser.parse_args()
    if options.correlate:
        found = correlation(read_rows(options.log))
        print("Spearman {:.3f} [{:.3f}, {:.3f}], {} painted recipes".format(*found))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    size, places = options.image_size, {"data_dir": options.data_dir}
    places["manual_dir"] = options.manual_dir
    data = crackdet.load_data(options.data, image_size=size, **places)
    sets = {
        "data": data,
        "stress": stress_split(data.validation, images=options.stress_images, progress=True),
        "looks": dict(look(words, size) for words in options.looks),
    }
    logged = {row["recipe"] for row in read_rows(options.log)}
    for name in options.names or RECIPES:
        if name not in logged:
            row = run(RECIPES[name], options, sets)
            add_row(options.log, row)
            print({k: row[k] for k in list(row)[:13]}, flush=True)


def look(words: str, image_size: int) -> tuple[str, crackdet.data.ImageSplit]:
    """Reads NAME=FOLDER[,labels=FILE]."""
    name, _, rest = words.partition("=")
    folder, _, labels = rest.partition(",labels=")
    data = crackdet.load_data(
        folder, labels=labels or None, image_size=image_size, cut=False, audit=False, verbose=0
    )
    split = data.test if data.test.num_images else data.train
    return name, split.in_order()


if __name__ == "__main__":
    main()
