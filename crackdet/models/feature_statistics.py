"""What a classifier's training images looked like to its head, kept beside it in few numbers.

A Gaussian for each class over what the head takes: enough to draw features as the training had
them, or to say how unlike them others are, without a single training image. A run writes
`model.statistics.npz` beside its `model.keras`, a preset holds one among its files.
"""

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh

from crackdet.errors import CrackdetError
from crackdet.files import atomic_write

SUFFIX = ".statistics.npz"
# Of MobileNetV2's 1,280 pooled features; 64 directions a class are 0.3 MB in float16.
RANK = 64

Floats = NDArray[np.float32]
_NAMES = ("counts", "means", "directions", "residuals", "lows")
_SURFACE, _DEPTH = "surface_", "surface_depth"


@dataclass(frozen=True)
class FeatureStatistics:
    """Mean and low-rank covariance of a head's inputs for each class.

    The covariance of class c is `directions[c].T @ directions[c] + diag(residuals[c])`: principal
    components with what they leave of each channel's variance (factor analysis; Tipping & Bishop,
    "Probabilistic Principal Component Analysis", 1999, is the case of equal residuals).

    Attributes:
        counts: Images of each class, int64 `(classes,)`.
        means: float32 `(classes, channels)`.
        directions: Principal directions, each times its standard deviation, the widest first:
            float32 `(classes, rank, channels)`.
        residuals: Variance that they leave, float32 `(classes, channels)`.
        lows: The lowest value of each channel, float32 `(channels,)`: 0 behind a ReLU.
        extra: Further arrays by name, which stand in the same file.
    """

    counts: NDArray[np.int64]
    means: Floats
    directions: Floats
    residuals: Floats
    lows: Floats
    extra: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)

    @classmethod
    def of(cls, features: ArrayLike, labels: ArrayLike, *, rank: int = RANK) -> "FeatureStatistics":
        """Returns the statistics of some images.

        Args:
            features: What the head takes, `(images, channels)`.
            labels: Class of each image from 0, `(images,)`; every class up to the largest is there.
            rank: The most directions of a class; with fewer images than that, the others are 0.

        Raises:
            ValueError: If shapes do not fit or a class is absent.

        Example:

        >>> random = np.random.default_rng(0)
        >>> found = FeatureStatistics.of(random.normal(size=(50, 6)), np.arange(50) % 2, rank=3)
        >>> found.directions.shape
        (2, 3, 6)
        """
        x, y = np.asarray(features, np.float64), np.asarray(labels)
        if x.ndim != 2 or y.shape != x.shape[:1] or not y.size:
            raise ValueError(
                "features and labels must have shapes (images, channels) and (images,); received "
                f"{x.shape} and {y.shape}."
            )
        counts = np.bincount(y)
        if not counts.all():
            raise ValueError(f"Each class needs an image; received {counts.tolist()} of them.")
        rank = min(rank, x.shape[1])
        means, directions, residuals = [], [], []
        for label in range(counts.size):
            own = x[y == label]
            mean = own.mean(axis=0)
            # As they are stored, so that nothing changes with the file.
            found = _principal(own - mean, rank).astype(np.float16).astype(np.float64)
            means.append(mean)
            directions.append(found)
            residuals.append(np.maximum(own.var(axis=0) - np.square(found).sum(axis=0), 0))
        return cls(
            counts.astype(np.int64),
            np.array(means, np.float32),
            np.array(directions, np.float32),
            np.array(residuals, np.float32),
            x.min(axis=0).astype(np.float32),
        )

    def with_surface(self, surface: "FeatureStatistics", depth: int) -> "FeatureStatistics":
        """Returns these statistics with those of what the same images looked like lower down.

        Args:
            surface: Of `crackdet.models.units.surface_at(model, depth)`.
            depth: The unfreeze depth at whose boundary that is.
        """
        arrays = {f"{_SURFACE}{name}": array for name, array in surface._arrays().items()}
        return replace(self, extra={**self.extra, **arrays, _DEPTH: np.array(depth)})

    @property
    def surface(self) -> "tuple[FeatureStatistics, int] | None":
        """What `with_surface` added, or None."""
        if _DEPTH not in self.extra:
            return None
        arrays = [self.extra[f"{_SURFACE}{name}"] for name in _NAMES]
        return FeatureStatistics._of_arrays(arrays, {}), int(self.extra[_DEPTH])

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """Its own arrays as they are stored."""
        arrays = {name: getattr(self, name) for name in _NAMES}
        return {**arrays, "directions": self.directions.astype(np.float16)}

    @classmethod
    def _of_arrays(
        cls, arrays: Iterable[NDArray[Any]], extra: Mapping[str, NDArray[np.generic]]
    ) -> "FeatureStatistics":
        """Takes what `_arrays` gave, in the order of `_NAMES`."""
        counts, *rest = arrays
        means, directions, residuals, lows = (each.astype(np.float32) for each in rest)
        return cls(counts, means, directions, residuals, lows, extra)

    def draw(self, label: int, count: int, seed: int = 0) -> Floats:
        """Returns features drawn as those of a class were distributed, `(count, channels)`.

        What a head takes is mostly pooled behind ReLU6, so draws are cut off at `lows`.

        Args:
            label: The class.
            count: How many.
            seed: Another one gives others.
        """
        random = np.random.default_rng([seed, label])
        along = random.normal(size=(count, self.directions.shape[1])) @ self.directions[label]
        beside = random.normal(size=(count, self.means.shape[1])) * np.sqrt(self.residuals[label])
        return np.maximum(self.means[label] + along + beside, self.lows).astype(np.float32)

    def write(self, path: Path) -> None:
        """Writes the file of a preset, or of a model (see `statistics_file`)."""
        with atomic_write(path) as temporary:
            np.savez_compressed(
                temporary,
                **{**self.extra, **self._arrays()},  # type: ignore[arg-type]
            )

    @classmethod
    def read(cls, path: Path) -> "FeatureStatistics":
        """Reads what `write` has written.

        Raises:
            CrackdetError: If the file is broken.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                own = [arrays[name] for name in _NAMES]
                extra = {name: arrays[name] for name in arrays if name not in _NAMES}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise CrackdetError(
                f"{path} holds no statistics of a model's features ({error}): copy it again, or "
                "remove it."
            ) from error
        return cls._of_arrays(own, extra)


def statistics_file(model_file: Path) -> Path:
    """Returns where the statistics of a model's file stand: beside it, `model.statistics.npz`."""
    return model_file.with_suffix(SUFFIX)


def _principal(centred: NDArray[np.float64], rank: int) -> NDArray[np.float64]:
    """The widest directions times their standard deviations, `(rank, channels)`."""
    channels = centred.shape[1]
    covariance = centred.T @ centred / len(centred)
    variances, axes = eigh(covariance, subset_by_index=(channels - rank, channels - 1))
    return np.asarray((axes * np.sqrt(np.maximum(variances, 0))).T[::-1], np.float64)
