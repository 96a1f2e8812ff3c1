"""What a stress validation says of a classifier: by family and severity, and as one number."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crackdet.evaluation.intervals import Floats, Ints, area_under_roc, auroc_interval
from crackdet.evaluation.metrics import check_labels_and_scores, number_groups

# Scores are float32 softmax outputs: closer to 0 or 1 than this they carry no information.
_CLIP = float(np.finfo(np.float32).eps)


def stress_score(
    labels: ArrayLike,
    scores: ArrayLike,
    families: Sequence[str],
    severities: ArrayLike,
    *,
    threshold: float = 0.5,
    groups: ArrayLike | None = None,
) -> dict[str, Any]:
    """Returns what a classifier makes of a stress validation (`crackdet.stress.stress_split`).

    Each family counts the same, as each corruption does in ImageNet-C (Hendrycks & Dietterich
    2019): the whole is a mean over families, not over pictures. Of the score it is the geometric
    mean of their errors, so that a family in which all classifiers do badly does not decide alone:
    to halve the error counts the same in each.

    Args:
        labels: Integers of shape `(n,)`, 0 (sound) or 1 (cracked).
        scores: Probabilities of a crack in [0, 1], shape `(n,)`.
        families: The family of each picture, n names.
        severities: The severity of each picture, integers of shape `(n,)`.
        threshold: A picture raises an alarm when `score >= threshold`.
        groups: Integers of shape `(n,)`: pictures of one wall err together; used by the intervals.
            `None` makes each picture its own group.

    Returns:
        A dictionary that can be written as JSON:

        - `score`: 1 minus the geometric mean over families of 1 minus the area under the ROC curve
          (AUROC), where half a picture of the family counts as wrong beside: an AUROC of 1 on few
          pictures is none of 1 on all;
        - `auroc`: the mean over families of the AUROC;
        - `loss`: the mean over families of the cross-entropy (natural logarithm);
        - `accuracy`: the mean over families of the share that is right at the threshold;
        - `n`, `threshold`;
        - `families`: by name `n`, `auroc`, `auroc_interval` (95 %), `loss`, `accuracy`, and
          `severities`, by severity `n`, `auroc`, `loss`, `accuracy`;
        - `severities`: by severity the means over families of `auroc`, `loss`, `accuracy`.

        An AUROC is `None` where a class is absent, and left out of a mean; severities are the
        strings "1" to "5".

    Raises:
        ValueError: If the arrays are empty, differ in length, or hold values out of range.

    Example:

    >>> result = stress_score([0, 1, 0, 1], [0.2, 0.9, 0.6, 0.4], ["rust"] * 4, [1, 1, 2, 2])
    >>> result["auroc"], result["families"]["rust"]["severities"]["1"]["auroc"]
    (0.75, 1.0)
    >>> round(result["score"], 3)  # half of four pictures more
    0.625
    """
    y, s = check_labels_and_scores(labels, scores)
    if s.min() < 0 or s.max() > 1:
        raise ValueError(
            f"Scores must be probabilities in [0, 1]; received {s.min():g} to {s.max():g}."
        )
    named, graded = np.asarray(families), np.asarray(severities)
    if named.shape != y.shape or graded.shape != y.shape:
        raise ValueError(
            f"Expected a family and a severity for each of the {y.size} images. Received: "
            f"{named.shape} and {graded.shape}."
        )
    group_of, _ = number_groups(groups, y.size)
    by_family = {
        str(family): _family(y, s, graded, group_of, named == family, threshold)
        for family in dict.fromkeys(named.tolist())
    }
    rows = list(by_family.values())
    return {
        "score": _score(rows),
        "auroc": _mean(rows, "auroc"),
        "loss": _mean(rows, "loss"),
        "accuracy": _mean(rows, "accuracy"),
        "n": int(y.size),
        "threshold": float(threshold),
        "families": by_family,
        "severities": {
            severity: _over_families(rows, severity)
            for severity in map(str, np.unique(graded).tolist())
        },
    }


def _family(
    y: Ints,
    s: Floats,
    severities: NDArray[Any],
    group_of: Ints,
    chosen: NDArray[np.bool_],
    threshold: float,
) -> dict[str, Any]:
    both = len(np.unique(y[chosen])) == 2
    return {
        **_cell(y[chosen], s[chosen], threshold),
        "auroc_interval": auroc_interval(y[chosen], s[chosen], group_of[chosen]) if both else None,
        "severities": {
            str(severity): _cell(y[here], s[here], threshold)
            for severity in np.unique(severities[chosen]).tolist()
            for here in [chosen & (severities == severity)]
        },
    }


def _cell(y: Ints, s: Floats, threshold: float) -> dict[str, Any]:
    right = np.clip(np.where(y == 1, s, 1 - s), _CLIP, 1)
    return {
        "n": int(y.size),
        "auroc": area_under_roc(y, s),
        "loss": float(-np.log(right).mean()),
        "accuracy": float(np.mean((s >= threshold) == (y == 1))),
    }


def _over_families(rows: Sequence[dict[str, Any]], severity: str) -> dict[str, Any]:
    cells = [row["severities"][severity] for row in rows if severity in row["severities"]]
    return {key: _mean(cells, key) for key in ("auroc", "loss", "accuracy")}


def _score(rows: Sequence[dict[str, Any]]) -> float | None:
    errors = [1 - row["auroc"] + 0.5 / row["n"] for row in rows if row["auroc"] is not None]
    return 1 - float(np.exp(np.mean(np.log(errors)))) if errors else None


def _mean(rows: Sequence[dict[str, Any]], key: str) -> float | None:
    values = [row[key] for row in rows if row[key] is not None]
    return float(np.mean(values)) if values else None
