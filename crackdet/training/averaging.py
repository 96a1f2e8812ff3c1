"""`fit_averaged`: several trainings from the same weights, and the mean of what they found."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from crackdet.data.dataset import CrackData
from crackdet.data.splits import ImageSplit
from crackdet.features import FeatureCache, Uncached
from crackdet.files import atomic_write
from crackdet.models.units import HEAD_NAME
from crackdet.runs import files
from crackdet.training.callbacks import as_history, rows_of, write_rows
from crackdet.training.fitting import fit
from crackdet.training.made_of import made_of

_SCALES = (-3.0, 3.0)  # logarithms of what logits are multiplied by

Rows = list[dict[str, Any]]


def fit_averaged(
    model: keras.Model,
    data: CrackData,
    *,
    members: int = 1,
    run_dir: str | Path | None = None,
    seed: int = 0,
    view_seed: int | None = None,
    verbose: int = 1,
    **options: Any,
) -> keras.callbacks.History:
    """Trains a classifier several times from the same weights; it ends with the mean of them.

    Trainings from one start mostly end in one valley of the loss. The mean of their weights can be
    better than each of them, above all on images unlike those of training, and costs no more to run
    than one (Wortsman et al., 2022, "Model soups"; Ramé et al., 2022, "Diverse weight averaging").
    Members differ in the order of the images and in dropout; they share their views, and so the
    cache. Last, the head's bias is fitted again on the images that decide the epochs: the mean is
    off by a constant that no member has. Short trainings are worse for it, since their mean has not
    gone far enough, and so are trainings at unlike rates (`examples/benchmarks/README.md`).

    Args:
        model: A classifier, see `crackdet.training.fit`. All members start from its weights.
        data: As in `fit`.
        members: How many are trained, 1 or more. One is `fit`.
        run_dir: Folder for history.csv, and for a folder of each member with its own. A member
            that is done is not trained again if the call is repeated after it was killed.
        seed: Seed of the first member; the next one has the next number.
        view_seed: Seed of the augmented views, which all members share. Defaults to `seed`.
        verbose: As in `fit`.
        **options: Further arguments of `fit`.

    Returns:
        `History` of `fit` over the epochs of all members, with `member`, counted from 1, where
        there are several.

    Raises:
        ValueError: If an argument is wrong.
        CrackdetError: If a training diverges.

    Example:

    >>> data = crackdet.load_data("demo", image_size=96)
    >>> model = crackdet.models.mobilenet_v2_classifier((96, 96), weights="concrete")
    >>> history = crackdet.training.fit_averaged(model, data, members=3, epochs=2)
    """
    if members < 1:
        raise ValueError(f"Expected members of 1 or more. Received: {members}")
    options = {**options, "view_seed": seed if view_seed is None else view_seed}
    if members == 1:
        return fit(model, data, run_dir=run_dir, seed=seed, verbose=verbose, **options)
    start = model.get_weights()
    weights, rows = [], []
    for number in range(1, members + 1):
        if verbose:
            print(f"Member {number} of {members}", flush=True)
        own = {**options, "seed": seed + number - 1}
        folder = None if run_dir is None else Path(run_dir) / files.member_folder(number)
        model.set_weights(start)
        found = _member(model, data, folder, own, verbose)
        weights.append(model.get_weights())
        rows += [{"member": number, **row} for row in found]
    model.set_weights(mean_weights(model, weights))
    stress = options.get("stress")
    shift_bias(model, data.validation if stress is None else stress, options.get("cache"))
    if run_dir is not None:
        write_rows(rows, Path(run_dir) / files.HISTORY)
    return as_history(model, rows)


def mean_weights(model: keras.Model, weights: Sequence[Sequence[Any]]) -> list[Any]:
    """Returns the mean of several weights of a model.

    Args:
        model: Whose weights they are.
        weights: What `model.get_weights()` returned, several times. Of what is no weight but a
            state, such as that of dropout, the first one's is taken.
    """
    means = []
    for variable, *values in zip(model.weights, *weights, strict=True):
        floating = keras.backend.is_float_dtype(keras.backend.standardize_dtype(variable.dtype))
        mean = np.mean(values, axis=0, dtype=np.float64) if floating else values[0]
        means.append(np.asarray(mean, np.asarray(values[0]).dtype))
    return means


def shift_bias(
    model: keras.Model, images: ImageSplit, cache: FeatureCache | Uncached | None = None
) -> None:
    """Fits the bias of a classifier's head again, in place; what it ranks first stays first.

    The bias is that of bias-corrected temperature scaling (Alexandari et al., 2020, "Maximum
    likelihood with bias-corrected calibration is hard-to-beat at label shift adaptation"); the
    temperature is left to who calibrates.

    Args:
        model: A classifier of `crackdet.models`.
        images: Labelled images; where there are none, nothing is changed.
        cache: Where frozen features are kept.
    """
    if not images.num_images:
        return
    probabilities = np.asarray((cache or Uncached()).predict(model, images), np.float64)
    head = model.get_layer(HEAD_NAME)
    kernel, bias = head.get_weights()
    head.set_weights([kernel, bias + best_shift(probabilities, images.labels)])


def best_shift(probabilities: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Returns what to add to the logits for the least log loss, at the best temperature.

    Args:
        probabilities: Softmax outputs, `(n, classes)`.
        labels: Class indices, `(n,)`.

    Returns:
        A number for each class, their mean 0.

    Example:

    >>> best_shift([[1 / 3, 2 / 3]] * 10, [0, 1] * 5).round(2).tolist()  # log(2) / 2 either way
    [0.35, -0.35]
    """
    logits = np.log(np.maximum(np.asarray(probabilities, np.float64), np.finfo(np.float32).tiny))
    rows, labels = np.arange(len(logits)), np.asarray(labels)

    def loss(values: NDArray[np.float64]) -> float:
        scaled = logits * np.exp(values[0]) + values[1:]
        return -float(np.mean(log_softmax(scaled, axis=1)[rows, labels]))

    bounds = [_SCALES, *[(None, None)] * logits.shape[1]]
    scale, *shift = minimize(loss, np.zeros(1 + logits.shape[1]), bounds=bounds).x
    return np.asarray((shift - np.mean(shift)) / np.exp(scale))


def _member(
    model: keras.Model,
    data: CrackData,
    folder: Path | None,
    options: dict[str, Any],
    verbose: int,
) -> Rows:
    """Trains a member, or takes up one that an earlier call has trained; returns its epochs."""
    if folder is None:
        return rows_of(fit(model, data, verbose=verbose, **options))
    stress = options.get("stress")
    told = {**options, "stress": None if stress is None else stress.digests}
    told.pop("cache", None)  # where features are kept changes none of them
    digest = made_of(data, told, weights=model.get_weights())
    file = folder / files.MEMBER
    done = _read(file, digest)
    if done is not None:
        model.set_weights(done[0])
        return done[1]
    rows = rows_of(fit(model, data, run_dir=folder, verbose=verbose, **options))
    with atomic_write(file) as temporary:
        np.savez(
            temporary,
            *model.get_weights(),
            made_of=np.array(digest),
            epochs=np.array(json.dumps(rows)),
        )
    return rows


def _read(file: Path, digest: str) -> tuple[list[Any], Rows] | None:
    """Returns the weights and epochs of a member that is done; None where there is no such one."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            if str(arrays["made_of"]) != digest:
                return None
            count = len(arrays.files) - 2
            weights = [arrays[f"arr_{number}"] for number in range(count)]
            return weights, json.loads(str(arrays["epochs"]))
    except (FileNotFoundError, zipfile.BadZipFile, KeyError, ValueError):
        return None
