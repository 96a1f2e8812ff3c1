import keras_tuner
import numpy as np
import pytest

from tuning import SearchSpace
from tuning.oracles import TUNERS, make_oracle, trial_limit
from tuning.seeds import oracle_seed, trial_seed
from tuning.tasks import Outcome

LINE = SearchSpace(0.3, (1e-5, 1e-2), 4)


def values(found):
    return [trial.task.values for trial in in_order(found)]


def in_order(found):
    return sorted(found, key=lambda trial: trial.task.trial)


@pytest.mark.parametrize("tuner", TUNERS)
def test_every_seed_repeats_zero_included(trials, tmp_path, tuner):
    count = 4 if tuner == "bayesian" else 6  # it takes its time
    first = trials(tuner, seed=0, max_trials=count)
    again = trials(tuner, seed=0, max_trials=count, journal=tmp_path / "again.jsonl")
    assert len(first) == count
    assert [(each.task, each.outcome.metrics) for each in first] == [
        (each.task, each.outcome.metrics) for each in again
    ]


@pytest.mark.parametrize("tuner", ["random", "hyperband", "bayesian"])
def test_other_seeds_draw_other_values(trials, tuner):
    rates = [
        {each["learning_rate"] for each in values(trials(tuner, seed=seed, max_trials=3))}
        for seed in (0, 1, 4)
    ]
    # KerasTuner's seeds 1 and 4 share all but three draws.
    assert not rates[0] & rates[1]
    assert not rates[1] & rates[2]


def test_seeds_of_trials_depend_on_seed_trial_and_execution():
    seeds = {
        trial_seed(seed, trial, execution)
        for seed in (0, 1, 2)
        for trial in ("0", "1", "12")
        for execution in (0, 1)
    }
    assert len(seeds) == 18
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert trial_seed(0, "3") == trial_seed(0, "03", 0)
    assert oracle_seed(0) > 0  # KerasTuner takes 0 for "draw one"


def test_bayesian_search_finds_the_bottom_of_a_bowl(trials):
    rates = [each["learning_rate"] for each in values(trials("bayesian", space=LINE))]
    assert min(abs(np.log10(rates) + 3)) < 0.15  # of a range of 3


@pytest.mark.filterwarnings("error::UserWarning")
def test_bayesian_search_shows_no_warning(trials):
    trials("bayesian", max_trials=4, train=lambda _: Outcome({"val_loss": 1.0}, 1))


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_small_space_is_searched_to_its_end_without_repeats(trials, tuner):
    # KerasTuner's Bayesian oracle alone would propose the best depth again and again.
    space = SearchSpace(0.1, 1e-3, (0, 6))
    found = trials(tuner, space=space, max_trials=40, epochs=1)
    depths = [each["unfreeze_depth"] for each in values(found)]
    assert sorted(depths) == list(range(7))


def test_trial_limit_is_the_size_of_a_small_space():
    small = SearchSpace(0.1, 1e-3, (0, 6))
    assert trial_limit("random", small, 40) == 7
    assert trial_limit("random", small, 4) == 4
    assert trial_limit("bayesian", SearchSpace(), 40) == 40
    assert trial_limit("grid", small, 40) == 7
    assert trial_limit("grid", SearchSpace(), 13) == 12
    assert trial_limit("hyperband", small, 40) == 40


def test_grid_visits_each_combination_once(trials):
    found = trials("grid", max_trials=12)
    assert len({tuple(each.items()) for each in values(found)}) == 12


def test_hyperband_takes_the_best_of_a_bracket_further(trials):
    found = trials("hyperband", max_trials=12)
    assert len(found) == 12
    loss = {each.task.trial: each.outcome.metrics["val_loss"] for each in found}
    promoted = [each.task for each in found if "tuner/trial_id" in each.task.values]
    assert promoted
    first = promoted[0]
    assert first.values["tuner/epochs"] == 3
    assert loss[first.values["tuner/trial_id"]] == min(loss[trial] for trial in ("00", "01", "02"))


@pytest.mark.parametrize("tuner", TUNERS)
def test_failed_trials_neither_hang_a_search_nor_are_taken_further(trials, tuner):
    found = trials(tuner, space=LINE, fails={"1", "4", "5", "7"})
    assert [each.task.trial for each in in_order(found)] == [str(n) for n in range(8)]
    failed = {each.task.trial for each in found if each.outcome.failed}
    assert failed == {"1", "4", "5", "7"}
    assert not failed & {each.task.values.get("tuner/trial_id") for each in found}


def test_unknown_tuner():
    objective = keras_tuner.Objective("val_loss", "min")
    with pytest.raises(ValueError, match=r"bayesian.*Received: 'annealing'"):
        make_oracle("annealing", SearchSpace(), objective, max_trials=1, epochs=1, seed=0)
