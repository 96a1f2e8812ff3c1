"""What a search sends to a trial: the images of its round, its rivals, and features that fit."""

import dataclasses
import pickle
from collections import deque

import pytest

from crackdet.data.splits import PicturesLeftOut
from crackdet.features import CacheTooSmall, FeatureCache
from tests.tuning.conftest import ONE_ROUND, SIZE, SPACE, Inline
from tuning import jobs as module
from tuning import search
from tuning.jobs import Jobs
from tuning.leaderboard import Leaderboard
from tuning.scheduler import next_job
from tuning.tasks import Finished, Outcome, Task
from tuning.trial import Recipe

VALUES = {"dropout": 0.1, "learning_rate": 1e-3}


def task(name, depth=1, **more):
    return Task(name, {**VALUES, "unfreeze_depth": depth, **more}, seed=int(name))


class Submitted(Inline):
    """Keeps what a job was given."""

    def __init__(self):
        self.calls = []

    def submit(self, fn, /, *args, **kwargs):
        self.calls.append(args)
        return super().submit(lambda: None)


@pytest.fixture
def board(tmp_path):
    return Leaderboard(tmp_path, "val_loss", "min", keep_checkpoints=1, images=48)


@pytest.fixture
def asked(monkeypatch):
    """Which features a search asks for; there is room for those of depths below 5."""
    asked = []

    class HyperModel:
        views, cache = 1, "a cache"

        def __init__(self, **options):
            pass

        def fill_cache(self, data, depths, painting):
            asked.append((data.train.num_images, sorted(depths), *([painting] if painting else [])))
            return [depth for depth in depths if depth < 5]

    monkeypatch.setattr(module, "CrackHyperModel", HyperModel)
    return asked


def make(data, board, tmp_path, *, pruning=True, **options):
    recipe = Recipe({"cache": FeatureCache(tmp_path / "cache"), "views": 1}, "val_loss", pruning)
    executor = Submitted()
    made = Jobs(recipe, data, board, executor, say=print, seed=0, **options)
    return made, executor.calls


def test_a_trial_gets_the_images_of_its_round_and_none_of_test(data, board, tmp_path, asked):
    jobs, calls = make(data, board, tmp_path)
    first, second = task("00", **{"tuner/images": 24}), task("01")
    jobs.prepare([first, second])
    for each in (first, second):
        jobs.submit([each])
    parts = [part for _, part, *_ in calls]
    assert [part.train.num_images for part in parts] == [24, 48]
    assert [part.test.num_images for part in parts] == [0, 0]
    assert [count for count, _ in asked] == [24, 48]


def test_features_ahead_are_asked_for_each_time(data, board, tmp_path, asked):
    """A search that goes on, which prepares what it has left, takes the same way to them."""
    jobs, _ = make(data, board, tmp_path, ahead=(4,))
    jobs.prepare([task("00", 1), task("01", 3)])
    jobs.prepare([task("02", 2)])
    assert asked == [(48, [0, 1, 3, 4]), (48, [0, 2, 4])]


def test_each_painting_has_a_pass_and_travels_without_pictures(data, board, tmp_path, asked):
    jobs, calls = make(data, board, tmp_path, stress=data.validation)
    painted = [
        task("00", 1, painting=0.5),
        task("01", 2, painting=1.0),
        task("02", 0, painting=0.5),
    ]
    jobs.prepare(painted)
    assert asked == [(48, [0, 1], 0.5), (48, [0, 2], 1.0)]
    jobs.submit(painted[:1])
    with pytest.raises(PicturesLeftOut):
        calls[0][0].hypermodel["stress"].images([0])
    jobs.submit([task("03", 2, painting=0.5)])  # of which no features are kept
    assert calls[1][0].hypermodel["stress"] is data.validation
    heads = deque([task("04", 0, painting=0.5), task("05", 0), task("06", 0, painting=0.5)])
    assert [each.trial for each in next_job(heads, workers=2)] == ["04", "06"]


def test_rivals_are_trials_of_the_same_images_that_did_not_fail(data, board, tmp_path, asked):
    outcomes = {
        "00": Outcome({"val_loss": 0.5, "val_accuracy": 1.0}, 2, losses=(0.6, 0.5)),
        "01": Outcome(error="no luck"),
    }
    for name, outcome in outcomes.items():
        board.finished(Finished(task(name), outcome))
    fewer = task("02", **{"tuner/images": 24})
    board.finished(Finished(fewer, dataclasses.replace(outcomes["00"], losses=(0.9, 0.8))))
    jobs, calls = make(data, board, tmp_path)
    jobs.submit([task("03")])
    jobs.submit([task("04", **{"tuner/images": 24})])
    assert [list(others) for *_, others, _ in calls] == [[(0.6, 0.5)], [(0.9, 0.8)]]
    assert [cutoff for *_, cutoff in calls] == [0.5, float("-inf")]
    unpruned, calls = make(data, board, tmp_path, pruning=False)
    unpruned.submit([task("05")])
    assert list(calls[0][3]) == []


def test_a_trial_makes_no_room_for_what_the_search_found_none_for(data, board, tmp_path, asked):
    jobs, calls = make(data, board, tmp_path)
    jobs.prepare([task("00", 2), task("01", 6)])
    jobs.submit([task("01", 6)])
    assert calls[0][0].hypermodel["cache"]._read_only == {6}
    jobs.prepare([task("02", 3)])
    jobs.submit([task("02", 3)])
    assert calls[1][0].hypermodel["cache"]._read_only == {6}


def test_pictures_stay_behind_where_features_are_kept(data, board, tmp_path, asked):
    jobs, calls = make(data, board, tmp_path)
    jobs.prepare([task("00", 1), task("01", 6)])
    for each in (task("00", 1), task("01", 6), task("02", 3)):  # there is no room at 6, nor any yet
        jobs.submit([each])
    pictures = SIZE * SIZE * 3 * (data.train.num_images + data.validation.num_images)
    kept, refused, unprepared = (len(pickle.dumps(call)) for call in calls)
    assert kept < pictures / 10
    assert min(refused, unprepared) > pictures
    part = calls[0][1]
    assert part.train.digests == data.train.digests
    with pytest.raises(PicturesLeftOut):
        part.train.images([0])


def test_only_what_lacked_pictures_runs_again_and_gets_them(data, board, tmp_path, asked):
    jobs, calls = make(data, board, tmp_path)
    jobs.prepare([task("00", 1)])
    jobs.submit([task("00", 1)])
    assert not jobs.mended(RuntimeError("killed by SIGKILL"))
    jobs.submit([task("00", 1)])
    assert jobs.mended(PicturesLeftOut("left behind"))
    jobs.submit([task("00", 1)])
    assert jobs.mended(PicturesLeftOut("left behind")), "one that was sent before"
    sizes = [len(pickle.dumps(call)) for call in calls]
    assert sizes[0] == sizes[1] < sizes[2] / 10


def test_without_room_for_any_features_trials_go_on_with_pictures(
    data, board, tmp_path, asked, monkeypatch, capsys
):
    def no_room(*_):
        raise CacheTooSmall("The disk is small.")

    monkeypatch.setattr(module.CrackHyperModel, "fill_cache", no_room)
    jobs, calls = make(data, board, tmp_path)
    jobs.prepare([task("00", 1)])
    jobs.submit([task("00", 1)])
    assert capsys.readouterr().out == "The disk is small. Trials go on without these features.\n"
    assert calls[0][1].train.images([0]).shape == (1, SIZE, SIZE, 3)


class Elsewhere(Inline):
    """Runs jobs as a machine does that has a cache of its own, in the same folder there."""

    def __init__(self, folder):
        self.cache = FeatureCache(folder, verbose=0)
        self.pictures = []

    def submit(self, fn, recipe, part, *more):
        recipe = dataclasses.replace(recipe, hypermodel={**recipe.hypermodel, "cache": self.cache})
        future = super().submit(fn, recipe, part, *more)
        self.pictures.append(not isinstance(future.exception(), PicturesLeftOut))
        return future


@pytest.mark.slow
def test_a_trial_that_finds_no_features_comes_back_for_the_pictures(data, tmp_path, whole, capsys):
    executor = Elsewhere(tmp_path / "elsewhere")
    options = ONE_ROUND | {"max_trials": 1}
    found = search(data, directory=tmp_path / "search", space=SPACE, executor=executor, **options)
    assert executor.pictures == [False, True]
    assert "is run again" not in capsys.readouterr().out  # no process has died
    (trial,) = found.trials
    assert trial["status"] == "completed"
    assert trial["val_loss"] == pytest.approx(whole.trials[0]["val_loss"], rel=1e-3)
