"""Whole searches, with trials that need no training."""

import json

import keras
import keras_tuner
import numpy as np
import pytest

import tuning.jobs
import tuning.searching
from crackdet.data import CrackData
from crackdet.errors import CrackdetError
from crackdet.layers import RandomCrack
from tests.bars import bars
from tests.tuning.conftest import DEEP, ONE_ROUND, SIZE, Inline, read_rows
from tuning import CrackHyperModel, SearchSpace, search
from tuning.jobs import search_part
from tuning.tasks import Outcome


def test_finds_the_best_and_writes_everything(easy, tmp_path, capsys):
    found = easy(tmp_path / "search")
    losses = [row["val_loss"] for row in found.trials]
    winner = found.trials[int(np.argmin(losses))]
    assert found.best == {
        name: winner[name] for name in ("dropout", "learning_rate", "unfreeze_depth")
    }
    assert json.loads((found.directory / "best_hyperparameters.json").read_text()) == {
        **found.best,
        "objective": "val_loss",
        "value": min(losses),
        "trial": winner["trial"],
    }
    assert len(read_rows(found.directory)) == 6
    text = capsys.readouterr().out
    assert f"Best: trial {winner['trial']}" in text
    assert str(found.directory / "trials.csv") in text.replace("\n", "")


@pytest.mark.parametrize("objective", ["val_accuracy", "val_recall_at_far_1pct"])
def test_other_objectives_are_maximised(easy, tmp_path, objective):
    def better_where_the_rate_is_high(task):
        rate = task.values["learning_rate"]
        names = ("val_loss", "val_accuracy", "val_recall_at_far_1pct")
        return Outcome(dict.fromkeys(names, rate), 1)

    found = easy(tmp_path / "search", objective=objective, formula=better_where_the_rate_is_high)
    assert found.best["learning_rate"] == max(row["learning_rate"] for row in found.trials)
    columns = list(read_rows(found.directory)[0])
    assert columns[columns.index("unfreeze_depth") + 1] == objective


def test_a_painted_search_ranks_by_the_loss_under_stress(data, tmp_path):
    stress = data.validation.in_order()
    space = SearchSpace(0.1, (0.1, 0.4), unfreeze_depth=0, painting=(0.5, 1.0))
    options = ONE_ROUND | {"views": 2, "stress": stress, "verbose": 0, "max_trials": 4}
    options |= {"space": space, "painting": bars}
    found = search(data, directory=tmp_path / "a", executor=Inline(), **options)
    rows = read_rows(tmp_path / "a")
    losses = [float(row["val_stress_loss"]) for row in rows]
    assert losses == [float(row["val_loss"]) for row in rows]  # the same images
    assert {float(row["painting"]) for row in rows} == {0.5, 1.0}
    best = found.trials[int(np.argmin(losses))]
    assert found.best == {name: best[name] for name in found.best}
    assert found.best["painting"] in (0.5, 1.0)
    assert found.load_best().count_params()
    with pytest.raises(ValueError, match="views of 2 or more"):
        search(data, directory=tmp_path / "b", **options | {"views": 1})
    with pytest.raises(ValueError, match="give stress"):
        search(data, directory=tmp_path / "b", objective="val_stress_loss")


@pytest.mark.parametrize("seed", [0, 7])  # KerasTuner alone takes 0 for "draw one"
def test_a_repeated_search_gives_the_same_trials(easy, tmp_path, seed):
    for name in ("one", "two"):
        easy(tmp_path / name, seed=seed)
    assert read_rows(tmp_path / "one") == read_rows(tmp_path / "two")
    assert len({row["seed"] for row in read_rows(tmp_path / "one")}) == 6


def test_failed_trials_are_reported_with_their_tracebacks_and_never_best(easy, tmp_path, capsys):
    good = easy(tmp_path / "good", verbose=0)
    best = min(good.trials, key=lambda row: row["val_loss"])["trial"]
    other = next(row["trial"] for row in good.trials if row["trial"] != best)
    found = easy(tmp_path / "search", fails={best}, diverge={other})
    rows = {row["trial"]: row for row in read_rows(found.directory)}
    assert {trial for trial, row in rows.items() if row["status"] == "failed"} == {best, other}
    assert rows[best]["error"] == f"RuntimeError: no luck in {best}"
    assert rows[other]["error"] == "ValueError: val_loss is nan"
    assert rows[best]["val_loss"] == rows[other]["val_loss"] == ""
    chosen = json.loads((found.directory / "best_hyperparameters.json").read_text())["trial"]
    assert chosen not in (best, other)
    traceback = (found.directory / f"trial_{best}" / "error.txt").read_text()
    assert "in run_one" in traceback
    assert f"trial {best} failed: RuntimeError: no luck" in capsys.readouterr().out


def test_when_every_trial_fails_the_last_error_is_told(easy, tmp_path):
    with pytest.raises(CrackdetError, match=r"All 2 trials failed, .*no luck in 1 .*error.txt"):
        easy(tmp_path / "search", max_trials=2, fails={"0", "1"})
    assert not (tmp_path / "search" / "best_hyperparameters.json").exists()
    assert [row["status"] for row in read_rows(tmp_path / "search")] == ["failed", "failed"]


def test_three_failures_in_a_row_stop_the_search(easy, tmp_path):
    begun = []
    with pytest.raises(CrackdetError, match="trials 1, 2 and 3 failed one after another"):
        easy(tmp_path / "search", fails={"1", "2", "3"}, begun=begun)
    assert begun == ["0", "1", "2", "3"]
    assert not (tmp_path / "search" / "best_hyperparameters.json").exists()


@pytest.mark.parametrize(
    ("tuner", "max_trials", "workers"),
    [("random", 12, 16), ("bayesian", 12, 3), ("hyperband", 4, 2), ("bayesian", 100, 16)],
)
def test_a_tuner_that_learns_has_something_to_learn_from(
    easy, tmp_path, monkeypatch, tuner, max_trials, workers
):
    class Enough(Exception):  # noqa: N818
        """Ends the search before it draws."""

    def run_trials(*_, workers, **__):
        raise Enough(workers)

    monkeypatch.setattr(tuning.searching, "default_workers", lambda *_, **__: 16)
    monkeypatch.setattr(tuning.searching, "local_executor", Inline)
    monkeypatch.setattr(tuning.searching, "run_trials", run_trials)
    with pytest.raises(Enough, match=f"^{workers}$"):
        easy(tmp_path / "search", tuner=tuner, max_trials=max_trials, workers=None, executor=None)


def test_so_many_trials_run_at_once_as_their_memory_allows(easy, tmp_path, monkeypatch):
    asked = []

    def default_workers(*size, **options):
        asked.append((*size, options))
        return 2

    monkeypatch.setattr(tuning.searching, "default_workers", default_workers)
    monkeypatch.setattr(tuning.searching, "local_executor", Inline)
    easy(tmp_path / "search", executor=None, workers=None, views=None, alpha=0.5, verbose=0)
    assert asked == [
        ((SIZE, SIZE), {"batch_size": 4, "alpha": 0.5, "unfreeze_depth": 6, "cached": False})
    ]
    made_with = json.loads((tmp_path / "search" / "search.json").read_text())["made_with"]
    assert made_with["workers"] == 2


def test_a_disk_that_is_full_of_features_stops_the_search_with_its_sentence(
    data, tmp_path, monkeypatch
):
    def full(*_):
        raise CrackdetError("no space")

    monkeypatch.setattr(CrackHyperModel, "fill_cache", full)
    options = {"tuner": "random", "max_trials": 2, "space": DEEP, "executor": Inline()}
    with pytest.raises(CrackdetError, match="no space"):
        search(data, directory=tmp_path / "search", **options)
    assert not (tmp_path / "search" / "trials.csv").exists()


def test_without_the_weights_of_the_best_trial_it_is_told_how_to_keep_them(easy, tmp_path):
    found = easy(tmp_path / "search", keep_checkpoints=0)
    with pytest.raises(CrackdetError, match=r"best trial; give it keep_checkpoints of 1 or more"):
        found.load_best()


@pytest.mark.slow
def test_trials_of_mobilenet_start_from_trained_weights(tmp_path):
    """All other searches of these tests are of the stand-in."""

    def walls(count, seed):
        labels = np.arange(count) % 2
        images = np.random.default_rng(seed).normal(150, 6, (count, 96, 96, 3)).clip(0, 255)
        cracks = RandomCrack(rate=1.0, strength=0.0, seed=seed)
        painted = cracks({"images": images[labels == 1], "labels": np.zeros(count // 2, "int32")})
        images[labels == 1] = keras.ops.convert_to_numpy(painted["images"])
        return images.astype("uint8"), labels

    found = search(
        CrackData.from_arrays(walls(16, 1), walls(8, 2), walls(4, 3), batch_size=4),
        directory=tmp_path / "search",
        max_trials=1,
        space=SearchSpace(learning_rate=1e-4, unfreeze_depth=1),
        epochs=1,
        weights="concrete",
        executor=Inline(),
    )
    (trial,) = found.trials
    assert trial["status"] == "completed"
    assert trial["val_loss"] < 0.4  # a coin has 0.69


def test_an_exhausted_space_ends_with_a_sentence(easy, tmp_path, capsys):
    space = SearchSpace(0.2, 1e-3, (0, 2))
    found = easy(tmp_path / "search", space=space)
    assert sorted(row["unfreeze_depth"] for row in found.trials) == [0, 1, 2]
    text = capsys.readouterr().out
    assert "Ended after 3 of 6 trials: the search space holds nothing more to try." in text
    assert "1 of 3 done" in text


@pytest.mark.parametrize(
    "wrong",
    [
        {"tuner": "annealing"},
        {"objective": "accuracy"},
        {"max_trials": 0},
        {"epochs": 0},
        {"search_images": 1},
        {"views": 0},
        {"keep_checkpoints": -1},
        {"workers": 0},
        {"halving_factor": 1},
        {"pruning": "mean"},
        {"pruning": "median", "tuner": "hyperband"},
        {"halving_factor": 2, "tuner": "hyperband"},
        {"seed": -1},
        {"halving_factor": 4},  # of what, without search_images
    ],
)
def test_wrong_arguments_are_refused_before_a_folder_is_made(data, tmp_path, wrong):
    name = next(iter(wrong))
    with pytest.raises(ValueError, match=rf"Expected {name} .*Received"):
        search(data, directory=tmp_path / "search", **wrong)
    assert not (tmp_path / "search").exists()


def test_weights_that_there_are_not_are_refused_before_a_folder_is_made(data, tmp_path):
    for wrong in ("cocnrete", "start.keras"):
        with pytest.raises(CrackdetError, match=wrong):
            search(data, directory=tmp_path / "search", weights=wrong)
    with pytest.raises(ValueError, match=r"exist for alpha"):
        search(data, directory=tmp_path / "search", weights="imagenet", alpha=0.4)
    assert not (tmp_path / "search").exists()


def test_rounds_of_all_images_are_said_to_run_nothing_again(easy, tmp_path, capsys):
    easy(tmp_path / "search", max_trials=2, search_images=2000, halving_factor=4)
    assert "No trial is run again: the first round has all 48 images" in capsys.readouterr().out


def test_a_round_of_halving_is_told_whole_where_one_of_it_failed(easy, tmp_path, capsys):
    """The better of two trials fails on all images; the other takes its place."""
    options = {"max_trials": 2, "search_images": 24, "halving_factor": 2}
    found = easy(tmp_path / "search", fails={"2"}, **options)
    rows = read_rows(tmp_path / "search")
    assert [row["images"] for row in rows] == ["24", "24", "48", "48"]
    assert [row["status"] for row in rows] == ["completed"] * 2 + ["failed", "completed"]
    assert {row["dropout"] for row in rows[2:]} == {row["dropout"] for row in rows[:2]}
    assert found.best["dropout"] == found.trials[3]["dropout"]
    assert "4 of 4 done" in capsys.readouterr().out


def test_recall_needs_two_classes(tmp_path):
    images = np.zeros((6, SIZE, SIZE, 3), np.uint8)
    part = (images, np.arange(6) % 3)
    three = CrackData.from_arrays(part, part, part, class_names=("a", "b", "c"))
    with pytest.raises(ValueError, match="needs two classes"):
        search(three, directory=tmp_path, objective="val_recall_at_far_1pct")


def test_search_images_take_a_stratified_part_and_enough_of_validation():
    def part(count):
        return np.zeros((count, 1, 1, 3), np.uint8), (np.arange(count) % 4 == 0).astype(int)

    data = CrackData.from_arrays(part(4000), part(2000), part(4))
    small = search_part(data, 400, seed=0)
    assert small.train.num_images == 400
    assert small.train.labels.sum() == 100
    assert small.validation.num_images == 500  # not 200
    assert small.validation.labels.sum() == 125
    assert search_part(data, 2000, seed=0).validation.num_images == 1000
    assert search_part(data, 4000, seed=0) is data
    assert search_part(data, None, seed=0) is data
    few = CrackData.from_arrays(part(4000), part(100), part(4))
    assert search_part(few, 400, seed=0).validation.num_images == 100


def test_kerastuner_opens_the_project(easy, tmp_path):
    found = easy(tmp_path / "search", fails={"2"})
    tuner = keras_tuner.RandomSearch(
        CrackHyperModel(SIZE), "val_loss", directory=tmp_path, project_name="search"
    )
    best = tuner.get_best_hyperparameters()[0]
    assert {name: best.values[name] for name in found.best} == found.best
    assert len(tuner.oracle.trials) == 6
