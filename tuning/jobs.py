"""From trials to jobs: the images and frozen features that they need, and their start."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace

from crackdet.data import CrackData
from crackdet.data.splits import ImageSplit, PicturesLeftOut
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
        stress: Further images that trials are measured on, or None.
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
        stress: ImageSplit | None = None,
        ahead: Sequence[int] = (),
        seed: int,
    ):
        self._recipe = recipe
        # Test is not looked at, and need not travel.
        self._data = replace(data, test=data.test.subset([]))
        self._board = board
        self._executor = executor
        self._say = say
        self._stress = stress
        self._ahead = set(ahead)
        self._seed = seed
        self._parts: dict[int, CrackData] = {}
        # By training images and painting: the depths whose features are kept, and those that have
        # no room.
        self._kept: dict[tuple[int, float], set[int]] = {}
        self._refused: dict[tuple[int, float], set[int]] = {}
        self._pictures_travel = False

    def prepare(self, tasks: Sequence[Task]) -> None:
        """Computes the frozen features of newly drawn trials, with all cores."""
        hypermodel = CrackHyperModel(**self._recipe.hypermodel, stress=self._stress)
        for kind in sorted({self._kind(task) for task in tasks}):
            alike = [task for task in tasks if self._kind(task) == kind]
            # Ahead each time, or a search that is resumed would take other ways to its features.
            depths = {0, *(task.depth for task in alike)} | self._ahead
            try:
                kept = set(hypermodel.fill_cache(self._part(kind[0]), depths, kind[1]))
            except CacheTooSmall as error:
                self._say(f"{error} Trials go on without these features.")
                continue
            self._ahead &= kept
            self._kept[kind] = self._kept.get(kind, set()) | kept
            self._refused[kind] = (self._refused.get(kind, set()) | depths) - kept

    def submit(self, tasks: Sequence[Task]) -> "Future[list[Outcome]]":
        """Starts a job of one or more trials on the same images."""
        kind = self._kind(tasks[0])
        images = kind[0]
        others = [
            trial.outcome.losses
            for trial in self._board.trials
            if self._recipe.pruning
            and not trial.outcome.failed
            and self._board.images_of(trial.task) == images
        ]
        cutoff = self._board.checkpoint_cutoff(images)
        recipe = self._recipe
        if refused := self._refused.get(kind):
            cache = recipe.hypermodel["cache"].read_only(refused)
            recipe = replace(recipe, hypermodel={**recipe.hypermodel, "cache": cache})
        data, stress = self._part(images), self._stress
        if not self._need_pictures(tasks):
            train, validation = data.train.without_images(), data.validation.without_images()
            data = replace(data, train=train, validation=validation)
            stress = stress and stress.without_images()
        recipe = replace(recipe, hypermodel={**recipe.hypermodel, "stress": stress})
        return self._executor.submit(run_job, recipe, data, list(tasks), others, cutoff)

    def mended(self, error: BaseException) -> bool:
        """Returns whether a job that ended with an exception need only run again.

        It is so where it lacked pictures: they travel from now on.
        """
        lacked = isinstance(error, PicturesLeftOut)
        self._pictures_travel |= lacked
        return lacked

    def _kind(self, task: Task) -> tuple[int, float]:
        """Returns what trials that share features have in common: training images and painting."""
        return self._board.images_of(task), task.painting

    def _need_pictures(self, tasks: Sequence[Task]) -> bool:
        kept = self._kept.get(self._kind(tasks[0]), set())
        return self._pictures_travel or not {task.depth for task in tasks} <= kept

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
