"""Real searches whose processes are killed, stopped, or left without room, each ending well."""

import dataclasses
import os
import signal
import threading
import time

import numpy as np
import pytest

from tests.tuning.conftest import ONE_ROUND, OPTIONS, SPACE, ended_trials, loss_of, read_rows
from tests.tuning.processes import members, trials, wait_for, wait_until_gone
from tuning import search
from tuning.executors.processes import TrialProcesses

pytestmark = pytest.mark.slow

BUSY = 0.3  # seconds of a processor after which a trial is at work


def ended(folder):
    """How many trials have ended."""
    return len(ended_trials(folder))


def checkpoints(folder):
    """Folders of the trials whose weights are kept."""
    return {path.parent.name for path in folder.glob("trial_*/checkpoint.weights.h5")}


def curves(folder):
    """The sizes of the curves of each trial that has some."""
    files = sorted(folder.glob("tensorboard/*/*"))
    return [(path.parent.name, path.stat().st_size) for path in files]


class AtWork:
    """Tells which processes have worked for a while on a trial that has not ended.

    A process goes on with the next trial, so what it has worked counts from the last end on. One
    that has ended its own may have sent its result already, and its death would lose nothing.
    """

    def __init__(self, folder):
        self._folder = folder
        self._ended = 0
        self._before = {}

    def pids(self, root):
        found, count = trials(root), ended(self._folder)
        if count != self._ended:
            self._ended = count
            self._before = {each.pid: each.seconds for each in found}
        return [e.pid for e in found if e.seconds - self._before.get(e.pid, 0) > BUSY]


@pytest.fixture
def killing(tmp_path):
    """Kills the process of a trial in its middle if `when(ended, deaths)` is true.

    `ended` is how many trials have ended, `deaths` how many were killed so far.
    """
    stop = threading.Event()
    dead = []
    at_work = AtWork(tmp_path / "search")

    def kill(when):
        while not stop.wait(0.02):
            for pid in at_work.pids(os.getpid()):
                if pid not in dead and when(ended(tmp_path / "search"), len(dead)):
                    os.kill(pid, signal.SIGKILL)
                    dead.append(pid)

    def start(when):
        threading.Thread(target=kill, args=(when,), daemon=True).start()
        return dead

    yield start
    stop.set()


def test_an_undisturbed_search_leaves_the_best_weights_and_all_curves(whole):
    assert [row["status"] for row in whole.trials] == ["completed"] * 3
    assert [row["images"] for row in whole.trials] == [24, 24, 48]
    ranked = sorted(whole.trials, key=lambda row: (-row["images"], row["val_loss"]))
    assert checkpoints(whole.directory) == {f"trial_{row['trial']}" for row in ranked[:2]}
    assert [trial for trial, size in curves(whole.directory) if size] == ["0", "1", "2"]
    assert not (whole.directory / "cache").exists()


def test_the_model_of_the_best_trial_is_the_one_that_was_measured(whole, data):
    best = whole.trials[-1]["val_loss"]
    assert best < 0.9 * np.log(2)  # which no constant model goes below
    assert loss_of(whole.load_best(), data.validation) == pytest.approx(best, rel=1e-3)


def test_a_killed_trial_is_run_again_with_two_workers(data, tmp_path, whole, killing, capsys):
    dead = killing(lambda ended, deaths: ended >= 1 and not deaths)
    found = search(data, directory=tmp_path / "search", space=SPACE, workers=2, **OPTIONS)
    assert len(dead) == 1
    assert "is run again: the process was killed by SIGKILL." in capsys.readouterr().out
    assert read_rows(tmp_path / "search") == read_rows(whole.directory)
    assert found.best == whole.best
    assert curves(tmp_path / "search") == curves(whole.directory)
    assert not list((tmp_path / "search").glob("**/*.partial*"))


def test_a_trial_that_is_killed_every_time_fails_and_the_search_goes_on(
    data, tmp_path, whole, killing
):
    dead = killing(lambda ended, deaths: ended == 0 and deaths < 3)
    search(data, directory=tmp_path / "search", space=SPACE, workers=1, verbose=0, **ONE_ROUND)
    assert len(dead) == 3
    killed, other = read_rows(tmp_path / "search")
    assert killed["status"] == "failed"
    assert other == read_rows(whole.directory)[1]
    assert "died 3 times, the last time: the process was killed by SIGKILL" in killed["error"]
    text = (tmp_path / "search" / "trial_0" / "error.txt").read_text()
    assert text == killed["error"] + "\n"


@pytest.fixture
def program(programs, tmp_path):
    """Starts a search, and stops it as soon as something is true; returns what it wrote."""

    def run(number, when):
        log = tmp_path / "log.txt"
        pid = programs.start("search_here", log, folder=str(tmp_path / "search"), workers=2)
        try:
            wait_for(lambda: programs.poll(pid) is not None or when(pid), 120)
            assert programs.poll(pid) is None, f"ended before it was stopped: {log.read_text()}"
            own = [each.pid for each in members(pid)]
            start = time.monotonic()
            if number == signal.SIGINT:
                os.killpg(pid, signal.SIGINT)  # as a terminal does
            else:
                os.kill(pid, number)
            assert programs.wait(pid, 10) == -number
            wait_until_gone(own, 2)  # to take Keras apart would take longer
            assert not members(pid)
            assert time.monotonic() - start < 5
        finally:
            programs.kill(pid)
        return log.read_text()

    return run


def mid_trial(count, folder, after=0):
    """Says whether so many trials are at work, after so many have ended."""
    at_work = AtWork(folder)
    return lambda search: len(at_work.pids(search)) >= count and ended(folder) >= after


def test_a_search_stopped_three_times_ends_as_an_undisturbed_one(data, tmp_path, whole, program):
    folder = tmp_path / "search"
    # Ctrl-C while the features are computed.
    text = program(signal.SIGINT, lambda _: (folder / "cache").exists())
    assert ended(folder) == 0
    assert f"Stopped. The same search goes on from {folder}." in text
    assert text.count("Traceback") == 1, text  # the program's own
    # Ctrl-C while two trials run.
    text = program(signal.SIGINT, mid_trial(2, folder))
    assert ended(folder) == 0
    assert f"Stopped. The same search goes on from {folder}." in text
    assert text.count("Traceback") == 1, text
    # A kill in the last round.
    program(signal.SIGKILL, mid_trial(1, folder, after=2))
    assert ended(folder) == 2
    assert not (folder / "best_hyperparameters.json").exists()
    # A row is written before the journal's end: a kill between the two has the trial run again.
    noted = ended_trials(folder)
    first = [row for row in read_rows(folder, seconds=True) if row["trial"] in noted]
    assert len(first) == len(noted)
    found = search(data, directory=folder, space=SPACE, workers=2, verbose=0, **OPTIONS)
    rows = read_rows(folder)
    assert rows == read_rows(whole.directory)
    assert found.best == whole.best
    assert checkpoints(folder) == checkpoints(whole.directory)
    assert curves(folder) == curves(whole.directory)
    assert not (folder / "cache").exists()
    # Finished trials were not run again: their seconds are those of the killed search.
    assert all(row in read_rows(folder, seconds=True) for row in first)


class OneFails(TrialProcesses):
    """Asks trial 1 for a metric that there is none of."""

    def submit(self, fn, recipe, part, tasks, *more):
        if tasks[0].trial == "1":
            recipe = dataclasses.replace(recipe, objective="nonsense")
        return super().submit(fn, recipe, part, tasks, *more)


def test_a_failure_leaves_its_traceback_and_the_others_their_curves(data, tmp_path):
    options = ONE_ROUND | {"tuner": "grid"}
    folder = tmp_path / "search"
    with OneFails() as executor:
        search(
            data,
            directory=folder,
            space=SPACE,
            workers=2,
            executor=executor,
            verbose=0,
            **options,
        )
    rows = read_rows(folder)
    assert [row["status"] for row in rows] == ["completed", "failed"]
    assert len({row["learning_rate"] for row in rows}) == 2
    text = (folder / "trial_1" / "error.txt").read_text()
    assert "Traceback" in text
    assert "KeyError: 'nonsense'" in text
    assert [trial for trial, size in curves(folder) if size] == ["0"]
