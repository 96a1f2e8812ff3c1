"""A classifier on sites that it was not made for, beside what needs no classifier."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from crackdet.data import ImageSplit
from crackdet.evaluation.filing import scores_and_doubt, written_score
from crackdet.evaluation.filters import FILTERS, filter_scores
from crackdet.evaluation.intervals import area_under_roc, auroc_difference, auroc_interval
from crackdet.evaluation.metrics import metrics_row, number_groups
from crackdet.files import write_csv, write_json
from crackdet.models.out_of_distribution import OutOfDistribution
from crackdet.runs import files

Floats = NDArray[np.float64]

# Columns of sites.csv behind those that say what the site is: figures with their intervals.
_WITH_INTERVAL = (
    *("auroc", "recall_at_far_1pct", "recall_at_far_5pct", "recall", "false_alarm_rate"),
    *("ece", "brier"),
)
_WITHOUT_UNSURE = ("recall", "precision", "false_alarm_rate")


@dataclass(frozen=True)
class Site:
    """Labelled patches of one site.

    Attributes:
        name: What tables call it.
        images: The patches; those of one group are of one photo. What `choose_images` returns
            holds none that the model was trained or tuned on.
        licence: Of the patches, in words; empty where nobody has said it.
        notes: What a reader of its figures must know.
    """

    name: str
    images: ImageSplit
    licence: str = ""
    notes: str = ""


@dataclass(frozen=True)
class SiteResult:
    """What was found on one site.

    Attributes:
        site: The site.
        row: Its figures; see `transfer`.
        scores: The classifier's probability of a crack for each patch, `(n,)`.
        filters: What each untrained filter says of them, by its name, `(n,)`.
    """

    site: Site
    row: dict[str, Any]
    scores: NDArray[np.float32]
    filters: dict[str, Floats]


def transfer(
    model: keras.Model,
    sites: Iterable[Site],
    *,
    threshold: float = 0.5,
    detector: OutOfDistribution | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    advance: Callable[[int], Any] | None = None,
) -> list[SiteResult]:
    """Measures a classifier on several sites, each beside the best untrained filter.

    Nothing is fitted on the sites: not the threshold, and no filter. Which filter is the best is
    read off each site's own labels, to the filters' advantage.

    Args:
        model: Maps uint8 images to softmax probabilities of shape `(batch, 2)`.
        sites: The sites.
        threshold: The classifier's own; a patch raises an alarm when its score reaches it.
        detector: As in `crackdet.evaluation.evaluate`.
        bootstrap: Number of resamples of groups behind the intervals.
        seed: Seed of the resampling.
        advance: Told how many more patches are done.

    Returns:
        For each site its figures and scores. `row` is that of `metrics_row`, and `site`, `licence`,
        `notes`, `share_cracked`, and `untrained`: `{"auroc": {filter: area}, "best": the filter of
        the largest area, "interval": its interval, "gain": by how much the classifier's area is
        larger, "gain_interval": its interval, "better": whether all of that is above 0}`. A figure
        that the patches do not define is None.

    Raises:
        ValueError: If a site has no patch, or the model does not return two classes.

    Example:

    >>> data = crackdet.load_data("my_patches", group_by="(DSC[0-9]+)", cut=False)
    >>> model = crackdet.load_model("concrete")
    >>> (found,) = transfer(model, [Site("bridge", data.whole())], threshold=0.35)
    >>> found.row["auroc"], found.row["untrained"]["auroc"]
    """
    options = {"threshold": threshold, "bootstrap": bootstrap, "seed": seed}
    return [_measured(model, site, detector, advance, **options) for site in sites]


def mean_auroc(rows: Iterable[dict[str, Any]]) -> tuple[float, float] | None:
    """Returns the mean area over sites, of the classifier and of each site's best filter.

    Sites count alike, whatever their number of patches; those with one class do not count. None
    where no site has both.

    Example:

    >>> mean_auroc([{"auroc": 0.8, "untrained": {"best": "contrast", "auroc": {"contrast": 0.9}}}])
    (0.8, 0.9)
    """
    areas = [
        (row["auroc"], row["untrained"]["auroc"][row["untrained"]["best"]])
        for row in rows
        if row["auroc"] is not None
    ]
    if not areas:
        return None
    own, untrained = np.mean(areas, axis=0)
    return float(own), float(untrained)


def write_sites(
    folder: str | Path, results: Sequence[SiteResult], about: Mapping[str, Any]
) -> None:
    """Writes `predictions.csv`, `sites.csv` and, last, `sites.json`.

    Args:
        folder: Where they go.
        results: What `transfer` returned.
        about: What else `sites.json` says: `model`, its `limits` in words, `threshold`,
            `threshold_from`, `command` and `versions`, which the report needs.
    """
    folder = Path(folder)
    rows = [result.row for result in results]
    write_csv(
        folder / files.PREDICTIONS,
        ("site", "key", "label", "score", *FILTERS, "group"),
        (line for result in results for line in _prediction_rows(result)),
    )
    lines = [_table_row(row) for row in rows]
    write_csv(folder / files.SITES_TABLE, list(lines[0]), [list(line.values()) for line in lines])
    mean = mean_auroc(rows)
    means = None if mean is None else {"auroc": mean[0], "untrained": mean[1]}
    write_json(folder / files.SITES, {**about, "mean": means, "sites": rows})


def _prediction_rows(result: SiteResult) -> Iterable[tuple[Any, ...]]:
    images = result.site.images
    return zip(
        [result.site.name] * images.num_images,
        images.keys,
        images.labels.tolist(),
        map(written_score, result.scores),
        *(map(written_score, result.filters[name]) for name in FILTERS),
        images.groups.tolist(),
        strict=True,
    )


def _table_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns one line of sites.csv; an undefined figure is an empty cell."""
    untrained = row["untrained"]
    line = {
        "site": row["site"],
        "licence": row["licence"],
        "patches": row["n"],
        "photos": row["groups"],
        "share_cracked": row["share_cracked"],
        **{f"{name}_auroc": area for name, area in untrained["auroc"].items()},
        "best_untrained": untrained["best"],
        "gain": untrained["gain"],
    }
    line |= _bounds("gain", untrained["gain_interval"])
    for name in _WITH_INTERVAL:
        line |= {name: row[name], **_bounds(name, row["intervals"][name])}
    unsure = row.get("unsure", {})
    line |= {"threshold": row["threshold"], "unsure": unsure.get("share")}
    for name in _WITHOUT_UNSURE:
        line[f"{name}_without_unsure"] = unsure.get("answered", {}).get(name)
    return {
        name: "" if value is None else f"{value:.6g}" if isinstance(value, float) else value
        for name, value in line.items()
    }


def _bounds(name: str, interval: Sequence[float] | None) -> dict[str, float | None]:
    low, high = (None, None) if interval is None else interval
    return {f"{name}_low": low, f"{name}_high": high}


def _measured(
    model: keras.Model,
    site: Site,
    detector: OutOfDistribution | None,
    advance: Callable[[int], Any] | None,
    **options: Any,
) -> SiteResult:
    images = site.images.in_order()
    filters = filter_scores(images, advance=advance)
    scores, unsure = scores_and_doubt(model, images, detector)
    row = metrics_row(images.labels, scores, groups=images.groups, unsure=unsure, **options)
    about = {"site": site.name, "licence": site.licence, "notes": site.notes}
    figures = {
        **about,
        **row,
        "share_cracked": row["positives"] / row["n"],
        "untrained": _untrained(images, scores, filters),
    }
    return SiteResult(site, figures, scores, filters)


def _untrained(
    images: ImageSplit, scores: NDArray[np.float32], filters: dict[str, Floats]
) -> dict[str, Any]:
    """What the filters reach on a site, and by how much the classifier is better than the best."""
    y, s = images.labels, scores.astype(np.float64)
    group_of, _ = number_groups(images.groups, y.size)
    areas = {name: area_under_roc(y, filters[name]) for name in FILTERS}
    best = max(areas, key=lambda name: areas[name] or 0.0)
    compared = auroc_difference(y, s, filters[best], group_of)
    if compared is None:
        return {
            "auroc": areas,
            **dict.fromkeys(("best", "interval", "gain", "gain_interval", "better")),
        }
    gain, interval = compared
    return {
        "auroc": areas,
        "best": best,
        "interval": auroc_interval(y, filters[best], group_of),
        "gain": gain,
        "gain_interval": interval,
        "better": None if interval is None else interval[0] > 0,
    }
