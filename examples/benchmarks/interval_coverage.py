"""How often do the 95 % intervals of figures hold, and how wide are they?

    python examples/benchmarks/interval_coverage.py

Simulates classifiers of a known share of right answers on walls of unequal size (a few large, many
small, 49 images on average) whose images err together: beta-binomial, with the correlation of two
images of a wall as parameter. Prints coverage, and the mean width as a multiple of that of the
best interval that knows the correlation: the narrowest of Wilson's, Clopper and Pearson's and
Jeffreys' on the true effective number of images that holds at least 93 % itself. Beside it stand
what crackdet did before, percentiles of resampled walls, and Clopper and Pearson's interval on the
effective number that the walls show (Korn & Graubard 1998). The second table is the area under the
ROC curve, of scores with a normal part that images of a wall share.
"""

import argparse
import itertools

import numpy as np
from scipy.special import betaincinv, ndtri, stdtrit

from crackdet.evaluation.intervals import (
    area_under_roc,
    auroc_interval,
    cluster_variance,
    proportion_interval,
)

GROUPS, VALUES, CORRELATIONS = (10, 41, 400), (0.9, 0.98, 0.995), (0.0, 0.02, 0.1, 0.3, 0.5)
HOLDS, TINY = 0.93, 1e-12


def walls(groups: int, images: int = 49) -> np.ndarray:
    """Sizes of unequal walls: quantiles of a log-normal distribution."""
    size = np.exp(ndtri((np.arange(groups) + 0.5) / groups))
    return np.maximum(1, np.round(size * images / size.mean())).astype(int)


def draw_hits(value: float, correlation: float, sizes: np.ndarray, random) -> np.ndarray:
    """Right answers of each wall."""
    if correlation == 0:
        return random.binomial(sizes, value)
    scale = (1 - correlation) / correlation
    return random.binomial(sizes, random.beta(value * scale, (1 - value) * scale, sizes.size))


def clopper_pearson(share, images):
    wrong, right = (1 - share) * images, share * images
    # The ends that are exactly 0 or 1 are no quantiles.
    low = np.where(right > 0, betaincinv(np.maximum(right, TINY), wrong + 1, 0.025), 0.0)
    high = np.where(wrong > 0, betaincinv(right + 1, np.maximum(wrong, TINY), 0.975), 1.0)
    return low, high


def wilson(share, images):
    z2 = ndtri(0.975) ** 2
    middle = (share + z2 / 2 / images) / (1 + z2 / images)
    reach = np.sqrt(z2 * (share * (1 - share) + z2 / 4 / images) / images) / (1 + z2 / images)
    return middle - reach, middle + reach


def jeffreys(share, images):
    a, b = share * images + 0.5, (1 - share) * images + 0.5
    low = np.where(share > 0, betaincinv(a, b, 0.025), 0.0)
    return low, np.where(share < 1, betaincinv(a, b, 0.975), 1.0)


def percentiles(hits: np.ndarray, sizes: np.ndarray, draws: np.ndarray) -> np.ndarray:
    return np.percentile((draws @ hits) / (draws @ sizes), (2.5, 97.5))


def korn_graubard(hits: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total, share = sizes.sum(), hits.sum() / sizes.sum()
    variance = cluster_variance(hits - share * sizes, total)
    images = total
    if variance > 0:
        students = ndtri(0.975) / stdtrit(sizes.size - 1, 0.975)
        images = min(total, share * (1 - share) / variance * students**2)
    return clopper_pearson(share, images)


def summary(low, high, value: float) -> tuple[float, float]:
    low, high = np.asarray(low), np.asarray(high)
    return float(np.mean((low <= value) & (value <= high))), float(np.mean(high - low))


def proportion_row(groups: int, value: float, correlation: float, tries: int) -> list[str]:
    random, sizes = np.random.default_rng(0), walls(groups)
    weights = sizes / sizes.sum()
    images = 1 / (correlation * np.sum(weights**2) + (1 - correlation) / sizes.sum())
    draws = random.multinomial(groups, np.full(groups, 1 / groups), size=400)
    hits = [draw_hits(value, correlation, sizes, random) for _ in range(tries)]
    shares = np.sum(hits, axis=1) / sizes.sum()
    known = [
        summary(*method(shares, images), value) for method in (wilson, clopper_pearson, jeffreys)
    ]
    # Of few tries none may hold so often.
    widest = max(width for _, width in known)
    best = min((width for holds, width in known if holds >= HOLDS), default=widest)
    cells = [
        str(groups),
        f"{100 * value:g} %",
        f"{correlation:g}",
        f"{np.mean(shares == 1):.2f}",
    ]
    for intervals in (
        [percentiles(x, sizes, draws) for x in hits],
        [korn_graubard(x, sizes) for x in hits],
        [proportion_interval(x, sizes) for x in hits],
    ):
        holds, width = summary(*np.transpose(intervals), value)
        cells.append(f"{100 * holds:.1f} %, {width / best:.2f}")
    return cells


def area_row(groups: int, value: float, correlation: float, tries: int) -> list[str]:
    random, sizes = np.random.default_rng(0), walls(groups, 49 if groups < 400 else 10)
    group_of = np.repeat(np.arange(groups), sizes)
    labels = np.repeat([0, 1], group_of.size)
    group_of = np.tile(group_of, 2) + groups * labels
    distance = np.sqrt(2) * ndtri(value)
    areas, intervals = [], []
    for _ in range(tries):
        wall, own = random.normal(size=2 * groups)[group_of], random.normal(size=labels.size)
        scores = np.sqrt(correlation) * wall + np.sqrt(1 - correlation) * own + distance * labels
        areas.append(area_under_roc(labels, scores))
        intervals.append(auroc_interval(labels, scores, group_of))
    holds, width = summary(*np.transpose(intervals), value)
    known = 2 * ndtri(0.975) * np.std(areas)
    return [
        str(groups),
        f"{value:g}",
        f"{correlation:g}",
        f"{100 * holds:.1f} %",
        f"{width / known:.2f}",
    ]


def print_table(header: list[str], rows) -> None:
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tries", type=int, default=1000, help="simulated test sets a row")
    parser.add_argument("--area-tries", type=int, default=300, help="the same for the area")
    options = parser.parse_args()
    cells = list(itertools.product(GROUPS, VALUES, CORRELATIONS))
    print_table(
        ["walls", "true value", "correlation", "no error seen", "percentiles of resampled walls",
         "Korn and Graubard", "crackdet"],
        (proportion_row(*cell, options.tries) for cell in cells),
    )  # fmt: skip
    print_table(
        ["walls of a class", "true area", "correlation", "holds", "width"],
        (area_row(*cell, options.area_tries) for cell in cells if cell[2] in (0, 0.1, 0.5)),
    )


if __name__ == "__main__":
    main()
