"""The same trials searched twice: by plain KerasTuner, and by crackdet on cached features.

KerasTuner trains the whole network on decoded images in memory, without augmentation; crackdet
computes the frozen features first, which is counted. Both take the same trials (hyperparameters,
seeds, epochs) on the same images, one search after the other. The plain one's convolutions are
Keras' own.
"""

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import keras_tuner
import numpy as np

import crackdet
import tuning
from crackdet.training import products
from tuning.executors.memory import default_workers
from tuning.jobs import Jobs

# Of four trials of a random search, those of this seed have depths 4, 5, 3 and 0 where 0 to 6 are
# searched: with the mean of all.
QUICK_SEED = 11


@dataclasses.dataclass(frozen=True)
class Setup:
    """What both searches are told."""

    trials: int
    epochs: int = 3
    image_size: int = 224
    alpha: float = 1.0
    weights: str | None = "concrete"
    seed: int = 0
    workers: int | None = None  # crackdet's; None for its default
    plain_trials: int | None = None  # plain runs only so many; None for all
    mixed_precision: bool = False  # whether crackdet's runs once more, in mixed precision

    def network(self) -> dict[str, Any]:
        """Returns what the classifier is told."""
        return {"image_size": self.image_size, "alpha": self.alpha, "weights": self.weights}


@dataclasses.dataclass
class Search:
    """What a search took, in all and for the passes; its trials; and what loads the best one."""

    seconds: float
    pass_seconds: float
    rows: list[dict]
    load_best: Callable[[], keras.Model]


@dataclasses.dataclass
class Comparison:
    """Both searches, and how much longer the plain one takes."""

    ratio: float
    ours: Search
    plain: Search


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

    def __init__(self, setup: Setup):
        super().__init__()
        self.setup = setup

    def hypermodel(self, hp: keras_tuner.HyperParameters) -> tuning.CrackHyperModel:
        # KerasTuner builds once more with no values, to learn the space.
        seed = hp.values.get("seed", 0)
        return tuning.CrackHyperModel(
            strength=0, epochs=self.setup.epochs, seed=seed, **self.setup.network()
        )

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        return self.hypermodel(hp).build(hp)

    def fit(self, hp, model, data, **arguments):
        arguments.pop("validation_data", None)
        return self.hypermodel(hp).fit(hp, model, data, **arguments)


def plain_search(setup: Setup, data, trials: list[dict], folder: Path) -> Search:
    """Runs a list of trials with KerasTuner as it is."""
    objective = keras_tuner.Objective("val_loss", "min")
    tuner = keras_tuner.Tuner(
        Listed(trials, objective=objective, max_trials=len(trials) + 1),
        Plain(setup),
        directory=folder.parent,
        project_name=folder.name,
        overwrite=True,
    )
    with mock.patch.object(products, "takes_products", return_value=False):
        start = time.perf_counter()
        tuner.search(data, verbose=0)
        seconds = time.perf_counter() - start
    found = [tuner.oracle.trials[name] for name in tuner.oracle.start_order]
    rows = [{"val_loss": trial.score} for trial in found]
    return Search(seconds, 0.0, rows, lambda: tuner.get_best_models(1)[0])


def cached_search(setup: Setup, data, depths: tuple[int, int], folder: Path, **more) -> Search:
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
            max_trials=setup.trials,
            space=tuning.SearchSpace(unfreeze_depth=depths),
            epochs=setup.epochs,
            workers=setup.workers,
            alpha=setup.alpha,
            weights=setup.weights,
            seed=setup.seed,
            keep_checkpoints=1,
            verbose=0,
            **more,
        )
        seconds = time.perf_counter() - start
    events = map(json.loads, (folder / "journal.jsonl").read_text().splitlines())
    ended = {event["trial"]: event["time"] for event in events if event["event"] == "end"}
    origin = time.time() - (time.perf_counter() - start)
    rows = [{**row, "ended": ended[row["trial"]] - origin} for row in result.trials]
    return Search(seconds, sum(passes), rows, result.load_best)


def compare(setup: Setup, data, depths: tuple[int, int], name: str, out: Path) -> Comparison:
    """Times both searches and prints their table."""
    images = data.train.num_images + data.validation.num_images
    print(
        f"\n{name}: {setup.trials} trials x {setup.epochs} epochs x "
        f"{data.train.num_images} + {data.validation.num_images} images"
    )
    workers = setup.workers or default_workers(
        data.train.image_size, alpha=setup.alpha, unfreeze_depth=depths[1]
    )
    ours = cached_search(
        dataclasses.replace(setup, workers=workers), data, depths, out / f"{name}-crackdet"
    )
    names = ("dropout", "learning_rate", "unfreeze_depth", "seed")
    trials = [{key: row[key] for key in names} for row in ours.rows]
    tried = trials[: setup.plain_trials]
    plain = plain_search(setup, data, tried, out / f"{name}-plain")
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
    if len(tried) < setup.trials:
        print(f"plain would take {each * setup.trials:.0f} s, if the other trials take as long")
    print(
        f"crackdet {ours.seconds:.0f} s = one pass {ours.pass_seconds:.0f} s ({images} images) + "
        f"trials {inside:.0f} s of worker time on {workers} workers "
        f"(mean {inside / setup.trials:.1f} s a trial)"
    )
    ratio = each * setup.trials / ours.seconds
    if setup.mixed_precision:
        compare_precisions(setup, data, depths, ours, each * setup.trials, out / f"{name}-mixed")
    print(f"{name}: ratio {ratio:.1f}x", flush=True)
    return Comparison(ratio, ours, plain)


def compare_precisions(
    setup: Setup, data, depths: tuple[int, int], ours: Search, plain_seconds: float, folder: Path
) -> None:
    """Prints what mixed precision does to the seconds of crackdet's search and to its losses."""
    mixed = cached_search(setup, data, depths, folder, mixed_precision=True)
    apart = [
        row["val_loss"] - other["val_loss"]
        for row, other in zip(mixed.rows, ours.rows, strict=True)
    ]
    print(
        f"in mixed precision {mixed.seconds:.0f} s: ratio {plain_seconds / mixed.seconds:.1f}x; "
        f"val_loss {min(apart):+.1e} to {max(apart):+.1e} beside float32's, trial by trial"
    )


def in_memory(data, train: int, validation: int, seed: int) -> crackdet.data.CrackData:
    """Returns a part of a data set with its images decoded, stratified by class."""

    def decoded(split, count):
        part = split.stratified(count, seed)
        return part.images(range(part.num_images)), part.labels

    none = (np.zeros((0, *data.train.image_size, 3), np.uint8), np.zeros(0, np.int64))
    return crackdet.data.CrackData.from_arrays(
        decoded(data.train, train), decoded(data.validation, validation), none,
        image_size=data.train.image_size, batch_size=data.train.batch_size,
    )  # fmt: skip
