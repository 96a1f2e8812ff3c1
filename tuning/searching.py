"""`search`: dropout, learning rate and unfreeze depth of the classifier for a data set."""

import dataclasses
import functools
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras_tuner

from crackdet.data import CrackData
from crackdet.errors import CrackdetError
from crackdet.files import atomic_write, write_json
from crackdet.training import FeatureCache
from tuning.display import Display
from tuning.engine import Outcome, Task, attempt, run_trials
from tuning.hypermodel import CrackHyperModel, fill_cache
from tuning.leaderboard import HYPERPARAMETERS, Leaderboard
from tuning.oracles import TUNERS, make_oracle, trial_limit
from tuning.project import JOURNAL, Journal, open_project
from tuning.space import SearchSpace
from tuning.trials import OBJECTIVES, RECALL, error_file, run_trial

BEST = "best_hyperparameters.json"

# Fewer validation images than this rank trials by noise.
MIN_VALIDATION = 500


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        best: The best trial's dropout, learning_rate and unfreeze_depth.
        trials: The rows of trials.csv, failed trials included, as dictionaries.
        directory: The search's folder.
    """

    best: dict[str, Any]
    trials: list[dict[str, Any]]
    directory: Path


def search(
    data: CrackData,
    *,
    directory: str | os.PathLike[str],
    tuner: str = "bayesian",
    max_trials: int = 12,
    space: SearchSpace | None = None,
    objective: str = "val_loss",
    epochs: int = 3,
    search_images: int | None = None,
    views: int | None = 1,
    cache: FeatureCache | None = None,
    seed: int = 0,
    alpha: float = 1.0,
    weights: str | Path | None = "imagenet",
    keep_checkpoints: int = 3,
    verbose: int = 1,
    resume: bool = True,
) -> SearchResult:
    """Searches the hyperparameters of the classifier with an algorithm of KerasTuner.

    Each trial trains with `crackdet.training.fit` on train and is measured on validation, at the
    epoch with the lowest `val_loss`; test is not looked at. Equal arguments give equal trials to
    the bit. A search that was stopped, even by a kill, goes on when called again with the same
    arguments, and ends as if it had not been stopped.

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
        max_trials: Trials at most. A small space may hold fewer.
        space: What is searched. Defaults to `SearchSpace()`.
        objective: "val_loss"; "val_accuracy"; or "val_recall_at_far_1pct", the share of cracked
            images found at a false-alarm rate of 1 % (two classes only).
        epochs: Epochs of a trial.
        search_images: Size of the part of train, stratified by class, that trials train on.
            Validation shrinks in proportion, to no fewer than 500 images. None for all.
        views: Views of each image whose frozen features are computed once: 1 for the images as
            they are, K for K-1 augmented ones beside. None trains whole models with live
            augmentation, which is far slower.
        cache: Where frozen features are kept. Defaults to a folder in `directory`, removed at
            the end.
        seed: Seed of the search, 0 or more.
        alpha: Width of MobileNetV2.
        weights: Starting weights: "imagenet", "concrete", None or a path.
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
    _check(data, tuner, objective)
    _check_least(
        max_trials=(max_trials, 1),
        epochs=(epochs, 1),
        search_images=(search_images, len(data.class_names)),
        views=(views, 1),
        keep_checkpoints=(keep_checkpoints, 0),
        seed=(seed, 0),
    )
    options = {
        "tuner": tuner,
        "max_trials": max_trials,
        "space": dataclasses.asdict(space),
        "objective": objective,
        "epochs": epochs,
        "search_images": search_images,
        "views": views,
        "seed": seed,
        "alpha": alpha,
        "weights": None if weights is None else str(weights),
        "image_size": list(data.train.image_size),
        "batch_size": data.train.batch_size,
        "data": data.fingerprint,
    }
    with open_project(directory, options, resume=resume) as folder:
        journal = Journal(folder / JOURNAL)
        oracle = make_oracle(
            tuner,
            space,
            keras_tuner.Objective(objective, OBJECTIVES[objective]),
            max_trials=max_trials,
            epochs=epochs,
            seed=seed,
            known=journal.begun(),
        )
        oracle._set_project_dir(str(folder.parent), folder.name)
        board = Leaderboard(folder, objective, OBJECTIVES[objective], keep_checkpoints)
        display = Display(board, trial_limit(tuner, space, max_trials), verbose=verbose)
        own_cache = cache is None and views is not None
        hypermodel = functools.partial(
            CrackHyperModel,
            data.train.image_size,
            num_classes=len(data.class_names),
            space=space,
            alpha=alpha,
            weights=weights,
            epochs=epochs,
            views=views,
            cache=FeatureCache(folder / "cache", verbose=verbose) if own_cache else cache,
            view_seed=seed,
        )
        part = search_part(data, search_images, seed)
        _run(oracle, hypermodel, part, display, journal, seed)
        best = _finish(display, max_trials)
        if own_cache:
            shutil.rmtree(folder / "cache", ignore_errors=True)
    return SearchResult(best, board.rows(), folder)


def search_part(data: CrackData, search_images: int | None, seed: int) -> CrackData:
    """Returns the part of a data set that trials see.

    Args:
        data: The data set.
        search_images: Images of train, stratified by class; None for all.
        seed: Seed of the sample.

    Returns:
        The data set with fewer images in train, and in validation as many as the same share but
        no fewer than 500, or all.
    """
    if search_images is None or search_images >= data.train.num_images:
        return data
    share = search_images / data.train.num_images
    count = max(MIN_VALIDATION, round(share * data.validation.num_images))
    return dataclasses.replace(
        data,
        train=data.train.stratified(search_images, seed),
        validation=data.validation.stratified(count, seed),
    )


def _check(data: CrackData, tuner: str, objective: str) -> None:
    if tuner not in TUNERS:
        raise ValueError(f"Expected tuner to be one of {TUNERS}. Received: {tuner!r}")
    if objective not in OBJECTIVES:
        raise ValueError(
            f"Expected objective to be one of {(*OBJECTIVES,)}. Received: {objective!r}"
        )
    if objective == RECALL and len(data.class_names) != 2:
        raise ValueError(f"{objective} needs two classes. Received: {data.class_names}")


def _check_least(**bounds: tuple[int | None, int]) -> None:
    """Checks `name=(value, lowest)`; None stands for all or none, which is allowed."""
    for name, (value, lowest) in bounds.items():
        if value is not None and value < lowest:
            raise ValueError(f"Expected {name} of {lowest} or more. Received: {value}")


def _run(
    oracle: keras_tuner.Oracle,
    make_hypermodel: Callable[..., CrackHyperModel],
    data: CrackData,
    display: Display,
    journal: Journal,
    seed: int,
) -> None:
    """Runs the trials that are missing, with the features that all share computed first."""
    board = display.leaderboard
    before = sum(event["event"] == "end" for event in journal.events)
    if before:
        display.say(f"Going on after {before} finished trials in {board.folder}.")
    if not (board.folder / BEST).exists():
        fill_cache(make_hypermodel(seed=seed), data)

    def execute(task: Task) -> Outcome:
        hypermodel = make_hypermodel(seed=task.seed)
        outcome = attempt(
            lambda: run_trial(task, hypermodel, data, board.objective, board.folder),
            board.objective,
        )
        if outcome.failed:
            with atomic_write(error_file(board.folder, task.trial)) as temporary:
                temporary.write_text(outcome.traceback, "utf-8")
        return outcome

    try:
        with display.live():
            run_trials(oracle, journal, execute, seed=seed, watcher=display)
    except KeyboardInterrupt:
        display.say(f"Stopped. The same search goes on from {board.folder}.")
        raise
    # By this file KerasTuner's own tuners know that a project stands here.
    write_json(board.folder / "tuner0.json", {})


def _finish(display: Display, max_trials: int) -> dict[str, Any]:
    """Writes best_hyperparameters.json, tells what was found, returns the best hyperparameters."""
    board = display.leaderboard
    if len(board.trials) < max_trials:
        display.say(
            f"Ended after {len(board.trials)} of {max_trials} trials: the search space holds "
            "nothing more to try."
        )
    if not board.ranked():
        last = board.trials[-1]
        raise CrackdetError(
            f"All {len(board.trials)} trials failed, the last with {last.outcome.error} "
            f"(traceback in {error_file(board.folder, last.task.trial)}). Mend the "
            "cause and search in another directory."
        )
    best = board.row(board.ranked()[0])
    chosen = {name: best[name] for name in HYPERPARAMETERS}
    write_json(
        board.folder / BEST,
        {
            **chosen,
            "objective": board.objective,
            "value": best[board.objective],
            "trial": best["trial"],
        },
    )
    display.say(f"Best: {display.describe(board.ranked()[0])}")
    display.say(f"Results: {board.folder / 'trials.csv'}, {board.folder / BEST}")
    display.say(f"Curves: tensorboard --logdir {board.folder / 'tensorboard'}")
    return chosen
