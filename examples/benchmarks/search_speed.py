"""How much faster a search on cached features is than a plain KerasTuner search.

    python examples/benchmarks/search_speed.py --quick                      # demo images, 6 minutes
    python examples/benchmarks/search_speed.py --data concrete_cracks --manual-dir FOLDER \
        --out runs/speed

Both searches run the same trials (hyperparameters, seeds, epochs) on the same images, one after the
other: KerasTuner trains the whole network on decoded images in memory, without augmentation;
crackdet computes the frozen features first, which is counted. The plain one keeps freed memory too,
or page faults might cost it half of its time; its convolutions are Keras' own. The parts:

    mixed    the same trials at unfreeze depths 0 to 6
    head     the same trials at depth 0
    answer   the time until a search that halves reaches the best validation loss of the plain one
    profile  where crackdet's own seconds go at each depth

The last line is the ratio of the last table but for `answer`: mixed where it was asked for.
"""

import argparse
import dataclasses
import json
import shutil
import time
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import keras
import keras_tuner
import numpy as np

import crackdet
import tuning
from crackdet.features import FeatureCache
from crackdet.memory import keep_freed_memory
from crackdet.training import fit, fitting
from tuning.jobs import Jobs, search_part

# Its first four trials have depths 4, 5, 3 and 0: with the mean of all from 0 to 6.
QUICK_SEED = 11

# A loss on features that were rounded to float16 differs from the exact one by less.
TOLERANCE = 1.01


@dataclasses.dataclass
class Search:
    """What a search took: seconds in all, of the pass, and of each trial; and what it found."""

    seconds: float
    pass_seconds: float
    rows: list[dict]


class Listed(keras_tuner.Oracle):
    """Gives trials from a list."""

    def __init__(self, trials: list[dict], **options):
        super().__init__(**options)
        self.listed = trials

    def populate_space(self, trial_id: str) -> dict:
        place = int(trial_id)
        if place == len(self.listed):
            return {"status": "STOPPED"}
        return {"status": "RUNNING", "values": self.listed[place]}


class Plain(keras_tuner.HyperModel):
    """The whole network on images, seeded as crackdet's own trials are."""

    def __init__(self, options: argparse.Namespace):
        super().__init__()
        self.options = options

    def hypermodel(self, hp: keras_tuner.HyperParameters) -> tuning.CrackHyperModel:
        # KerasTuner builds once more with no values, to learn the space.
        seed = hp.values.get("seed", 0)
        return tuning.CrackHyperModel(
            strength=0, epochs=self.options.epochs, seed=seed, **network(self.options)
        )

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        return self.hypermodel(hp).build(hp)

    def fit(self, hp, model, data, **arguments):
        arguments.pop("validation_data", None)
        return self.hypermodel(hp).fit(hp, model, data, **arguments)


def network(options: argparse.Namespace) -> dict:
    """Returns what both searches tell the classifier."""
    return {"image_size": options.image_size, "alpha": options.alpha, "weights": options.weights}


def plain_search(options, data, trials: list[dict], folder: Path) -> Search:
    """Runs a list of trials with KerasTuner as it is."""
    objective = keras_tuner.Objective("val_loss", "min")
    tuner = keras_tuner.Tuner(
        Listed(trials, objective=objective, max_trials=len(trials) + 1),
        Plain(options),
        directory=folder.parent,
        project_name=folder.name,
        overwrite=True,
    )
    with mock.patch.object(fitting, "pointwise_as_products", nullcontext):
        start = time.perf_counter()
        tuner.search(data, verbose=0)
        seconds = time.perf_counter() - start
    found = [tuner.oracle.trials[name] for name in tuner.oracle.start_order]
    return Search(seconds, 0.0, [{"val_loss": trial.score} for trial in found])


def cached_search(options, data, depths: tuple[int, int], folder: Path, **more) -> Search:
    """Runs crackdet's search, the features included."""
    passes = []

    def timed_pass(jobs, tasks):
        begin = time.perf_counter()
        prepare(jobs, tasks)
        passes.append(time.perf_counter() - begin)

    prepare = Jobs.prepare
    with mock.patch.object(Jobs, "prepare", timed_pass):
        start = time.perf_counter()
        result = tuning.search(
            data,
            directory=folder,
            tuner="random",
            max_trials=options.trials,
            space=tuning.SearchSpace(unfreeze_depth=depths),
            epochs=options.epochs,
            workers=options.workers,
            alpha=options.alpha,
            weights=options.weights,
            seed=options.seed,
            keep_checkpoints=1,
            verbose=0,
            **more,
        )
        seconds = time.perf_counter() - start
    events = map(json.loads, (folder / "journal.jsonl").read_text().splitlines())
    ended = {event["trial"]: event["time"] for event in events if event["event"] == "end"}
    origin = time.time() - (time.perf_counter() - start)
    rows = [{**row, "ended": ended[row["trial"]] - origin} for row in result.trials]
    return Search(seconds, sum(passes), rows)


def compare(options, data, depths: tuple[int, int], name: str) -> tuple[float, Search]:
    """Times both searches and prints their table; returns the ratio and the plain search."""
    images = data.train.num_images + data.validation.num_images
    print(f"\n{name}: {options.trials} trials x {options.epochs} epochs x "
          f"{data.train.num_images} + {data.validation.num_images} images")  # fmt: skip
    ours = cached_search(options, data, depths, options.out / f"{name}-crackdet")
    names = ("dropout", "learning_rate", "unfreeze_depth", "seed")
    trials = [{key: row[key] for key in names} for row in ours.rows]
    tried = trials[: options.plain_trials]
    plain = plain_search(options, data, tried, options.out / f"{name}-plain")
    print("trial  depth  learning rate  plain val_loss  crackdet val_loss  difference")
    for row, other in zip(ours.rows[: len(tried)], plain.rows, strict=True):
        print(
            f"{row['trial']:>5}  {row['unfreeze_depth']:>5}  {row['learning_rate']:>13.2e}  "
            f"{other['val_loss']:>14.6f}  {row['val_loss']:>17.6f}  "
            f"{row['val_loss'] - other['val_loss']:>+10.1e}"
        )
    inside = sum(row["seconds"] for row in ours.rows)
    each = plain.seconds / len(tried)
    print(f"plain {plain.seconds:.0f} s = {each:.1f} s a trial")
    if len(tried) < options.trials:
        print(f"plain would take {each * options.trials:.0f} s, if the other trials take as long")
    print(
        f"crackdet {ours.seconds:.0f} s = one pass {ours.pass_seconds:.0f} s ({images} images) + "
        f"trials {inside:.0f} s of worker time on {options.workers} workers "
        f"(mean {inside / options.trials:.1f} s a trial)"
    )
    ratio = each * options.trials / ours.seconds
    print(f"{name}: ratio {ratio:.1f}x", flush=True)
    return ratio, plain


def same_answer(options, data, plain: Search, depths: tuple[int, int]) -> None:
    """Prints how long a search that halves takes to reach the plain search's best loss."""
    target = min(row["val_loss"] for row in plain.rows)
    ours = cached_search(
        options,
        data,
        depths,
        options.out / "answer-crackdet",
        search_images=data.train.num_images // 4,
        halving_factor=4,
    )
    # In the first round of a larger search, fewer images validate: another measure.
    alike = [row for row in ours.rows if validates_all(data, row["images"], options.seed)]
    reached = [row for row in alike if row["val_loss"] <= TOLERANCE * target]
    best = min(row["val_loss"] for row in ours.rows if row["images"] == data.train.num_images)
    print(f"\nanswer: plain's best val_loss {target:.6f} after {plain.seconds:.0f} s")
    print(f"crackdet's choice has val_loss {best:.6f}; the whole search took {ours.seconds:.0f} s")
    if not reached:
        print("answer: not reached")
        return
    first = min(reached, key=lambda row: row["ended"])
    print(
        f"answer: reached after {first['ended']:.0f} s by a trial on {first['images']} images "
        f"({first['val_loss']:.6f}), ratio {plain.seconds / first['ended']:.1f}x"
    )


def validates_all(data, images: int, seed: int) -> bool:
    """Whether trials on so many images are measured on all validation images."""
    part = search_part(data, images, seed)
    return part.validation.num_images == data.validation.num_images


def what_is_left(options, data, depths: tuple[int, int]) -> None:
    """Prints where a trial's seconds go at each depth, with all cores."""
    cache = FeatureCache(options.out / "profile-cache", verbose=0)
    print("\ndepth  build s  first epoch s  next epoch s  train + validate images/s")
    for depth in range(depths[0], depths[1] + 1):
        hypermodel = tuning.CrackHyperModel(views=1, cache=cache, **network(options))
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


def in_memory(data, train: int, validation: int, seed: int):
    """Returns a part of a data set with its images decoded, stratified by class."""

    def decoded(split, count):
        part = split.stratified(count, seed)
        return part.images(range(part.num_images)), part.labels

    none = (np.zeros((0, *data.train.image_size, 3), np.uint8), np.zeros(0, np.int64))
    return crackdet.data.CrackData.from_arrays(
        decoded(data.train, train), decoded(data.validation, validation), none,
        image_size=data.train.image_size, batch_size=data.train.batch_size,
    )  # fmt: skip


def positive(text: str) -> int:
    """Returns a number of the command line that must be 1 or more."""
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"expected 1 or more, not {text}")
    return int(text)


def main() -> None:
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
    parser.add_argument(
        "--workers", type=positive, default=tuning.executors.processes.default_workers()
    )
    parser.add_argument("--out", type=Path, default=Path("runs/search-speed"))
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
    if options.out.exists():
        parser.error(f"{options.out} exists: name another --out")
    keep_freed_memory()
    whole = crackdet.load_data(
        options.data,
        image_size=options.image_size,
        data_dir=options.data_dir,
        manual_dir=options.manual_dir,
    )
    data = in_memory(whole, options.images, options.images // 4, options.seed)
    ratio = 0.0
    if "head" in options.parts:
        ratio, _ = compare(options, data, (0, 0), "head")
    if "mixed" in options.parts or "answer" in options.parts:
        ratio, plain = compare(options, data, (0, 6), "mixed")
    if "answer" in options.parts:
        same_answer(options, data, plain, (0, 6))
    if "profile" in options.parts:
        what_is_left(options, data, (0, 6))
    if ratio:
        print(f"ratio {ratio:.1f}x")


if __name__ == "__main__":
    main()
