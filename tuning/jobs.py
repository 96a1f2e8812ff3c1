"""From trials to jobs: the images and frozen features that they need, and their start."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace

from crackdet.data import CrackData
from crackdet.training import CacheTooSmall
from tuning.hypermodel import CrackHyperModel
from tuning.leaderboard import Leaderboard
from tuning.tasks import Outcome, Task
from tuning.trial import Recipe, run_job

# Fewer validation images than this rank trials by noise.
MIN_VALIDATION = 500


class Jobs:
    """Prepares and submits the trials of a search.

    Args:
        recipe: What all trials share.
        data: All images of the search.
        board: The trials that have ended.
        executor: What runs the jobs.
        say: Prints a line.
        ahead: Depths to compute features at, in each round, before a trial asks for them.
        seed: Seed of the sample of images.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: CrackData,
        board: Leaderboard,
        executor: Executor,
        *,
        say: Callable[[str], None],
        ahead: Sequence[int] = (),
        seed: int,
    ):
        self._recipe = recipe
        # Test is not looked at, and need not travel.
        self._data = replace(data, test=data.test.subset([]))
        self._board = board
        self._executor = executor
        self._say = say
        self._ahead = set(ahead)
        self._seed = seed
        self._parts: dict[int, CrackData] = {}
        self._refused: dict[int, set[int]] = {}

    def prepare(self, tasks: Sequence[Task]) -> None:
        """Computes the frozen features of newly drawn trials, with all cores."""
        hypermodel = CrackHyperModel(**self._recipe.hypermodel)
        if hypermodel.views is None or hypermodel.cache is None:
            return
        for images in sorted({self._board.images_of(task) for task in tasks}):
            alike = [task for task in tasks if self._board.images_of(task) == images]
            # Ahead each time, or a search that is resumed would take other ways to its features.
            depths = {0, *(task.depth for task in alike)} | self._ahead
            try:
                kept = set(hypermodel.fill_cache(self._part(images), depths))
            except CacheTooSmall as error:
                self._say(f"{error} Trials go on without these features.")
                continue
            self._ahead &= kept
            self._refused[images] = (self._refused.get(images, set()) | depths) - kept

    def submit(self, tasks: Sequence[Task]) -> "Future[list[Outcome]]":
        """Starts a job of one or more trials on the same images."""
        images = self._board.images_of(tasks[0])
        others = [
            trial.outcome.losses
            for trial in self._board.trials
            if self._recipe.pruning
            and not trial.outcome.failed
            and self._board.images_of(trial.task) == images
        ]
        bar = self._board.bar(images)
        part, recipe = self._part(images), self._recipe
        if refused := self._refused.get(images):
            cache = recipe.hypermodel["cache"].without(refused)
            recipe = replace(recipe, hypermodel={**recipe.hypermodel, "cache": cache})
        return self._executor.submit(run_job, recipe, part, list(tasks), others, bar)

    def _part(self, images: int) -> CrackData:
        if images not in self._parts:
            # One at a time is in use, and all images of a round are in memory.
            self._parts = {images: search_part(self._data, images, self._seed)}
        return self._parts[images]


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
    return replace(
        data,
        train=data.train.stratified(search_images, seed),
        validation=data.validation.stratified(count, seed),
    )
