"""Which recipe holds on sites it has never seen, and does the stress validation tell?

    python examples/benchmarks/unseen_sites.py --data concrete_cracks --manual-dir FOLDER \
        --looks deck=FOLDER,labels=FILE external=FOLDER facade=FOLDER --out recipes [NAME…]

Trains each recipe of `unseen_recipes.py` that the log lacks on cached features of painted views,
and adds a row to the log: its stress score (validation patches alone), and the AUROC on each set of
patches of other sites, read once and used for nothing. `--correlate` prints Spearman's rank
correlation between the two, with its interval, for each version of the stress validation.
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
from unseen_originals import originals
from unseen_recipes import RECIPES, Recipe
from unseen_training import build, train

import crackdet
from crackdet.evaluation import stress_score
from crackdet.features import FeatureCache
from crackdet.files import atomic_write
from crackdet.layers.painting.distractors.families import FAMILIES
from crackdet.stress import VERSION, stress_split
from crackdet.training.averaging import mean_weights


def recall_at(labels: np.ndarray, scores: np.ndarray, false_alarms: float) -> float:
    """Returns the recall at the threshold that this share of sound patches reaches."""
    return float(np.mean(scores[labels == 1] > np.quantile(scores[labels == 0], 1 - false_alarms)))


def run(recipe: Recipe, options: argparse.Namespace, sets: dict[str, Any]) -> dict[str, Any]:
    """Trains a recipe; returns its row of the log."""
    start = time.perf_counter()
    cache = FeatureCache(options.out / "cache", max_gb=options.cache_gb, verbose=0)
    data, stress = sets["data"], sets["stress"]
    some = dataclasses.replace(
        data,
        train=originals(data.train, recipe.originals, recipe.cracked, recipe.real),
        validation=data.validation.subset([]),
    )
    model = build(recipe, options)
    painting = painting_of(recipe)
    shown, _ = cache.training_features(
        model, recipe.depth, some, recipe.views, painting=painting, seed=recipe.seed
    )
    passed = time.perf_counter()
    models = []
    for member in range(recipe.members):
        models.append(build(recipe, options, member))
        teacher = train(recipe, models[-1], shown, some.train.labels, member)
        if recipe.taught:
            models[-1] = build(recipe, options, member)
            train(recipe, models[-1], shown, some.train.labels, member, teacher)
    if recipe.averaged:
        models[0].set_weights(mean_weights(models[0], [each.get_weights() for each in models]))
        del models[1:]
    models[0].save_weights(options.out / f"{recipe.name}.weights.h5")

    def scores(split: crackdet.data.ImageSplit) -> np.ndarray:
        if recipe.symmetric:
            return np.mean([symmetric_scores(each, split) for each in models], axis=0)
        return np.mean([cache.predict(each, split)[:, 1] for each in models], axis=0)

    row: dict[str, Any] = {"recipe": recipe.name, "revision": git_revision()}
    row |= {"stress_version": VERSION, "stress_images": stress.num_images}
    figures = stress_score(stress.labels, scores(stress), stress.families, stress.severities)
    row |= {"stress_score": figures["score"], "stress_loss": figures["loss"]}
    row["stress_auroc"] = figures["auroc"]
    clean = data.validation.stratified(1000)
    row["validation"] = float(np.mean((scores(clean) > 0.5) == clean.labels))
    for name, split in sets["looks"].items():
        found = scores(split)
        row[name] = roc_auc_score(split.labels, found)
        row[f"{name}_recall"] = recall_at(split.labels, found, 0.05)
    row["mean"] = float(np.mean([row[name] for name in sets["looks"]])) if sets["looks"] else 0.0
    row |= {"pass_seconds": passed - start, "seconds": time.perf_counter() - start}
    row |= {"by_family": " ".join(f"{k}:{v['auroc']:.3f}" for k, v in figures["families"].items())}
    return row | {k: v for k, v in dataclasses.asdict(recipe).items() if k != "name"}


def symmetric_scores(model: keras.Model, split: crackdet.data.ImageSplit) -> np.ndarray:
    """Returns the mean score of each patch and its mirror images."""
    parts = []
    for start in range(0, split.num_images, 256):
        images = split.images(range(start, min(start + 256, split.num_images)))
        mirrored = [images, images[:, ::-1], images[:, :, ::-1], images[:, ::-1, ::-1]]
        parts.append(np.mean([model.predict(i, verbose=0)[:, 1] for i in mirrored], axis=0))
    return np.concatenate(parts)


def git_revision() -> str:
    """Returns the revision of the code, short; "" outside of a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def painting_of(recipe: Recipe) -> Any:
    """Returns the default painting without the layers that the recipe leaves out; None for none."""
    whole = crackdet.layers.painting(recipe.strength, masks=True)
    if recipe.without == "all":
        return None
    kept = [each for each in whole.layers if type(each).__name__ not in recipe.without.split()]
    return crackdet.layers.Painting([changed(each, recipe) for each in kept])


def changed(layer: keras.Layer, recipe: Recipe) -> keras.Layer:
    """Returns a layer of the painting as the recipe wants it."""
    config, changes = layer.get_config(), {}
    if "min_contrast" in config and recipe.contrast:
        changes = {"min_contrast": recipe.contrast}
    if "families" in config and recipe.families:
        left_out = recipe.families.split(",")
        painted = [name for name, each in FAMILIES.items() if each.painted]
        changes = {"families": [name for name in painted if name not in left_out]}
    return type(layer)(**{**config, **changes}) if changes else layer


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


def by_version(rows: list[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    """Returns the rows by the version of the stress validation, whose scores alone compare."""
    versions = sorted({row["stress_version"] for row in rows})
    return {each: [row for row in rows if row["stress_version"] == each] for each in versions}


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
    parser.add_argument("--image-size", type=int, help="that of the recipe")
    parser.add_argument("--stress-images", type=int, default=2040)
    parser.add_argument("--looks", nargs="+", default=[], help="NAME=FOLDER[,labels=FILE]")
    parser.add_argument("--out", type=Path, default=Path("recipes"))
    parser.add_argument("--log", type=Path, default=Path(__file__).with_suffix(".csv"))
    parser.add_argument("--cache-gb", type=float)
    parser.add_argument("--correlate", action="store_true")
    options = parser.parse_args()
    if options.correlate:
        for version, rows in by_version(read_rows(options.log)).items():
            found = "Spearman {:.3f} [{:.3f}, {:.3f}], {} painted recipes".format(
                *correlation(rows)
            )
            print(f"stress validation {version}: {found}")
        return
    options.out.mkdir(parents=True, exist_ok=True)
    sets: dict[int, dict[str, Any]] = {}
    measured = by_version(read_rows(options.log)).get(str(VERSION), [])
    logged = {row["recipe"] for row in measured}
    for name in options.names or RECIPES:
        if name not in logged:
            size = options.image_size or RECIPES[name].image_size
            if size not in sets:
                sets[size] = load_sets(options, size)
            recipe = dataclasses.replace(RECIPES[name], image_size=size)
            row = run(recipe, options, sets[size])
            add_row(options.log, row)
            print({k: row[k] for k in list(row)[:13]}, flush=True)


def load_sets(options: argparse.Namespace, size: int) -> dict[str, Any]:
    """Returns the data, its stress validation and the sets of other sites, at a size."""
    data = crackdet.load_data(
        options.data, image_size=size, data_dir=options.data_dir, manual_dir=options.manual_dir
    )
    stress = stress_split(data.validation, images=options.stress_images, progress=True)
    looks = dict(look(words, size) for words in options.looks)
    return {"data": data, "stress": stress, "looks": looks}


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
