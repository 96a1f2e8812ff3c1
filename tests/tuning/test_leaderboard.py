import csv

import pytest

from tuning.engine import Finished, Outcome, Task
from tuning.leaderboard import Leaderboard
from tuning.trials import checkpoint


def finished(number, loss=None, *, error=""):
    values = {"dropout": 0.1, "learning_rate": 1e-3, "unfreeze_depth": number, "tuner/round": 1}
    metrics = {} if loss is None else {"val_loss": loss, "val_accuracy": 1 - loss}
    task = Task(f"{number:02}", values, seed=number)
    return Finished(task, Outcome(metrics, epochs=3, seconds=1.2345, error=error))


def read(folder):
    with open(folder / "trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_trials_csv_has_a_row_for_each_trial_and_full_precision(tmp_path):
    board = Leaderboard(tmp_path, "val_loss", "min", 3)
    board.add(finished(0, 0.1 + 0.2))
    board.add(finished(1, error='ValueError: "two", words'))
    rows = read(tmp_path)
    hyperparameters = ["dropout", "learning_rate", "unfreeze_depth"]
    results = ["val_loss", "val_accuracy", "epochs", "seconds", "seed", "error"]
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
    board = Leaderboard(tmp_path, objective, direction, 3)
    for trial in (finished(0, 0.3), finished(1, error="E"), finished(2, 0.1), finished(3, 0.1)):
        board.add(trial)
    assert [trial.task.trial for trial in board.ranked()] == [best, "03", "00"]
    assert [trial.task.trial for trial in board.failures()] == ["01"]
    assert board.metrics[0] == objective
    assert sorted(board.metrics) == ["val_accuracy", "val_loss"]


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_keeps_the_checkpoints_of_the_best_alone(tmp_path, keep):
    board = Leaderboard(tmp_path, "val_loss", "min", keep)
    losses = [0.5, 0.4, 0.6, 0.1]
    for number, loss in enumerate(losses):
        path = checkpoint(tmp_path, f"{number:02}")
        path.parent.mkdir()
        path.write_bytes(b"weights")
        board.add(finished(number, loss))
        left = {path.parent.name for path in tmp_path.glob("trial_*/*.h5")}
        order = sorted(range(number + 1), key=losses.__getitem__)
        assert left == {f"trial_{each:02}" for each in order[:keep]}
