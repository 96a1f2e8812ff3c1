"""A decision that is adapted to a new site by a few labelled patches, held near the old one.

The network below stays as it is, so that what it computes of a patch is computed once and an
adaptation is a convex problem of a second: logistic regression on what the decision is taken from.
With a crack map these are the features at the places where the old map sees most of a crack, for it
is there that a new site is taken for something else; without one, the pooled features.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from crackdet.models import FeatureStatistics
from crackdet.training.decision import Head, Places

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# How far the new log-odds may go beyond what scaling and shifting the old ones does: about so many,
# as the standard deviation that is expected beforehand of a typical patch. The few patches of one
# site say too little to choose it anew for each: it was chosen on families of the stress
# validation, each taken for a site (`examples/benchmarks/adapting.py --pseudo`), where there is a
# map. Pooled features tell less, and noise is learned from them sooner.
_STRENGTH, _STRENGTH_OF_POOLED = 4.0, 2.0
# What is expected beforehand of the old log-odds' scale, around 1, and of their shift, around 0.
_SCALE, _SHIFT = 1.0, 3.0
# Features of each class that are drawn for the replay. Together they weigh as much as the patches.
REPLAYED = 128
# Channels that hardly vary would count most: each is taken to vary by this share of the mean one.
_LEAST_VARIANCE = 0.05
_MOST_STEPS, _MOST_HALVINGS, _SMALL = 60, 20, 1e-7


class _Rows(NamedTuple):
    """What an adaptation is fitted to.

    Attributes:
        seen: Features, `(rows, channels)`.
        odds: What the old decision says of them.
        labels: 0 or 1 each.
        weights: How much each counts.
        patch: The patch that each is of, from 0; -1 for what is replayed.
    """

    seen: Floats
    odds: Floats
    labels: Ints
    weights: Floats
    patch: Ints

    @classmethod
    def of(cls, old: Head, places: Places, labels: Ints, weight: float, patch: Ints) -> "_Rows":
        weights = np.full(labels.size, weight)
        return cls(old.seen(places), old.log_odds(places), labels, weights, patch)

    @classmethod
    def all(cls, parts: Sequence["_Rows"]) -> "_Rows":
        return cls._make(np.concatenate(each) for each in zip(*parts, strict=True))


@dataclass(frozen=True)
class Adaptation:
    """What every fit of one adaptation shares; make it with `prepare`.

    Attributes:
        old: The decision that is adapted.
        places: Those of the new patches.
        labels: 0 or 1 each.
        rows: The patches, their views, and what is replayed.
        centre: Features at which nothing changes but by scale and shift.
        unit: Of each channel: from there a change by one unit is one that is expected beforehand.
    """

    old: Head
    places: Places
    labels: Ints
    rows: _Rows
    centre: Floats
    unit: Floats

    def fit(self, patches: Ints) -> Head:
        """Returns the decision that suits some of the new patches.

        Its log-odds are `scale * old + shift + change`: the change is linear in the standardized
        features, with a Gaussian prior whose standard deviation for a typical patch is the
        strength. The most probable values minimize the log loss of the patches, that of the replay,
        which weighs as much, and the squares that the priors give (Evgeniou & Pontil, "Regularized
        Multi-Task Learning", KDD 2004, hold a new model near the old one so; Li, Grandvalet &
        Davoine, ICML 2018, call it L2-SP).

        A new map may look elsewhere than the old one. So a second fit counts half of each patch
        where the old map looks, and half where the map of the first fit does, as multiple instance
        learning finds its instances anew (Andrews, Tsochantaridis & Hofmann, NIPS 2002).

        Args:
            patches: Which of the new patches.
        """
        rows, share = self.rows, len(patches) / len(self.places)
        chosen = np.isin(rows.patch, patches) | (rows.patch < 0)
        weights = np.where(rows.patch < 0, share * rows.weights, rows.weights)
        rows = _Rows._make(each[chosen] for each in rows._replace(weights=weights))
        head = self._fitted(rows)
        if self.old.crack_map is None:
            return head
        own = self.places[patches]
        elsewhere = replace(own, features=head.seen(own)[:, None])
        halved = np.where(np.arange(chosen.sum()) < len(patches), 0.5, 1.0) * rows.weights
        further = _Rows.of(self.old, elsewhere, self.labels[patches], 0.5, patches)
        return self._fitted(_Rows.all([rows._replace(weights=halved), further]))

    def _fitted(self, rows: _Rows) -> Head:
        standard = (rows.seen - self.centre) / self.unit
        # No more coordinates than there are rows, in which the prior is what it was in channels.
        axes, _ = np.linalg.qr(standard.T)
        # Coefficients are in units of what is expected beforehand.
        columns = [
            _SCALE * rows.odds[:, None],
            np.full((rows.odds.size, 1), _SHIFT),
            standard @ axes,
        ]
        found = _logistic(np.hstack(columns), rows.labels, rows.weights, rows.odds)
        change = axes @ found[2:] / self.unit
        shift = _SHIFT * found[1] - change @ self.centre
        return self.old.moved(float(1 + _SCALE * found[0]), float(shift), change)


def usual_strength(old: Head) -> float:
    """Returns how far a decision may go from the old one where nobody says otherwise."""
    return _STRENGTH_OF_POOLED if old.crack_map is None else _STRENGTH


def prepare(
    old: Head,
    places: Places,
    labels: ArrayLike,
    statistics: FeatureStatistics | None = None,
    *,
    views: Sequence[tuple[Places, ArrayLike]] = (),
    strength: float | None = None,
    replayed: int = REPLAYED,
    seed: int = 0,
) -> Adaptation:
    """Returns what the fits of an adaptation share.

    Args:
        old: The decision that is adapted.
        places: What it takes of the new patches.
        labels: 0 or 1 each, `(patches,)`.
        statistics: What its training images were to the head, from which features are replayed;
            None replays nothing.
        views: The same of painted and augmented views of all patches, each with its own labels. All
            views of a patch together weigh as much as the patch.
        strength: How far log-odds may go from the old ones, scaled and shifted: the standard
            deviation that is expected beforehand. 0 only scales and shifts them. Defaults to
            `usual_strength(old)`.
        replayed: Features of each class that are replayed.
        seed: Seed of their draw.

    Raises:
        ValueError: If shapes do not fit.

    Example:

    >>> places = Places(np.random.default_rng(0).normal(size=(40, 1, 5)))
    >>> adaptation = prepare(Head(np.ones(5), 0.0), places, np.arange(40) % 2)
    >>> adaptation.fit(np.arange(40)).kernel.shape
    (5,)
    """
    strength = usual_strength(old) if strength is None else strength
    y = np.asarray(labels, np.int64)
    shown = [(places, y), *((each, np.asarray(own, np.int64)) for each, own in views)]
    channels = old.at_places.size
    for each, own in shown:
        if (len(each), each.features.shape[-1]) != (y.size, channels) or own.shape != y.shape:
            raise ValueError(
                f"Expected places of {channels} channels, and a label for each of {y.size} "
                f"patches. Received: places {each.features.shape}, labels {own.shape}"
            )
    # Those of the patches first: `fit` counts on it.
    share = [1.0, *(1 / len(views) for _ in views)]
    parts = [
        _Rows.of(old, each, own, weight, np.arange(y.size))
        for (each, own), weight in zip(shown, share, strict=True)
    ]
    if statistics is not None:
        again = replay(old, places, statistics, replayed, seed)
        classes = np.repeat([0, 1], replayed)
        weight = y.size * (1 + bool(views)) / classes.size
        parts.append(_Rows.of(old, again, classes, weight, np.full(classes.size, -1)))
    rows = _Rows.all(parts)
    # Of all places, not of those alone that are taken: so the change is small elsewhere too, and a
    # new map looks where the old one did.
    variance = places.features.reshape(-1, channels).var(axis=0, dtype=np.float64)
    spread = np.sqrt(variance + _LEAST_VARIANCE * variance.mean() + 1e-12)
    centre = np.average(rows.seen, axis=0, weights=rows.weights)
    lengths = np.square((rows.seen - centre) / spread).sum(axis=1)
    # A typical row has the length of the strength: so a prior on the change is one on log-odds.
    size = np.sqrt(np.average(lengths, weights=rows.weights)) or 1.0
    return Adaptation(old, places, y, rows, centre, spread * size / max(strength, 1e-9))


def replay(
    old: Head, places: Places, statistics: FeatureStatistics, count: int, seed: int
) -> Places:
    """Returns places as training images had them, drawn from what these were to the head.

    All that the head takes of a crack map is its evidence. What the map saw is taken to be what new
    patches show where they give it the same evidence, by linear regression.

    Args:
        old: The decision that was trained.
        places: Those of the new patches.
        statistics: Of what the head takes.
        count: How many of each class; the sound ones come first.
        seed: Seed of the draw.

    Raises:
        ValueError: If the statistics are of features of another size.
    """
    drawn = np.concatenate([statistics.draw(label, count, seed) for label in (0, 1)])
    if drawn.shape[1] != old.kernel.size:
        raise ValueError(
            f"Expected statistics of the {old.kernel.size} features that the head takes. "
            f"Received: of {drawn.shape[1]}"
        )
    if old.crack_map is None:
        return Places(drawn[:, None])
    seen = old.seen(places)
    evidence = seen @ old.crack_map + old.map_bias
    apart = evidence - evidence.mean()
    slope = apart @ seen / max(float(apart @ apart), 1e-12)
    imagined = seen.mean(axis=0) + np.outer(drawn[:, -1] - evidence.mean(), slope)
    return Places(imagined[:, None], drawn[:, :-1])


def _logistic(x: Floats, y: Ints, weights: Floats, offset: Floats) -> Floats:
    """The most probable coefficients of a logistic regression under standard normal priors.

    Newton's method; the loss is convex, so of a full step that overshoots a small enough part
    does not.
    """

    def loss(values: Floats) -> float:
        odds = offset + x @ values
        likelihood = weights @ (np.logaddexp(0.0, odds) - y * odds)
        return float(likelihood + values @ values / 2)

    found = np.zeros(x.shape[1])
    best = loss(found)
    for _ in range(_MOST_STEPS):
        p = expit(offset + x @ found)
        slope = x.T @ (weights * (p - y)) + found
        curvature = (x.T * (weights * p * (1 - p))) @ x
        curvature[np.diag_indices_from(curvature)] += 1.0
        step = np.linalg.solve(curvature, slope)
        part = 1.0
        for _ in range(_MOST_HALVINGS):
            reached = loss(found - part * step)
            if reached <= best:
                break
            part /= 2
        else:
            break
        found, gained, best = found - part * step, best - reached, reached
        if gained < _SMALL:
            break
    return found
