import csv
import dataclasses
import errno
import math
import os

import pytest

from crackdet.errors import CrackdetError
from crackdet.runs.files import checkpoint
from tuning.leaderboard import Leaderboard
from tuning.tasks import Finished, Outcome, Task


def finished(number, loss=None, *, error=""):
    values = {"dropout": 0.1, "learning_rate": 1e-3, "unfreeze_depth": number, "tuner/round": 1}
    metrics = {} if loss is None else {"val_loss": loss, "val_accuracy": 1 - loss}
    task = Task(f"{number:02}", values, seed=number)
    return Finished(task, Outcome(metrics, epochs=3, seconds=1.2345, error=error))


def read(folder):
    with open(folder / "trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_trials_csv_has_a_row_for_each_trial_and_full_precision(tmp_path):
    board = Leaderboard(tmp_path, "val_loss", "min", 3, images=100)
    board.finished(finished(0, 0.1 + 0.2))
    board.finished(finished(1, error='ValueError: "two", words'))
    rows = read(tmp_path)
    hyperparameters = ["dropout", "learning_rate", "unfreeze_depth"]
    results = ["val_loss", "val_accuracy", "images", "epochs", "seconds", "seed", "error"]
    assert list(rows[0]) == ["trial", "status", *hyperparameters, *results]
    assert float(rows[0]["val_loss"]) == 0.1 + 0.2
    assert rows[1]["status"] == "failed"
    assert rows[1]["val_loss"] == ""
    assert rows[1]["error"] == 'ValueError: "two", words'
    assert [row["trial"] for row in rows] == ["00", "01"]


@pytest.mark.parametrize(
    ("objective", "direction", "best"), [("val_loss", "min", "02"), ("val_accuracy", "max", "02")]
)
def test_ranks_by_the_objective_and_never_a_failure(tmp_path, objective, direction, best):
    board = Leaderboard(tmp_path, objective, direction, 3, images=100)
    for trial in (finished(0, 0.3), finished(1, error="E"), finished(2, 0.1), finished(3, 0.1)):
        board.finished(trial)
    assert [trial.task.trial for trial in board.ranked()] == [best, "03", "00"]
    assert [trial.task.trial for trial in board.failures()] == ["01"]
    assert board.metrics[0] == objective
    assert sorted(board.metrics) == ["val_accuracy", "val_loss"]


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_keeps_the_checkpoints_of_the_best_alone(tmp_path, keep):
    board = Leaderboard(tmp_path, "val_loss", "min", keep, images=100)
    losses = [0.5, 0.4, 0.6, 0.1]
    for number, loss in enumerate(losses):
        path = tmp_path / checkpoint(f"{number:02}")
        path.parent.mkdir()
        path.write_bytes(b"weights")
        board.finished(finished(number, loss))
        left = {path.parent.name for path in tmp_path.glob("trial_*/*.h5")}
        order = sorted(range(number + 1), key=losses.__getitem__)
        assert left == {f"trial_{each:02}" for each in order[:keep]}


def test_trials_on_more_images_come_first(tmp_path):
    board = Leaderboard(tmp_path, "val_loss", "min", 1, images=100)
    board.finished(finished(0, 0.1))
    more = finished(1, 0.3)
    more.task.values["tuner/images"] = 400
    board.finished(more)
    assert [trial.task.trial for trial in board.ranked()] == ["01", "00"]
    assert [row["images"] for row in read(tmp_path)] == ["100", "400"]


def test_writes_what_a_trial_left_and_removes_what_a_killed_search_did(tmp_path):
    stale = [tmp_path / "tensorboard/00/events.1", tmp_path / "trial_00/.x.77.partial.h5"]
    for path in stale:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"half")
    trial = finished(0, 0.1)
    files = {"tensorboard/00/events.2": b"curves", "trial_00/checkpoint.weights.h5": b"weights"}
    board = Leaderboard(tmp_path, "val_loss", "min", 1, images=100)
    board.finished(Finished(trial.task, dataclasses.replace(trial.outcome, files=files)))
    assert not any(path.exists() for path in stale)
    assert {name: (tmp_path / name).read_bytes() for name in files} == files
    assert board.trials[0].outcome.files == {}  # megabytes, and they are on disk


@pytest.mark.parametrize(
    ("keep", "images", "cutoff"),
    [(0, 100, -math.inf), (2, 100, 0.3), (2, 400, None), (2, 50, -math.inf), (4, 100, None)],
)
def test_tells_what_a_trial_must_beat_to_be_kept(tmp_path, keep, images, cutoff):
    board = Leaderboard(tmp_path, "val_loss", "min", keep, images=100)
    for trial in (finished(0, 0.5), finished(1, 0.3), finished(2, 0.1)):
        board.finished(trial)
    assert board.checkpoint_cutoff(images) == cutoff


def test_what_a_trial_left_before_a_restart_stays(tmp_path):
    trial = finished(0, 0.1)
    files = {"tensorboard/00/events.2": b"curves", "trial_00/checkpoint.weights.h5": b"weights"}
    board = Leaderboard(tmp_path, "val_loss", "min", 1, images=100)
    board.finished(Finished(trial.task, dataclasses.replace(trial.outcome, files=files)))
    Leaderboard(tmp_path, "val_loss", "min", 1, images=100).finished(trial, replayed=True)
    assert {name: (tmp_path / name).read_bytes() for name in files} == files


def test_a_pruned_trial_comes_after_others_and_sets_no_cutoff(tmp_path):
    board = Leaderboard(tmp_path, "val_accuracy", "max", 1, images=100)
    pruned = finished(0, 0.1)
    board.finished(Finished(pruned.task, dataclasses.replace(pruned.outcome, pruned=True)))
    assert board.checkpoint_cutoff(100) is None
    board.finished(finished(1, 0.2))
    assert [trial.task.trial for trial in board.ranked()] == ["01", "00"]
    assert board.checkpoint_cutoff(100) == 0.8


@pytest.mark.parametrize("what", ["tuning.leaderboard", "crackdet.runs.trials"])
def test_a_full_disk_is_told_in_a_sentence(tmp_path, monkeypatch, what):
    """One that has no room for a trial's files, or for trials.csv."""

    def full(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(f"{what}.atomic_write", full)
    board = Leaderboard(tmp_path, "val_loss", "min", 1, images=100)
    trial = finished(0, 0.1)
    outcome = dataclasses.replace(trial.outcome, files={"trial_00/checkpoint.weights.h5": b"w"})
    with pytest.raises(CrackdetError, match=r"Cannot write .*No space left.*goes on where"):
        board.finished(Finished(trial.task, outcome))
    assert not (tmp_path / "trials.csv").exists()
