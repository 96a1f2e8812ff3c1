"""95 % intervals of metrics of images that come in groups: crops of one wall err together.

What a few dozen walls say is little, and how little must be learned from the same walls. Each
interval here therefore rests on two estimates of how images of a group hang together, and takes
the wider; none of them needs resampling. `examples/benchmarks/interval_coverage.py` measures how
often they hold.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, expit, gammaln, logit, ndtr, ndtri, stdtrit
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Interval = list[float] | None

_MISS = 0.05  # An interval may miss the true value this often.
# Correlations within groups that are weighed against each other, and their prior: nearly flat on a
# logarithmic scale above 0.001, for most of the time images err on their own.
_CORRELATIONS = np.concatenate([[1e-6, 1e-5], np.geomspace(1e-4, 0.95, 24)])
_PRIOR = np.gradient(_CORRELATIONS) / (_CORRELATIONS + 1e-3)


def group_bound(groups: int) -> float:
    """Returns the share of errors that remains possible when none was seen in so many groups.

    The exact 95 % bound if a group is one observation, whatever its size: it solves
    `(1 - bound) ** groups = 0.05`. The rule of three, 3 / groups, is its approximation (Hanley &
    Lippman-Hand, JAMA 1983). Without an error nothing tells how much more than one observation
    a group is.

    Args:
        groups: Number of groups, at least 1.

    Returns:
        The bound, in (0, 0.95].

    Example:

    >>> round(group_bound(41), 3)
    0.07
    """
    return float(1 - _MISS ** (1 / groups))


def _interval_at_end(value: float, groups: int) -> list[float]:
    """Returns the interval of a figure that is 0 or 1: what so many groups leave possible."""
    bound = group_bound(groups)
    return [0.0, bound] if value <= 0 else [1 - bound, 1.0]


def proportion_interval(
    hits: ArrayLike, counts: ArrayLike, *, resampled_variance: float = 0.0
) -> Interval:
    """Returns a 95 % interval of `sum(hits) / sum(counts)`.

    Jeffreys' interval (Brown, Cai & DasGupta 2001) on the effective number of images (Kish 1965;
    Korn & Graubard 1998): the number of independent images that would say as much. It depends on
    the correlation within groups, of which every value is weighed by how well a beta-binomial
    model (Williams 1975) with that value explains the groups: with few errors many correlations
    are possible, and the interval is as wide as these allow. The effective number is never more
    than the variance between groups allows, with Student's quantile for few groups.

    Where all images are hits, or none is, the interval ends at `group_bound`.

    Args:
        hits: Hits of each group, shape `(groups,)`, at most the group's count.
        counts: Images of each group, shape `(groups,)`; groups without images do not count.
        resampled_variance: Variance of the proportion that resampling found, where more than the
            hits varies.

    Returns:
        `[low, high]` with the proportion inside; `None` for fewer than two groups.

    Example:

    >>> [round(bound, 2) for bound in proportion_interval([9, 20, 27, 36], [10, 20, 30, 40])]
    [0.81, 0.97]
    """
    x, m = np.asarray(hits, np.float64), np.asarray(counts, np.float64)
    x, m = x[m > 0], m[m > 0]
    if m.size < 2:
        return None
    share = x.sum() / m.sum()
    if share in (0.0, 1.0):
        return _interval_at_end(share, m.size)
    weights = _correlation_weights(x, m)
    total = m.sum()
    squares = np.sum(m * m) / total**2
    effective = 1 / (_CORRELATIONS * squares + (1 - _CORRELATIONS) / total)
    variance = max(cluster_variance(x - share * m, total), resampled_variance)
    if variance > 0:
        quantiles = ndtri(1 - _MISS / 2) / _t(m.size)
        effective = np.minimum(effective, share * (1 - share) / variance * quantiles**2)
    effective = np.clip(effective, 1.0, total)
    low, high = _mixed_quantiles(share * effective + 0.5, (1 - share) * effective + 0.5, weights)
    return [min(low, float(share)), max(high, float(share))]


def area_under_roc(y: Ints, s: Floats) -> float | None:
    """Returns the chance that a positive scores above a negative, ties counting half.

    Args:
        y: Labels 0 and 1, shape `(n,)`.
        s: Scores, shape `(n,)`.

    Returns:
        The area, 0 to 1; `None` where a class is absent.

    Example:

    >>> area_under_roc(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.6, 0.9]))
    0.875
    """
    if y.min() == y.max():
        return None
    return float(_placements(s[y == 1], s[y == 0]).mean())


def auroc_interval(y: Ints, s: Floats, group_of: Ints) -> Interval:
    """Returns a 95 % interval of the area under the ROC curve.

    On the probit scale, with Student's quantile for the class of fewer groups, a few large ones
    counting as few. The variance is the
    larger of two: that of the placements of each group (DeLong, DeLong & Clarke-Pearson 1988, for
    groups Obuchowski 1997), and that of a binormal model whose means and spreads vary as the
    normal scores of the groups do. The first sees only the images where the classes meet, of
    which there are few when the area is near 1; the second uses all.

    Where no negative scores as high as a positive, the interval ends at `group_bound` of the class
    with fewer groups.

    Args:
        y: Labels 0 and 1, shape `(n,)`.
        s: Scores, shape `(n,)`.
        group_of: Number of each image's group from 0, shape `(n,)`.

    Returns:
        `[low, high]`; `None` where a class has fewer than two groups, or all scores are equal.

    Example:

    >>> auroc_interval(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.6, 0.9]), np.arange(4))
    [0.22360679774997894, 1.0]
    """
    groups = min(np.unique(group_of[y == label]).size for label in (0, 1))
    if groups < 2:
        return None
    positive, negative = s[y == 1], s[y == 0]
    above, below = _placements(positive, negative), 1 - _placements(negative, positive)
    area = float(above.mean())
    if area in (0.0, 1.0):
        return _interval_at_end(area, groups)
    distance = ndtri(area)
    placements, means, spreads = (np.empty(y.size) for _ in range(3))
    for label, values, side in ((1, above, positive), (0, below, negative)):
        z = _normal_scores(side)
        placements[y == label] = (values - area) / side.size
        means[y == label] = (2 * label - 1) * z / side.size
        spreads[y == label] = (z**2 - np.mean(z**2)) / side.size
    placed, mean, spread = (
        cluster_variance(np.bincount(group_of, part), 1) for part in (placements, means, spreads)
    )
    # The distance of two normal distributions in units of their difference's deviation. Means and
    # spreads of normal scores are uncorrelated; their chance correlation would only add noise.
    variance = max(placed / _normal_density(distance) ** 2, mean / 2 + distance**2 * spread / 16)
    if variance == 0:
        return None
    effective = min(_effective_groups(group_of[y == label]) for label in (0, 1))
    reach = _t(max(2.0, effective)) * np.sqrt(variance)
    return [float(ndtr(distance - reach)), float(ndtr(distance + reach))]


def auroc_difference(
    y: Ints, s: Floats, other: Floats, group_of: Ints
) -> tuple[float, Interval] | None:
    """Returns by how much one area under the ROC curve exceeds another on the same images.

    The variance is that of the differences of each group's placements (DeLong, DeLong &
    Clarke-Pearson 1988, for groups Obuchowski 1997), with Student's quantile for the class of fewer
    groups.

    Args:
        y: Labels 0 and 1, shape `(n,)`.
        s: Scores, shape `(n,)`.
        other: Scores of what they are compared with, on any scale, shape `(n,)`.
        group_of: Number of each image's group from 0, shape `(n,)`.

    Returns:
        The difference, and `[low, high]` around it, `None` where a class has fewer than two groups
        or nothing varies; `None` altogether where a class is absent.

    Example:

    >>> y = np.array([0, 0, 1, 1])
    >>> auroc_difference(y, np.array([1, 2, 3, 4]), np.array([1, 4, 2, 3]), np.arange(4))[0]
    0.5
    """
    if y.min() == y.max():
        return None
    parts = np.empty(y.size)
    for label, sign in ((1, 1.0), (0, -1.0)):
        own, rest = y == label, y != label
        gains = _placements(s[own], s[rest]) - _placements(other[own], other[rest])
        parts[own] = sign * (gains - gains.mean()) / own.sum()
        difference = sign * float(gains.mean())  # the same for both classes
    if min(np.unique(group_of[y == label]).size for label in (0, 1)) < 2:
        return difference, None
    variance = cluster_variance(np.bincount(group_of, parts), 1)
    if variance == 0:
        return difference, None
    effective = min(_effective_groups(group_of[y == label]) for label in (0, 1))
    reach = _t(max(2.0, effective)) * np.sqrt(variance)
    return difference, [float(difference - reach), float(difference + reach)]


def share_interval(value: float, variance: float, groups: int) -> Interval:
    """Returns a 95 % interval of a figure in [0, 1] from its variance, on the logit scale.

    Args:
        value: The figure.
        variance: Its variance by group.
        groups: Number of groups; Student's quantile is that of one less.

    Returns:
        `[low, high]`; ends at `group_bound` where the figure is 0 or 1, `None` for fewer than two
        groups or where nothing varies.

    Example:

    >>> [round(bound, 2) for bound in share_interval(0.9, 0.001, 20)]
    [0.81, 0.95]
    """
    if groups < 2:
        return None
    if value <= 0 or value >= 1:
        return _interval_at_end(value, groups)
    if variance == 0:
        return None
    reach = _t(groups) * np.sqrt(variance) / (value * (1 - value))
    return [float(expit(logit(value) - reach)), float(expit(logit(value) + reach))]


def positive_interval(value: float, variance: float, groups: int) -> Interval:
    """Returns a 95 % interval of a figure above 0 from its variance, on the logarithmic scale.

    Args:
        value: The figure.
        variance: Its variance by group.
        groups: Number of groups; Student's quantile is that of one less.

    Returns:
        `[low, high]`; `None` for fewer than two groups or where nothing varies.

    Example:

    >>> [round(bound, 2) for bound in positive_interval(0.1, 0.0004, 20)]
    [0.07, 0.15]
    """
    if groups < 2 or value <= 0 or variance == 0:
        return None
    factor = np.exp(_t(groups) * np.sqrt(variance) / value)
    return [float(value / factor), float(value * factor)]


def mean_interval(values: Floats, group_of: Ints) -> Interval:
    """Returns a 95 % interval of a mean of any sign, by Student's quantile over groups.

    Args:
        values: Values of shape `(n,)`, such as differences of two classifiers' costs.
        group_of: Number of each value's group from 0, shape `(n,)`.

    Returns:
        `[low, high]` around the mean; `None` for fewer than two groups.

    Example:

    >>> mean_interval(np.array([1.0, 1.0, 1.0]), np.arange(3))
    [1.0, 1.0]
    """
    mean, sums = values.mean(), np.bincount(group_of, values - values.mean())
    if sums.size < 2:
        return None
    reach = _t(sums.size) * np.sqrt(cluster_variance(sums, values.size))
    return [float(mean - reach), float(mean + reach)]


def cluster_variance(residuals: NDArray[Any], total: float) -> float:
    """Returns the variance of a ratio of sums from its residuals by group (linearization).

    Args:
        residuals: Sum of each group's deviations from the ratio, shape `(groups,)`.
        total: The ratio's denominator.
    """
    groups = residuals.size
    return float(groups / (groups - 1) * np.sum(residuals**2) / total**2)


def _effective_groups(group_of: Ints) -> float:
    """The number of groups of equal size that would say as much, were each one observation."""
    sizes = np.bincount(group_of).astype(np.float64)
    return float(sizes.sum() ** 2 / np.sum(sizes**2))


def _t(groups: float) -> float:
    return float(stdtrit(groups - 1, 1 - _MISS / 2))


def _correlation_weights(x: Floats, m: Floats) -> Floats:
    """How likely each of the correlations is, shape `(correlations,)`, sum 1.

    The share itself is integrated out by Laplace's approximation around the mean that the
    correlation makes the best (groups weighed by what they say under it), under Jeffreys' prior.
    """
    weights = m / (1 + (m - 1) * _CORRELATIONS[:, None])
    said = weights.sum(axis=1)
    mean = ((weights * (x / m)).sum(axis=1) + 0.25) / (said + 0.5)
    size = (1 - _CORRELATIONS) / _CORRELATIONS
    log_likelihood = _rising(mean * size, x) + _rising((1 - mean) * size, m - x) - _rising(size, m)
    log_weight = log_likelihood - 0.5 * np.log(said) + np.log(_PRIOR)
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum(), np.float64)


def _rising(start: Floats, steps: Floats) -> Floats:
    """The sum over groups of `log(start * (start + 1) * ... )`, steps factors each."""
    values, times = np.unique(steps, return_counts=True)
    terms = gammaln(start[:, None] + values) - gammaln(start)[:, None]
    return np.asarray(terms @ times, np.float64)


def _mixed_quantiles(a: Floats, b: Floats, weights: Floats) -> tuple[float, float]:
    """Both ends of a mixture of beta distributions, by bisection on the logit scale."""
    sought = np.array([[_MISS / 2], [1 - _MISS / 2]])
    low, high = np.full((2, 1), -40.0), np.full((2, 1), 40.0)
    for _ in range(50):
        middle = (low + high) / 2
        below = (betainc(a, b, expit(middle)) @ weights)[:, None] < sought
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    lower, upper = expit(low[:, 0])
    return float(lower), float(upper)


def _placements(scores: Floats, others: Floats) -> Floats:
    """The share of the others that each score exceeds, ties counting half."""
    ordered = np.sort(others)
    sides = (np.searchsorted(ordered, scores, side) for side in ("left", "right"))
    return np.asarray(sum(sides) / (2 * others.size), np.float64)


def _normal_density(x: float) -> float:
    return float(np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))


def _normal_scores(scores: Floats) -> Floats:
    """Ranks as quantiles of the normal distribution, which no scale of scores changes."""
    return np.asarray(ndtri(rankdata(scores) / (scores.size + 1)), np.float64)
