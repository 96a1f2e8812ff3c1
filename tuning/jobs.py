"""From trials to jobs: the images and frozen features that they need, and their start."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace

from crackdet.data import CrackData
from crackdet.data.splits import PicturesLeftOut
from crackdet.features import CacheTooSmall
from tuning.hypermodel import CrackHyperModel
from tuning.leaderboard import Leaderboard
from tuning.tasks import Outcome, Task
from tuning.trial import Recipe, run_job

# Fewer validation images than this rank trials by noise.
MIN_VALIDATION = 500


class Jobs:
    """Prepares and submits the trials of a search.

    Trials on kept features need labels and content keys alone: the pictures, gigabytes where they
    are in memory, stay here. Where a trial finds no features after all, on a machine of a cluster
    that does not share the cache say, it comes back and gets them.

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
        # By training images: the depths whose features are kept, and those that have no room.
        self._kept: dict[int, set[int]] = {}
        self._refused: dict[int, set[int]] = {}
        self._pictures_travel = False

    def prepare(self, tasks: Sequence[Task]) -> None:
        """Computes the frozen features of newly drawn trials, with all cores."""
        hypermodel = CrackHyperModel(**self._recipe.hypermodel)
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
            self._kept[images] = self._kept.get(images, set()) | kept
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
        cutoff = self._board.checkpoint_cutoff(images)
        recipe = self._recipe
        if refused := self._refused.get(images):
            cache = recipe.hypermodel["cache"].read_only(refused)
            recipe = replace(recipe, hypermodel={**recipe.hypermodel, "cache": cache})
        data = self._part_for(tasks, images)
        return self._executor.submit(run_job, recipe, data, list(tasks), others, cutoff)

    def mended(self, error: BaseException) -> bool:
        """Returns whether a job that ended with an exception need only run again.

        It is so where it lacked pictures: they travel from now on.
        """
        lacked = isinstance(error, PicturesLeftOut)
        self._pictures_travel |= lacked
        return lacked

    def _part_for(self, tasks: Sequence[Task], images: int) -> CrackData:
        """Returns the images of some trials, without their pictures where none is needed."""
        part = self._part(images)
        if self._pictures_travel or not {task.depth for task in tasks} <= self._kept.get(
            images, set()
        ):
            return part
        return replace(
            part, train=part.train.without_images(), validation=part.validation.without_images()
        )

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
