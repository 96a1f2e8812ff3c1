"""`adapt`: a few labelled patches of a new site, measured before and after by cross-validation."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from crackdet.data import CrackData, ImageSplit
from crackdet.evaluation.familiar import surface
from crackdet.evaluation.filing import write_model, write_prediction_rows, written_score
from crackdet.evaluation.intervals import area_under_roc, auroc_difference, mean_interval
from crackdet.evaluation.metrics import metrics_row, number_groups
from crackdet.evaluation.samples import image_losses
from crackdet.evaluation.threshold import ThresholdChoice, choose_threshold
from crackdet.features import FeatureCache, head_inputs
from crackdet.files import write_json
from crackdet.models import FeatureStatistics, KnownImages
from crackdet.models.out_of_distribution import OutOfDistribution, with_limit
from crackdet.models.validation_scores import ValidationScores
from crackdet.runs import files
from crackdet.runs.judged import CROSS_VALIDATION
from crackdet.training.adapting import prepare, replay, usual_strength
from crackdet.training.decision import (
    Head,
    Places,
    Views,
    class_probabilities,
    painted_views,
    places_of,
)
from crackdet.training.site_folds import deal, judged_together

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FOLDS = 5
# Views of each patch beside the patch itself. Of many patches there are fewer: these say enough
# themselves, and each view is a pass.
VIEWS, _MOST_VIEWS = 4, 400
_REPLAY_AGAIN = 1000  # features of each class on which forgetting is measured


@dataclass(frozen=True)
class Adapted:
    """What an adaptation has found; nothing of the model is changed yet.

    Attributes:
        head: The adapted weights. Their fit scales and shifts the old log-odds, and so calibrates.
        strength: How far it may go, see `crackdet.training.adapting`.
        choice: The threshold that suits the adapted model.
        before: The row of `metrics_row` of the old model at its own threshold.
        after: That of the adapted one: each patch judged by weights that were fitted, and a
            threshold that was chosen, without the patch's fold.
        gain: `{"auroc": ..., "auroc_interval": ..., "log_loss": ..., "log_loss_interval": ...}`: by
            how much the area grew and the loss fell.
        forgotten: What features replayed as in `replay` say of the old images, before and after:
            `{"auroc": [..., ...], "log_loss": [..., ...]}`; None without statistics.
        scores: Scores out of their folds, `(patches,)`.
        scores_before: The old model's, `(patches,)`.
        fold_of: The fold of each patch, from 0.
        unsure: The share of the patches of which the old model is unsure; None where it is never.
        statistics: Those that the model came with, the limit of what is unsure raised until 1 % of
            the new patches lie beyond it; None without.
        notes: What a reader of the figures must know.
    """

    head: Head
    strength: float
    choice: ThresholdChoice
    before: dict[str, Any]
    after: dict[str, Any]
    gain: dict[str, Any]
    forgotten: dict[str, list[float]] | None
    scores: NDArray[np.float32]
    scores_before: NDArray[np.float32]
    fold_of: Ints
    unsure: float | None
    statistics: FeatureStatistics | None
    notes: tuple[str, ...]

    @property
    def better(self) -> bool:
        """Whether the adapted model is to be kept.

        It is where the cross-validated log loss fell, to less than that of whoever knows the share
        of cracks alone, and the area under the ROC curve is not shown to be smaller.
        """
        return not self.why_not

    @property
    def why_not(self) -> str:
        """Why the adapted model is not to be kept, in words; empty where it is."""
        if self.gain["log_loss"] <= 0:
            return "its cross-validated log loss is no lower"
        share = self.after["positives"] / self.after["n"]
        if self.after["log_loss"] >= -share * np.log(share) - (1 - share) * np.log(1 - share):
            return "by its cross-validated log loss it knows no more than the share of cracks"
        interval = self.gain["auroc_interval"]
        smaller = interval is not None and interval[1] < 0
        return "its AUROC is shown to be lower" if smaller else ""

    def facts(self) -> dict[str, Any]:
        """Returns what `adaptation.json` says of it."""
        names = ("strength", "before", "after", "gain", "forgotten", "unsure")
        return {
            **{name: getattr(self, name) for name in names},
            **self.choice.facts(),
            "better": self.better,
            "folds": int(self.fold_of.max()) + 1,
            "notes": list(self.notes),
        }


def adapt(
    model: keras.Model,
    images: ImageSplit,
    cache: FeatureCache,
    *,
    statistics: FeatureStatistics | None = None,
    strength: float | None = None,
    threshold: float = 0.5,
    miss_cost: float = 5.0,
    bootstrap: int = 1000,
    seed: int = 0,
) -> Adapted:
    """Adapts a classifier to a few labelled patches of a new site.

    What changes is the head, and with `pooling="local"` the crack map beside it, whose features
    tell a site's joints from its cracks where the head alone can change no ranking. The network
    below stays as it is, and so does the old decision's part in the new one, up to its scale and a
    shift. Beside the patches stand augmented views of them, with cracks painted on the sound ones.
    The figures after are cross-validated by photo, so that no patch, and no view of it, has a say
    in what judges it, and decide whether the new weights are to be kept.

    Args:
        model: A classifier of `crackdet.models` with two classes. It is not changed: see
            `Adapted.head`, whose `put_into(model)` does.
        images: Some 10 to 100 labelled patches; those of one group are of one photo.
        cache: Where features are kept: 0.2 MB for each patch and each of its views, with a map.
        statistics: What the old training images were to the head,
            `crackdet.models.feature_statistics(model)`: features drawn from them are replayed, so
            that less is forgotten. Without them only the old head's nearness holds.
        strength: How far the new head may go, see `crackdet.training.adapting`.
        threshold: The old model's own, for the figures before.
        miss_cost: Cost of a missed crack in false alarms, see `choose_threshold`.
        bootstrap: Number of resamples of groups behind the intervals.
        seed: Seed of the folds, of the replay and of the resampling.

    Returns:
        What was found; `better` says whether to keep it.

    Raises:
        CrackdetError: If there are fewer than five patches of a class.
        ValueError: If the model has another number of classes than two, or the statistics are of
            another one's features.

    Example:

    >>> data = crackdet.load_data("my_patches", group_by="(DSC[0-9]+)", cut=False)
    >>> model = crackdet.load_model("concrete")
    >>> adapted = adapt(model, data.whole(), crackdet.features.FeatureCache("cache"))
    >>> if adapted.better:
    ...     adapted.head.put_into(model)
    """
    judged_together(images.labels, images.groups)  # refuses too few before the network runs
    # First, so that one pass serves both: the cache computes what is above from these.
    judged = _judged(model, images, cache, statistics)
    places, _ = places_of(model, images, cache)
    views = min(VIEWS, _MOST_VIEWS // images.num_images)
    return adapt_head(
        Head.of(model),
        places,
        images.labels,
        images.groups,
        views=painted_views(model, images, cache, views, seed),
        statistics=statistics,
        judged=judged,
        strength=strength,
        threshold=threshold,
        miss_cost=miss_cost,
        bootstrap=bootstrap,
        seed=seed,
    )


def adapt_head(
    old: Head,
    places: Places,
    labels: Ints,
    groups: Ints,
    *,
    views: Views = (),
    statistics: FeatureStatistics | None = None,
    judged: NDArray[np.float32] | None = None,
    strength: float | None = None,
    threshold: float = 0.5,
    miss_cost: float = 5.0,
    bootstrap: int = 1000,
    seed: int = 0,
) -> Adapted:
    """Returns what `adapt` does, from what the classifier decides from of each patch.

    `views` are what `painted_views` returns; `judged` is by what the classifier is unsure of a
    patch; None to leave that as it is.
    """
    units, notes = judged_together(labels, groups)
    strength = usual_strength(old) if strength is None else strength
    if statistics is None:
        notes.append(
            "The model comes without statistics of what it was trained on: nothing is "
            "replayed, the adapted head is only held near the old one, and what it forgets is not "
            "measured."
        )
    detector = OutOfDistribution.of(statistics)
    adaptation = prepare(old, places, labels, statistics, views=views, strength=strength, seed=seed)
    everything = np.arange(labels.size)
    fold_of = deal(labels, units, FOLDS, seed)
    odds = np.empty(labels.size)
    for fold in range(fold_of.max() + 1):
        held_out = fold_of == fold
        odds[held_out] = adaptation.fit(everything[~held_out]).log_odds(places[held_out])
    scores = class_probabilities(odds)[:, 1]
    thresholds = _thresholds(labels, scores, groups, fold_of, miss_cost)

    head = adaptation.fit(everything)
    choice = choose_threshold(
        labels,
        scores,
        groups=groups,
        miss_cost=miss_cost,
        bootstrap=min(bootstrap, 200),
        seed=seed,
        chosen_on="cross-validation on the new site",
    )

    def row(scores: NDArray[np.float32], at: Any) -> dict[str, Any]:
        return metrics_row(
            labels, scores, threshold=at, groups=groups, bootstrap=bootstrap, seed=seed
        )

    scores_before = old.probabilities(places)[:, 1]
    return Adapted(
        head=head,
        strength=strength,
        choice=choice,
        before=row(scores_before, threshold),
        after=row(scores, thresholds),
        gain=_gain(labels, groups, scores_before, scores),
        forgotten=None if statistics is None else _forgotten(old, head, places, statistics, seed),
        scores=scores,
        scores_before=scores_before,
        fold_of=fold_of,
        unsure=None if detector is None or judged is None else _share(detector, judged),
        statistics=statistics if judged is None else _familiar(statistics, judged),
        notes=tuple(notes),
    )


def write_adapted(
    folder: str | Path,
    model: keras.Model,
    adapted: Adapted,
    data: CrackData,
    images: ImageSplit,
    *,
    known: KnownImages | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Puts the adapted head into a model and writes what belongs to it.

    `model.keras` with its record, the images that it knows (those that it was adapted to among
    them, so that none of them judges it) and the statistics that it came with, whose limit of what
    is unsure lets the new site's patches pass; `predictions.csv` with each patch's scores before
    and after; and, last, `adaptation.json`.

    Args:
        folder: Where they go.
        model: The classifier that was adapted; its head is changed.
        adapted: What `adapt` returned.
        data: The data set that the patches are of.
        images: The patches.
        known: What the model knew before, `crackdet.models.known_images(model)`.
        about: What else `adaptation.json` says.
    """
    folder = Path(folder)
    # It marks a finished adaptation: an older one must not stand beside a new model.
    (folder / files.ADAPTATION).unlink(missing_ok=True)
    adapted.head.put_into(model)
    write_model(
        folder,
        model,
        data,
        adapted.choice,
        ValidationScores.of(images.labels, adapted.scores, adapted.choice.chosen_on),
        1.0,
        facts=data.facts(),
        trained_on=images,
        known=KnownImages.of({"train": images.digests}, known),
        statistics=adapted.statistics,
    )
    columns = (
        images.keys,
        [CROSS_VALIDATION] * images.num_images,
        images.labels.tolist(),
        map(written_score, adapted.scores),
        map(written_score, adapted.scores_before),
        images.groups.tolist(),
        (adapted.fold_of + 1).tolist(),
    )
    write_prediction_rows(folder / files.PREDICTIONS, zip(*columns, strict=True), further=("fold",))
    write_json(folder / files.ADAPTATION, {**(about or {}), **adapted.facts()})


def _thresholds(
    labels: Ints, scores: NDArray[np.float32], groups: Ints, fold_of: Ints, miss_cost: float
) -> Floats:
    """The threshold that each patch is judged by: chosen on the other folds."""
    thresholds = np.empty(labels.size)
    for fold in range(fold_of.max() + 1):
        rest = fold_of != fold
        choice = choose_threshold(
            labels[rest], scores[rest], groups=groups[rest], miss_cost=miss_cost, bootstrap=0
        )
        thresholds[~rest] = choice.threshold
    return thresholds


def _familiar(
    statistics: FeatureStatistics | None, features: NDArray[np.float32]
) -> FeatureStatistics | None:
    """Returns statistics to which patches of the new site are not unlike what is known."""
    detector = OutOfDistribution.of(statistics)
    if statistics is None or detector is None:
        return statistics
    raised = with_limit(statistics, detector.score(features))
    known = OutOfDistribution.of(raised)
    return raised if known is not None and known.limit > detector.limit else statistics


def _judged(
    model: keras.Model,
    images: ImageSplit,
    cache: FeatureCache,
    statistics: FeatureStatistics | None,
) -> NDArray[np.float32] | None:
    """Returns by what a classifier is unsure of images; None where it never is."""
    detector = OutOfDistribution.of(statistics)
    if detector is None:
        return None
    if detector.depth is None:
        return head_inputs(model, images, cache)
    return surface(model, images, cache, detector.depth)[0]


def _share(detector: OutOfDistribution, judged: NDArray[np.float32]) -> float:
    return float(detector.unsure(judged).mean())


def _gain(
    labels: Ints, groups: Ints, before: NDArray[np.float32], after: NDArray[np.float32]
) -> dict[str, Any]:
    group_of, _ = number_groups(groups, labels.size)
    compared = auroc_difference(
        labels, after.astype(np.float64), before.astype(np.float64), group_of
    )
    assert compared is not None, "both classes are there"
    saved = image_losses(labels, before) - image_losses(labels, after)
    return {
        "auroc": compared[0],
        "auroc_interval": compared[1],
        "log_loss": float(saved.mean()),
        "log_loss_interval": mean_interval(saved, group_of),
    }


def _forgotten(
    old: Head, new: Head, places: Places, statistics: FeatureStatistics, seed: int
) -> dict[str, list[float]]:
    """Area and loss before and after on features that the adaptation has not seen."""
    labels = np.repeat([0, 1], _REPLAY_AGAIN)
    drawn = replay(old, places, statistics, _REPLAY_AGAIN, seed + 1)
    odds = [head.log_odds(drawn) for head in (old, new)]
    return {
        "auroc": [float(area_under_roc(labels, each) or 0.0) for each in odds],
        "log_loss": [_loss(labels, each) for each in odds],
    }


def _loss(labels: Ints, odds: Floats) -> float:
    return float(np.mean(np.logaddexp(0.0, odds) - labels * odds))
