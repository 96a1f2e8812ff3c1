"""trials.csv: what it holds comes back, and the best trial comes first."""

import itertools
from pathlib import Path

import pytest

from crackdet.errors import CrackdetError
from crackdet.files import write_json
from crackdet.runs.trials import metric_columns, read_trials, standing, write_trials

ROWS = [
    {"trial": name, "status": status, "dropout": 0.1, "learning_rate": 1e-3, "unfreeze_depth": 2,
     "val_loss": loss, "val_accuracy": accuracy, "images": images, "error": error}
    for name, status, loss, accuracy, images, error in (
        ("0", "completed", 0.5, 0.9, 8, ""),
        ("1", "failed", None, None, 32, "no luck,\nat all"),
        ("2", "pruned", 0.1, 0.99, 32, ""),
        ("3", "completed", 0.3, 0.8, 32, ""),
        ("4", "completed", 0.2, 0.7, 32, ""),
        ("5", "completed", 0.2, 0.7, 32, ""),
    )
]  # fmt: skip


@pytest.mark.parametrize(
    ("objective", "expected"), [("val_loss", "45320"), ("val_accuracy", "34520")]
)
def test_best_first(tmp_path: Path, objective: str, expected: str) -> None:
    write_json(tmp_path / "search.json", {"objective": objective})
    write_trials(tmp_path, ROWS)
    trials = read_trials(tmp_path)
    assert trials is not None
    assert "".join(row["trial"] for row in trials.finished()) == expected
    assert [row["error"] for row in trials.failed()] == ["no luck,\nat all"]
    assert trials.sizes() == [8, 32]
    assert trials.value(trials.rows[0], "val_loss") == 0.5


def test_each_rule_comes_before_the_next() -> None:
    ranked = [
        standing(0.9, "min", images=32, trial="7"),
        standing(0.1, "min", images=32, pruned=True, trial="1"),
        standing(0.2, "min", images=8, trial="2"),
        standing(0.2, "min", images=8, trial="3"),
    ]
    for first, second in itertools.pairwise(ranked):
        assert first < second
    assert standing(0.2, "max") < standing(0.1, "max")


def test_an_objective_that_is_not_known_is_told(tmp_path: Path) -> None:
    write_json(tmp_path / "search.json", {"objective": "val_f1"})
    with pytest.raises(CrackdetError, match="'val_f1', which is none of val_loss, val_accuracy"):
        read_trials(tmp_path)
    assert metric_columns("val_accuracy") == ("val_accuracy", "val_loss")
