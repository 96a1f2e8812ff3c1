import pytest

from tuning.pruning import clearly_worse

OTHERS = [(0.4, 0.2), (0.2, 0.3), (0.6, 0.1), (0.8, 0.4)]  # medians of the best: 0.5, then 0.2


@pytest.mark.parametrize(
    ("losses", "stop"),
    [
        ((0.75,), False),
        ((0.76,), True),
        ((0.31, 0.9), True),
        ((0.30, 0.9), False),  # its best counts
        ((float("nan"),), True),
        ((9.0, 9.0, 9.0), False),  # no other reached a third epoch
    ],
)
def test_by_half_over_the_median_of_the_best_so_far(losses, stop):
    assert clearly_worse(losses, OTHERS) is stop


def test_three_others_are_too_few():
    assert not clearly_worse((9.0,), OTHERS[:3])
