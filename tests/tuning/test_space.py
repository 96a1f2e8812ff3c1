import doctest

import keras_tuner
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning import SearchSpace


@pytest.mark.parametrize(
    "wrong",
    [
        {"dropout": (0.5, 0.2)},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"dropout": (0.1, 0.2, 0.3)},
        {"dropout": True},
        {"dropout": "0.3"},
        {"dropout": float("nan")},
        {"learning_rate": 0},
        {"learning_rate": (0.0, 1e-2)},
        {"learning_rate": ()},
        {"unfreeze_depth": (0, 19)},
        {"unfreeze_depth": -1},
        {"unfreeze_depth": 1.5},
        {"unfreeze_depth": None},
        {"painting": (0.5, 1, 1.5, 2)},
        {"painting": 2.5},
    ],
)
def test_wrong_ranges_are_refused_by_name(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"Expected {name} .*Received"):
        SearchSpace(**wrong)


def test_lists_become_pairs_and_single_values_fix_a_hyperparameter():
    space = SearchSpace(dropout=[0.1, 0.2], learning_rate=1e-3, unfreeze_depth=[2, 2])
    assert space.dropout == (0.1, 0.2)
    assert space.searched == ("dropout",)
    assert space == SearchSpace((0.1, 0.2), 1e-3, (2, 2))


def test_draws_within_the_ranges_and_learning_rates_evenly_in_their_logarithm():
    space = SearchSpace(dropout=(0.1, 0.4), learning_rate=(1e-4, 1e-2), unfreeze_depth=(1, 3))
    drawn = []
    for seed in range(400):
        hp = space.hyperparameters()
        hp.values = {part.name: part.random_sample(seed) for part in hp.space}
        drawn.append(space.values(hp))
    assert all(0.1 <= each["dropout"] <= 0.4 for each in drawn)
    assert {each["unfreeze_depth"] for each in drawn} == {1, 2, 3}
    assert all(type(each["unfreeze_depth"]) is int for each in drawn)
    below = sum(each["learning_rate"] < 1e-3 for each in drawn)  # the middle of the logarithms
    assert 160 < below < 240


def test_paintings_are_chosen_among_those_that_are_listed():
    assert "painting" not in SearchSpace().names
    assert SearchSpace(0.1, 1e-3, 2, painting=1).values(keras_tuner.HyperParameters())[
        "painting"
    ] == pytest.approx(1.0)
    space = SearchSpace(
        dropout=0.1, learning_rate=1e-3, unfreeze_depth=(0, 1), painting=(0, 1, 1.5)
    )
    assert space.count == 6
    whole = space.hyperparameters().space
    (choice,) = [part for part in whole if part.name == "painting"]
    assert {choice.random_sample(seed) for seed in range(50)} == {0.0, 1.0, 1.5}
    (choice,) = [part for part in space.grid(4).space if part.name == "painting"]
    assert choice.values == [0.0, 1.5]


def test_fixed_values_are_what_is_drawn():
    values = SearchSpace(0.25, 3e-4, 5).values(keras_tuner.HyperParameters())
    assert values == {"dropout": 0.25, "learning_rate": 3e-4, "unfreeze_depth": 5}


def test_the_example_runs():
    runner, names = doctest.DocTestRunner(), {"SearchSpace": SearchSpace}
    for test in doctest.DocTestFinder(recurse=False).find(SearchSpace, globs=names):
        assert runner.run(test).attempted == 2
    assert runner.failures == 0


def test_counts_combinations():
    assert SearchSpace(0.2, 1e-3, (0, 3)).count == 4
    assert SearchSpace(0.2, 1e-3, 7).count == 1
    assert SearchSpace((0.1, 0.2), 1e-3, (0, 3)).count is None


def grid_values(space, points):
    return {choice.name: choice.values for choice in space.grid(points).space}


def test_grid_reaches_both_ends_and_gives_the_learning_rate_most_points():
    grid = grid_values(SearchSpace(), 12)
    assert grid["learning_rate"] == pytest.approx([1e-5, 10**-3.5, 1e-2])
    assert grid["unfreeze_depth"] == [0, 6]
    assert grid["dropout"] == [0.0, 0.6]


def test_grid_of_one_point_stands_in_the_middle():
    grid = grid_values(SearchSpace(), 1)
    assert grid == {
        "dropout": [0.3],
        "learning_rate": pytest.approx([10**-3.5]),
        "unfreeze_depth": [3],
    }


@given(
    points=st.integers(1, 60),
    low=st.integers(0, 18),
    width=st.integers(0, 18),
    fixed=st.booleans(),
)
def test_grids_are_as_large_as_they_may_be_without_repeats(points, low, width, fixed):
    space = SearchSpace(
        dropout=0.2 if fixed else (0.0, 0.5), unfreeze_depth=(low, min(18, low + width))
    )
    grid = grid_values(space, points)
    size = 1
    for name, values in grid.items():
        size *= len(values)
        assert len(set(values)) == len(values)
        assert space.low(name) <= min(values)
        assert max(values) <= space.high(name) * (1 + 1e-12)
    assert size <= points
    # One more learning rate would be too many.
    assert size // len(grid["learning_rate"]) * (len(grid["learning_rate"]) + 1) > points
