import pytest

from tuning.halving import plan_rungs


@pytest.mark.parametrize(
    ("trials", "images", "all_images", "factor", "rungs"),
    [
        (30, 2000, 32000, 4, [(2000, 30), (8000, 8), (32000, 2)]),
        (3, 12, 24, 2, [(12, 3), (24, 2)]),  # half of three is two
        (4, 90, 100, 2, [(90, 4), (100, 2)]),  # no more than there are
        (1, 1, 100, 10, [(1, 1), (10, 1), (100, 1)]),  # one at least
        (5, 100, 100, 2, [(100, 5)]),
        (5, 200, 100, 2, [(100, 5)]),
    ],
)
def test_each_round_has_more_images_and_fewer_trials(trials, images, all_images, factor, rungs):
    planned = plan_rungs(trials, images, all_images, factor)
    assert [(rung.images, rung.trials) for rung in planned] == rungs
