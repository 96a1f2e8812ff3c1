"""`search`: dropout, learning rate and unfreeze depth of the classifier for a data set."""

import contextlib
import dataclasses
import math
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path

import keras
import keras_tuner

from crackdet.data import CrackData, ImageSplit
from crackdet.data.dataset import content_fingerprint
from crackdet.features import FeatureCache, Uncached
from crackdet.files import write_json
from crackdet.layers import painting
from crackdet.models import new_classifier
from crackdet.models.heads import check_pooling
from crackdet.models.weights import check_weights, weights_record
from crackdet.runs import files
from crackdet.runs.record import versions
from crackdet.runs.trials import OBJECTIVES, PAINTING, STRESS_LOSS
from crackdet.training.fitting import check_painting
from crackdet.training.heads import WIDTH
from tuning.checks import check_halving, check_least, check_objective, check_pruning
from tuning.display import Display
from tuning.executors import local_executor
from tuning.executors.memory import default_workers
from tuning.halving import Rung, plan_rungs
from tuning.hypermodel import Classifier, CrackHyperModel
from tuning.jobs import Jobs, search_part
from tuning.leaderboard import Leaderboard
from tuning.ledger import Ledger
from tuning.oracles import INDEPENDENT, make_oracle, trial_limit, why_no_more_trials
from tuning.project import Journal, open_project, workers_before
from tuning.result import SearchResult, write_best
from tuning.scheduler import run_trials
from tuning.space import SearchSpace
from tuning.trial import Recipe


def search(
    data: CrackData,
    *,
    directory: str | os.PathLike[str],
    tuner: str = "bayesian",
    max_trials: int = 12,
    space: SearchSpace | None = None,
    objective: str | None = None,
    epochs: int = 3,
    search_images: int | None = None,
    halving_factor: int | None = None,
    pruning: str | None = None,
    views: int | None = 1,
    painting: Callable[[float], keras.Layer] = painting,
    stress: ImageSplit | None = None,
    cache: FeatureCache | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    mixed_precision: bool = False,
    classifier: Classifier = new_classifier,
    seed: int = 0,
    alpha: float = 1.0,
    pooling: str | None = None,
    weights: str | Path | None = "imagenet",
    keep_checkpoints: int = 3,
    verbose: int = 1,
    resume: bool = True,
) -> SearchResult:
    """Searches the hyperparameters of the classifier with an algorithm of KerasTuner.

    Each trial trains with `crackdet.training.fit` on train (those of the head alone, up to 16 side
    by side, with `fit_heads`) and is measured on validation, at the epoch with the lowest
    `val_loss`, or `val_stress_loss`; test is not looked at. A search that was stopped, even by a
    kill, goes on when called again with the same arguments, and ends as if it had not been stopped.

    The frozen part of the network runs once over the images, here, with all cores; trials then
    run in processes of their own, `workers` at once, each computing with one thread. A process
    that dies is replaced and its trial run again, at most twice.

    Equal arguments give equal trials to the bit, however many workers there are for "random" and
    "grid". What "bayesian" and "hyperband" propose depends on what they have been told, and so on
    the `workers` that the search began with, but not on how long trials take. With pruning, a
    trial is compared with those that ended before it began, so that only one worker repeats to the
    bit.

    The folder holds trials.csv (one row a trial, rewritten after each),
    best_hyperparameters.json (at the end), KerasTuner's project, tensorboard/ (one run a trial,
    with HParams), the weights of the best trials, error.txt of failed ones, and journal.jsonl,
    from which it is resumed.

    Args:
        data: The images.
        directory: The folder.
        tuner: "bayesian" (Gaussian process, Snoek et al., 2012), "hyperband" (Li et al., 2018),
            "random" (Bergstra & Bengio, 2012) or "grid" (evenly spread over the space).
            Hyperband trains up to `epochs` epochs and few on bad trials; trials that it takes
            further are trained anew, so that their learning rate falls over all their epochs.
        max_trials: Trials at most, with `halving_factor` those of the first round. A small space
            may hold fewer. A "random" search without halving that stands in `directory` may be
            given more of them.
        space: What is searched. Defaults to `SearchSpace()`.
        objective: "val_loss"; "val_accuracy"; "val_recall_at_far_1pct", the share of cracked
            images found at a false-alarm rate of 1 % (two classes only); or "val_stress_loss", the
            loss on `stress`. Defaults to "val_stress_loss" with `stress`, else to "val_loss".
        epochs: Epochs of a trial.
        search_images: Size of the part of train, stratified by class, that trials train on.
            Validation shrinks in proportion, to no fewer than 500 images. None for all.
        halving_factor: With K, the best of each K trials are run again on K times as many images,
            the best of these on K times more, until all of train (successive halving, Jamieson &
            Talwalkar, 2016). The best trial is one of the last round. One that fails when it is
            run again is replaced by the next best; a pruned one is run again only where no other
            is left. Needs `search_images`, the images of the first round. None trains no trial
            again. Not for hyperband, which halves over epochs.
        pruning: "median" stops a trial whose `val_loss` is clearly worse than the median of the
            others at the same epoch (Golovin et al., 2017); trials.csv calls it "pruned". Not for
            hyperband.
        views: Views of each image whose frozen features are computed once: 1 for the images as
            they are, K for K-1 augmented ones beside, which are painted before where the space
            says so. None trains whole models with live augmentation, which is far slower.
        painting: What makes the painting of a strength of the space: a function like
            `crackdet.layers.painting` that other processes can import.
        stress: Further images that each epoch is measured on, such as those of
            `crackdet.stress.stress_split(data.validation)`: the loss on them then says which epoch
            of a trial is the best, and which trials are pruned.
        cache: Where frozen features are kept. Defaults to a folder in `directory`, removed at
            the end.
        workers: Trials at once. Defaults to one a core, as far as memory goes; 1 on a GPU; with
            `executor`, to its attribute `workers`, else to 1; for "bayesian" and "hyperband", which
            learn from trials that have ended, to at most a quarter of `max_trials`, or 2.
        executor: What runs trials: any `concurrent.futures.Executor`, such as that of
            `tuning.executors.ray_executor`, that runs each in a process that does nothing else at
            the time; Keras has one random state a process. It is left open. Defaults to processes
            on this machine.
        mixed_precision: Whether trials train in bfloat16, see `crackdet.training.fit`.
        classifier: What builds a trial's classifier: a function with the arguments of
            `crackdet.models.new_classifier` that other processes can import, whose models have
            MobileNetV2's units.
        seed: Seed of the search, 0 or more. On one machine, and with a cache that is empty or was
            left by the same search, it repeats the trials to the bit.
        alpha: Width of MobileNetV2.
        pooling: What is decided from: "average", "gem" or "local", see
            `crackdet.models.mobilenet_v2_classifier`; None for that of the weights. Heads of
            another than "average" are trained one by one.
        weights: Starting weights: "imagenet", "concrete", None or a path. A search goes on only
            from the same content.
        keep_checkpoints: Of how many best trials the weights are kept.
        verbose: 0 silent; 1 a live table on a terminal, else a line for each trial.
        resume: Whether to go on with a search that stands in `directory`. False refuses a folder
            that is not empty.

    Returns:
        The best hyperparameters, all trials, and the folder.

    Raises:
        ValueError: If an argument is wrong.
        CrackdetError: If the folder holds something else or a search with other options, if
            every trial failed, or three in a row.

    Example:

    >>> data = crackdet.load_data("demo", image_size=96)
    >>> found = tuning.search(data, directory="search", max_trials=4, weights="concrete")
    >>> found.best
    """
    space = space or SearchSpace()
    if objective is None:
        objective = "val_loss" if stress is None else STRESS_LOSS
    check_objective(data, tuner, objective, stress)
    if space.paints:
        check_painting(painting(space.high(PAINTING)), data.class_names, views)
    check_least(
        max_trials=(max_trials, 1),
        epochs=(epochs, 1),
        search_images=(search_images, len(data.class_names)),
        views=(views, 1),
        keep_checkpoints=(keep_checkpoints, 0),
        workers=(workers, 1),
        halving_factor=(halving_factor, 2),
        seed=(seed, 0),
    )
    check_pruning(pruning, halving_factor, tuner)
    check_halving(halving_factor, search_images)
    if classifier is new_classifier:
        check_pooling(pooling)
        check_weights(weights, alpha, len(data.class_names), pooling)
    options = {
        "tuner": tuner,
        "max_trials": max_trials,
        "space": dataclasses.asdict(space),
        "objective": objective,
        "epochs": epochs,
        "search_images": search_images,
        "halving_factor": halving_factor,
        "pruning": pruning,
        "views": views,
        "stress": None if stress is None else content_fingerprint([stress]),
        "mixed_precision": mixed_precision,
        "classifier": f"{classifier.__module__}.{classifier.__qualname__}",
        "seed": seed,
        "alpha": alpha,
        "pooling": pooling,
        "weights": weights_record(weights),
        "image_size": list(data.train.image_size),
        "batch_size": data.train.batch_size,
        "data": data.fingerprint,
    }
    if workers is None:
        workers = _workers(executor, tuner, max_trials, data, alpha, space, views)
    # What a tuner knows when it proposes is what it knew when the search began, whatever runs now.
    ahead = math.inf if tuner in INDEPENDENT else workers_before(directory) or workers
    part = search_part(data, search_images, seed)
    first = trial_limit(tuner, space, max_trials)
    rungs = (
        plan_rungs(first, part.train.num_images, data.train.num_images, halving_factor)
        if halving_factor
        else (Rung(part.train.num_images, first),)
    )
    made_with = {"workers": workers, "versions": versions()}
    with open_project(
        directory,
        options,
        made_with=made_with,
        resume=resume,
        fixed_trials=why_no_more_trials(tuner, len(rungs) > 1),
    ) as folder:
        journal = Journal(folder / files.JOURNAL)
        oracle = make_oracle(
            tuner,
            space,
            keras_tuner.Objective(objective, OBJECTIVES[objective]),
            max_trials=max_trials,
            epochs=epochs,
            seed=seed,
            known=journal.begun(),
            rungs=rungs,
        )
        oracle._set_project_dir(str(folder.parent), folder.name)
        board = Leaderboard(
            folder, objective, OBJECTIVES[objective], keep_checkpoints, part.train.num_images
        )
        planned = [rung.images for rung in rungs for _ in range(rung.trials)]
        display = Display(board, planned, workers=workers, verbose=verbose)
        own_cache = cache is None and views is not None
        kept: FeatureCache | Uncached | None = Uncached() if views is None else cache
        if own_cache:
            kept = FeatureCache(folder / files.CACHE, verbose=verbose)
        recipe = Recipe(
            {
                "image_size": data.train.image_size,
                "num_classes": len(data.class_names),
                "space": space,
                "alpha": alpha,
                "pooling": pooling,
                "weights": weights,
                "epochs": epochs,
                "views": views,
                "cache": kept,
                "painting": painting,
                "mixed_precision": mixed_precision,
                "classifier": classifier,
                "view_seed": seed,
            },
            objective,
            pruning == "median",
            keep_checkpoints,
        )
        if halving_factor and len(rungs) == 1:
            display.say(
                f"No trial is run again: the first round has all {rungs[0].images} images already."
            )
        ledger = Ledger(oracle, journal, seed=seed, ahead=ahead)
        if before := len(ledger.finished()):
            display.say(f"Going on after {before} finished trials in {folder}.")
        # An oracle that has not yet said how deep its trials go: features at the deepest boundary
        # are what all others are computed from.
        deepest = () if tuner in INDEPENDENT else (space.high("unfreeze_depth"),)
        with _open(executor) as running:
            jobs = Jobs(
                recipe,
                data,
                board,
                running,
                say=display.say,
                stress=stress,
                ahead=deepest,
                seed=seed,
            )
            together = (
                views is not None and CrackHyperModel(**recipe.hypermodel).trains_heads_together()
            )
            _run(ledger, jobs, display, workers, WIDTH if together else 1)
        best = write_best(display, len(planned) + max_trials - first)
        if own_cache:
            shutil.rmtree(folder / files.CACHE, ignore_errors=True)
    return SearchResult(best, board.rows(), folder, recipe.hypermodel)


def _workers(
    executor: Executor | None,
    tuner: str,
    max_trials: int,
    data: CrackData,
    alpha: float,
    space: SearchSpace,
    views: int | None,
) -> int:
    """Returns how many trials run at once when nothing is said."""
    if executor is None:
        most = default_workers(
            data.train.image_size,
            batch_size=data.train.batch_size,
            alpha=alpha,
            unfreeze_depth=space.high("unfreeze_depth"),
            cached=views is not None,
        )
    else:
        most = getattr(executor, "workers", 1)
    # A tuner that learns from the trials that have ended learns nothing when all run at once.
    return most if tuner in INDEPENDENT else min(most, max(2, max_trials // 4))


@contextlib.contextmanager
def _open(executor: Executor | None) -> Iterator[Executor]:
    """Yields the caller's executor, or processes of our own that are gone afterwards."""
    if executor is not None:
        yield executor
        return
    own = local_executor()
    try:
        yield own
    finally:
        own.shutdown(cancel_futures=True)


def _run(ledger: Ledger, jobs: Jobs, display: Display, workers: int, heads_at_once: int) -> None:
    folder = display.leaderboard.folder
    try:
        with display.live():
            run_trials(
                ledger,
                jobs.submit,
                workers=workers,
                watchers=(display.leaderboard, display),
                prepare=jobs.prepare,
                mended=jobs.mended,
                heads_at_once=heads_at_once,
            )
    except KeyboardInterrupt:
        display.say(f"Stopped. The same search goes on from {folder}.")
        raise
    # By this file KerasTuner's own tuners know that a project stands here.
    write_json(folder / "tuner0.json", {})
