"""Probability of detection (POD) by crack width, as non-destructive testing states it.

MIL-HDBK-1823A, "Nondestructive Evaluation System Reliability Assessment" (2009), appendix G:
hits and misses, a logistic curve over the logarithm of the size, and bounds from the likelihood
ratio. a90 is the width that is found in 90 % of cases, a90/95 its upper bound with 95 % confidence.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, ndtri, stdtrit

from crackdet.evaluation.intervals import Floats, Ints, proportion_interval
from crackdet.evaluation.metrics import number_groups
from crackdet.evaluation.unsure import alarms_of

METHOD = (
    "logit of the logarithm of the width by maximum likelihood, pointwise one-sided 95 % bounds by "
    "the likelihood ratio (MIL-HDBK-1823A), widened where patches of one wall err together"
)
_CONFIDENCE = 0.95
_CURVE_POINTS = 41
_BINS = 8
_DIRECTIONS = 180  # of the contour of the likelihood: the bounds lack less than 0.02 % of its reach


def probability_of_detection(
    widths: ArrayLike, hits: ArrayLike, *, groups: ArrayLike | None = None
) -> dict[str, Any]:
    """Returns how wide a crack has to be to be found, from cracks found and missed.

    The bounds are the envelope of all curves whose likelihood ratio to the best one is not
    rejected (MIL-HDBK-1823A, G.3; Cheng & Iles 1983). With `groups` the ratio that is allowed grows
    by how much more hits vary between groups than independent ones do (Rotnitzky & Jewell 1990),
    with Student's quantile for few groups.

    Args:
        widths: Width of each crack, positive, shape `(n,)`.
        hits: Whether each was found, shape `(n,)`.
        groups: Integers of shape `(n,)`: cracks on one wall are missed together. `None` takes all
            cracks as independent, as the handbook does.

    Returns:
        A dictionary for JSON; what cannot be told is `None`, and `note` says why:

        - `n`, `found`;
        - `intercept`, `slope` of the logit over the natural logarithm of the width;
        - `a50`, `a90`: widths found in 50 and 90 % of cases; `None` outside of the widths given;
        - `a90_95`: the width that is found in 90 % of cases with 95 % confidence;
        - `above_a90`: of the cracks at least as wide as `a90`, `n` and `found`, whatever the curve;
        - `curve`: `width`, `pod`, `low`, `high`, 41 points each; either bound holds with 95 %
          confidence, both with 90 %;
        - `observed`: by width `low`, `high`, `n`, `found`;
        - `note`: a sentence, or "".

    Raises:
        ValueError: If the arrays are empty, differ in length, or a width is not positive.

    Example:

    >>> widths = np.geomspace(0.3, 10, 60)
    >>> hits = np.random.default_rng(0).random(60) < expit(3 * np.log(widths))
    >>> result = probability_of_detection(widths, hits)
    >>> 1 < result["a90"] < result["a90_95"] < 5
    True
    """
    w, y = np.asarray(widths, np.float64), np.asarray(hits, np.float64)
    if w.ndim != 1 or w.shape != y.shape or not w.size or not np.all(w > 0):
        raise ValueError(
            "Expected a positive width and a hit or miss for each crack. Received: "
            f"widths {w.shape}, hits {y.shape}."
        )
    group_of, _ = number_groups(groups, w.size)
    result: dict[str, Any] = {"n": int(w.size), "found": int(y.sum())}
    result |= dict.fromkeys(("intercept", "slope", "a50", "a90", "a90_95", "above_a90", "curve"))
    result |= {"observed": _observed(w, y), "note": _without_a_curve(w, y)}
    if not result["note"]:
        result |= _fitted(w, y, None if groups is None else group_of)
    return result


def detection_by_width(
    labels: ArrayLike,
    scores: ArrayLike,
    widths: ArrayLike,
    contrasts: ArrayLike,
    *,
    threshold: float,
    groups: ArrayLike,
    unsure: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Returns the probability of detection of painted cracks (`crackdet.stress.width_split`).

    Args:
        labels: Integers of shape `(n,)`, 0 (the surface as it is) or 1 (with a crack).
        scores: Probabilities of a crack, shape `(n,)`.
        widths: Of each crack in pixels, shape `(n,)`; what sound pictures hold is not read.
        contrasts: Of each crack, shape `(n,)`.
        threshold: A crack is found when `score >= threshold`.
        groups: Integers of shape `(n,)`: pictures of one wall err together.
        unsure: Of which pictures the classifier is unsure: their cracks count as missed, and the
            sound ones as false alarms.

    Returns:
        A dictionary that can be written as JSON: `method`, `threshold`, `contrasts` (by contrast
        what `probability_of_detection` returns), `overall` (of all together) and `false_alarms` on
        the same surfaces: `n`, `alarms`, `rate`, `interval`.

    Example:

    >>> facts = detection_by_width(
    ...     split.labels, scores, split.widths, split.contrasts, threshold=0.5, groups=split.groups
    ... )
    >>> facts["contrasts"]["0.3"]["a90_95"]
    """
    y, s = np.asarray(labels, np.int64), np.asarray(scores, np.float64)
    w, c, group_of = np.asarray(widths), np.asarray(contrasts), np.asarray(groups)
    alarms = alarms_of(y, s, threshold, unsure)

    def of(chosen: NDArray[np.bool_]) -> dict[str, Any]:
        return probability_of_detection(w[chosen], alarms[chosen], groups=group_of[chosen])

    cracked = y == 1
    return {
        "method": METHOD,
        "threshold": float(threshold),
        "contrasts": {
            f"{contrast:g}": of(cracked & (c == contrast))
            for contrast in np.unique(c[cracked]).tolist()
        },
        "overall": of(cracked),
        "false_alarms": _false_alarms(alarms[~cracked], group_of[~cracked]),
    }


def _false_alarms(alarms: NDArray[np.bool_], groups: Ints) -> dict[str, Any]:
    number = np.unique(groups, return_inverse=True)[1]
    return {
        "n": int(alarms.size),
        "alarms": int(alarms.sum()),
        "rate": float(alarms.mean()),
        "interval": proportion_interval(np.bincount(number, alarms), np.bincount(number)),
    }


def _observed(w: Floats, y: Floats) -> list[dict[str, Any]]:
    """Returns how many were found in bins of about as many cracks each."""
    parts = np.array_split(np.argsort(w, kind="stable"), min(_BINS, w.size))
    return [
        {
            "low": float(w[part[0]]),
            "high": float(w[part[-1]]),
            "n": int(part.size),
            "found": int(y[part].sum()),
        }
        for part in parts
    ]


def _without_a_curve(w: Floats, y: Floats) -> str:
    """Returns why no curve can be fitted, empty if one can: the likelihood has no maximum."""
    found, missed = w[y == 1], w[y == 0]
    if not missed.size:
        return (
            f"All {found.size} cracks were found, the narrowest of {w.min():.2g} px too: what is "
            "found in 90 % of cases is narrower than what was painted."
        )
    if not found.size:
        return (
            f"None of {missed.size} cracks was found, not even the widest of {w.max():.2g} px: "
            "what is found in 90 % of cases is wider than what was painted, if anything is."
        )
    if missed.max() <= found.min():
        return (
            f"All cracks from {found.min():.2g} px on were found and none up to {missed.max():.2g} "
            "px: no curve can be fitted between; more cracks of such widths would tell."
        )
    return _NOT_FOUND_MORE_OFTEN if found.max() <= missed.min() else ""


_NOT_FOUND_MORE_OFTEN = "Wider cracks are not found more often than narrow ones."


def _fitted(w: Floats, y: Floats, groups: Ints | None) -> dict[str, Any]:
    centre = float(np.log(w).mean())
    x = np.stack([np.ones_like(w), np.log(w) - centre], 1)
    best, information = _maximum(x, y)
    if best[1] <= 0:
        return {"note": _NOT_FOUND_MORE_OFTEN}
    grid = np.geomspace(w.min(), w.max(), _CURVE_POINTS)
    points = np.stack([np.ones_like(grid), np.log(grid) - centre])
    half, most = (float(_width(best[None], share, centre)[0]) for share in (0.5, 0.9))
    a90, note = _within(w, most), _note(w, most)
    curve: dict[str, Any] = {"width": grid.tolist(), "pod": expit(best @ points).tolist()}
    result: dict[str, Any] = {
        "intercept": float(best[0] - best[1] * centre),
        "slope": float(best[1]),
        "a50": _within(w, half),
        "a90": a90,
        "above_a90": a90 and {"n": int(np.sum(w >= a90)), "found": int(y[w >= a90].sum())},
        "curve": curve,
    }
    allowed = _allowed_ratio(x, y, best, information, groups)
    if allowed is None:
        curve |= {"low": None, "high": None}
        return result | {"note": f"{note} One wall tells no bounds.".strip()}
    contour = _contour(x, y, best, information, allowed)
    band = contour @ points
    a90_95 = _width(contour, 0.9, centre).max() if (contour[:, 1] > 0).all() else np.inf
    curve |= {"low": expit(band.min(0)).tolist(), "high": expit(band.max(0)).tolist()}
    if a90 is not None and a90_95 > w.max():
        note = f"With 95 % confidence no width up to {w.max():.2g} px is found in 90 % of cases."
    return result | {"a90_95": _within(w, a90_95), "note": note}


def _width(curves: Floats, share: float, centre: float) -> Floats:
    """Returns the width that each curve `(k, 2)` gives a share."""
    return np.asarray(
        np.exp(np.minimum((logit(share) - curves[:, 0]) / curves[:, 1] + centre, 700))
    )


def _within(w: Floats, width: float) -> float | None:
    return float(width) if w.min() <= width <= w.max() else None


def _note(w: Floats, a90: float) -> str:
    if a90 > w.max():
        return f"No width up to {w.max():.2g} px is found in 90 % of cases."
    if a90 < w.min():
        return f"The narrowest of {w.min():.2g} px too are found in 90 % of cases or more."
    return ""


def _likelihood(x: Floats, y: Floats, curves: Floats) -> Floats:
    """Returns the logarithm of the likelihood of each curve `(k, 2)`."""
    eta = curves @ x.T
    return np.asarray((y * eta - np.logaddexp(0, eta)).sum(-1))


def _maximum(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Returns the curve of maximum likelihood and its Fisher information, by Newton's method."""
    best = np.array([logit(y.mean()), 0.0])
    value = _likelihood(x, y, best[None])[0]
    for _ in range(100):
        p = expit(x @ best)
        information = (x * (p * (1 - p))[:, None]).T @ x
        step = np.linalg.solve(information, x.T @ (y - p))
        while (tried := _likelihood(x, y, (best + step)[None])[0]) < value and np.any(step):
            step = np.where(np.abs(step) > 1e-12, step / 2, 0)
        best, value = best + step, max(tried, value)
        if np.all(np.abs(step) < 1e-9):
            break
    return best, information


def _allowed_ratio(
    x: Floats, y: Floats, best: Floats, information: Floats, groups: Ints | None
) -> float | None:
    """Returns twice the logarithm of the likelihood ratio that is not rejected; None for a wall."""
    if groups is None:
        return float(ndtri(_CONFIDENCE) ** 2)
    number = np.unique(groups, return_inverse=True)[1]
    count = int(number.max()) + 1
    if count < 2:
        return None
    scores = np.zeros((count, 2))
    np.add.at(scores, number, x * (y - expit(x @ best))[:, None])
    between = scores.T @ scores * count / (count - 1)
    inflation = max(1.0, float(np.trace(np.linalg.solve(information, between))) / 2)
    return float(stdtrit(count - 1, _CONFIDENCE) ** 2 * inflation)


def _contour(x: Floats, y: Floats, best: Floats, information: Floats, allowed: float) -> Floats:
    """Returns curves `(k, 2)` all around the best one whose likelihood ratio is just allowed."""
    angles = np.linspace(0, 2 * np.pi, _DIRECTIONS, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)])
    ways = np.linalg.solve(np.linalg.cholesky(information).T, circle).T
    highest = _likelihood(x, y, best[None])[0]

    def ratio(reach: Floats) -> Floats:
        return 2 * (highest - _likelihood(x, y, best + reach[:, None] * ways))

    inside, outside = np.zeros(_DIRECTIONS), np.full(_DIRECTIONS, np.sqrt(allowed))
    for _ in range(60):  # the likelihood falls without end in every direction
        short = ratio(outside) < allowed
        if not short.any():
            break
        outside[short] *= 2
    for _ in range(40):
        middle = (inside + outside) / 2
        short = ratio(middle) < allowed
        inside, outside = np.where(short, middle, inside), np.where(short, outside, middle)
    return best + outside[:, None] * ways
