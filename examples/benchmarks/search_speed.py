"""How much faster a search on cached features is than a plain KerasTuner search.

    python examples/benchmarks/search_speed.py --quick                      # demo images, 6 minutes
    python examples/benchmarks/search_speed.py --data concrete_cracks --manual-dir FOLDER

Both searches run the same trials on the same images, see `searches.py`. The plain one keeps freed
memory too, or page faults might cost it half of its time. The parts:

    mixed    the same trials at unfreeze depths 0 to 6
    head     the same trials at depth 0
    answer   a search that halves: when it returns its choice, and how good that is on images that
             neither search saw; then, when some trial was as good as the plain search's best
    profile  where crackdet's own seconds go at each depth

The last line is the ratio of the last table but for `answer`: mixed where it was asked for.
"""

import argparse
import logging
import shutil
import time
from pathlib import Path

import keras
import keras_tuner
import numpy as np
from measuring import free_path, in_words, machine, say
from searches import QUICK_SEED, Comparison, Setup, cached_search, compare, in_memory

import crackdet
import tuning
from crackdet.data import CrackData
from crackdet.data.splits import ImageSplit
from crackdet.features import FeatureCache
from crackdet.memory import keep_freed_memory
from crackdet.training import fit
from tuning.jobs import search_part

# A loss on features that were rounded to float16 differs from the exact one by less.
TOLERANCE = 1.01

HALVING = 4
DEPTHS = (0, 6)


def same_answer(
    setup: Setup,
    data: CrackData,
    fresh: ImageSplit,
    mixed: Comparison,
    depths: tuple[int, int],
    out: Path,
) -> None:
    """Prints what a search that halves gives its user, beside the plain search."""
    ours = cached_search(
        setup,
        data,
        depths,
        out / "answer-crackdet",
        search_images=max(2, data.train.num_images // HALVING),
        halving_factor=HALVING,
    )
    plain = mixed.plain
    target = min(row["val_loss"] for row in plain.rows)
    best = min(row["val_loss"] for row in ours.rows if row["images"] == data.train.num_images)
    say(
        f"\nanswer: {setup.trials} trials on a {HALVING}th of the images, the best of each "
        f"{HALVING} on {HALVING} times as many\n"
        f"answer: the search returns its choice after {ours.seconds:.0f} s, plain's after "
        f"{plain.seconds:.0f} s: ratio {plain.seconds / ours.seconds:.1f}x"
    )
    if fresh.num_images:
        losses = [image_losses(each.load_best(), fresh) for each in (ours, plain)]
        said = [f"{loss.mean():.4f} ± {standard_error(loss):.4f}" for loss in losses]
        apart = losses[0] - losses[1]
        say(
            f"answer: on {fresh.num_images} validation images that neither search saw, the loss of "
            f"crackdet's choice is {said[0]}, of plain's {said[1]} (standard errors); image by "
            f"image {apart.mean():+.4f} ± {standard_error(apart):.4f} apart"
        )
    say(
        f"answer: on the {data.validation.num_images} validation images of the search, crackdet's "
        f"choice has {best:.6f}, plain's {target:.6f}"
    )
    # In the first round of a larger search, fewer images validate: another measure.
    alike = [row for row in ours.rows if validates_all(data, row["images"], setup.seed)]
    reached = [row for row in alike if row["val_loss"] <= TOLERANCE * target]
    if not reached:
        say("answer: no trial was as good as plain's best to 1 %")
        return
    first = min(reached, key=lambda row: row["ended"])
    say(
        f"answer: the first trial as good as plain's best to 1 % ended after {first['ended']:.0f} "
        f"s, on {first['images']} images ({first['val_loss']:.6f}): ratio "
        f"{plain.seconds / first['ended']:.1f}x; which trial that is, its user does not know then"
    )


def image_losses(model: keras.Model, split: ImageSplit) -> np.ndarray:
    """Returns the cross entropy of each image, in the order of the split."""
    scores = np.asarray(model.predict(split.in_order(), verbose=0), np.float64)
    return -np.log(np.maximum(scores[np.arange(split.num_images), split.labels], 1e-7))


def standard_error(values: np.ndarray) -> float:
    """Returns the standard error of a mean; not a number for one value alone."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan


def unseen(whole: CrackData, validation: int, seed: int) -> ImageSplit:
    """Returns the validation images that `in_memory` leaves out, without copies of what it took."""
    split = whole.validation
    taken = set(split.stratified(validation, seed).digests)
    return split.subset([i for i, digest in enumerate(split.digests) if digest not in taken])


def validates_all(data: CrackData, images: int, seed: int) -> bool:
    """Whether trials on so many images are measured on all validation images."""
    part = search_part(data, images, seed)
    return part.validation.num_images == data.validation.num_images


def what_is_left(setup: Setup, data: CrackData, depths: tuple[int, int], out: Path) -> None:
    """Prints where a trial's seconds go at each depth, with all cores."""
    cache = FeatureCache(out / "profile-cache", verbose=0)
    print("\ndepth  build s  first epoch s  next epoch s  train + validate images/s")
    for depth in range(depths[0], depths[1] + 1):
        hypermodel = tuning.CrackHyperModel(views=1, cache=cache, **setup.network())
        hp = keras_tuner.HyperParameters()
        hp.values = {"dropout": 0.2, "learning_rate": 1e-3, "unfreeze_depth": depth}
        start = time.perf_counter()
        model = hypermodel.build(hp)
        built = time.perf_counter() - start
        cache.features(model, depth, data.train), cache.features(model, depth, data.validation)
        history = fit(
            model, data, epochs=2, head_epochs=0 if depth else None, views=1, cache=cache, verbose=0
        ).history
        first, later = history["seconds"]
        rate = (data.train.num_images + data.validation.num_images) / later
        print(
            f"{depth:>5}  {built:>7.1f}  {first:>13.1f}  {later:>12.1f}  {rate:>9.0f}", flush=True
        )
    shutil.rmtree(cache.directory)


def positive(text: str) -> int:
    """Returns a number of the command line that must be 1 or more."""
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"expected 1 or more, not {text}")
    return int(text)


def read_options() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="demo images and few of them")
    parser.add_argument("--data", help="default: demo when --quick, else concrete_cracks")
    parser.add_argument("--data-dir", help="where built data sets stand")
    parser.add_argument("--manual-dir", help="folder of the official images")
    parser.add_argument("--parts", nargs="+", choices=("head", "mixed", "answer", "profile"))
    parser.add_argument("--trials", type=positive)
    parser.add_argument(
        "--plain-trials",
        type=positive,
        help="plain runs only so many, and the rest is estimated; fair for head, where all take "
        "as long",
    )
    parser.add_argument("--epochs", type=positive, default=3)
    parser.add_argument("--images", type=positive, help="training images; a quarter more validate")
    parser.add_argument("--seed", type=int, help=f"default: {QUICK_SEED} when --quick, else 0")
    parser.add_argument("--image-size", type=positive, default=224)
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("--weights", help="default: concrete when --quick, else imagenet")
    parser.add_argument("--workers", type=positive, help="default: the search's own")
    parser.add_argument(
        "--mixed-precision", action="store_true", help="crackdet's once more, in mixed precision"
    )
    parser.add_argument("--out", type=Path, help="new folder; default: runs/search-speed-N")
    options = parser.parse_args()
    options.data = options.data or ("demo" if options.quick else "concrete_cracks")
    options.weights = options.weights or ("concrete" if options.quick else "imagenet")
    options.weights = None if options.weights == "none" else options.weights
    options.trials = options.trials or (4 if options.quick else 16)
    if options.seed is None:
        options.seed = QUICK_SEED if options.quick else 0
    options.images = options.images or (400 if options.quick else 2000)
    options.parts = options.parts or (
        ["mixed"] if options.quick else ["head", "mixed", "answer", "profile"]
    )
    if options.plain_trials is not None and {"mixed", "answer"} & set(options.parts):
        parser.error("--plain-trials goes with --parts head: other trials differ in their seconds")
    if options.out is None:
        options.out = free_path("runs/search-speed-{}")
    elif options.out.exists():
        parser.error(f"{options.out} exists: name another --out")
    return options


def main() -> None:
    options = read_options()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of each model's trace
    say(f"{in_words(machine())}\nFolder: {options.out}")
    keep_freed_memory()
    whole = crackdet.load_data(
        options.data,
        image_size=options.image_size,
        data_dir=options.data_dir,
        manual_dir=options.manual_dir,
    )
    validation = max(2, options.images // 4)
    data = in_memory(whole, options.images, validation, options.seed)
    setup = Setup(
        options.trials, options.epochs, options.image_size, options.alpha, options.weights,
        options.seed, options.workers, options.plain_trials, options.mixed_precision,
    )  # fmt: skip
    ratio = 0.0
    if "head" in options.parts:
        ratio = compare(setup, data, (0, 0), "head", options.out).ratio
    if "mixed" in options.parts or "answer" in options.parts:
        mixed = compare(setup, data, DEPTHS, "mixed", options.out)
        ratio = mixed.ratio
    if "answer" in options.parts:
        fresh = unseen(whole, validation, options.seed)
        same_answer(setup, data, fresh, mixed, DEPTHS, options.out)
    if "profile" in options.parts:
        what_is_left(setup, data, DEPTHS, options.out)
    if ratio:
        say(f"ratio {ratio:.1f}x")


if __name__ == "__main__":
    main()
