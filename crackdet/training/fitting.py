"""`fit`: the head first, then the unfrozen blocks at a lower rate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from crackdet.data.dataset import CrackData
from crackdet.data.splits import ImageSplit
from crackdet.devices import jit_compile
from crackdet.errors import CrackdetError
from crackdet.features import FeatureCache, Uncached
from crackdet.features.request import check_image_size
from crackdet.models import set_unfreeze_depth, unfreeze_depth
from crackdet.runs import files
from crackdet.runs.history import METRICS, STRESS_METRICS, best_epoch, deciding_loss
from crackdet.seeds import reseed, set_seed
from crackdet.training.callbacks import (
    BestWeights,
    EpochCurves,
    EpochOrder,
    EpochRows,
    OnWholeModel,
    UnderStress,
    as_history,
    write_rows,
)
from crackdet.training.precision import fast_arithmetic
from crackdet.training.sources import Images, make_source

SCHEDULES = ("cosine", "plateau")
MAX_WARMUP_STEPS = 100


@dataclass(frozen=True)
class Phase:
    """One stretch of training at one unfreeze depth."""

    name: str
    depth: int
    epochs: int
    learning_rate: float


def fit(
    model: keras.Model,
    data: CrackData,
    *,
    epochs: int = 10,
    learning_rate: float = 1e-3,
    head_epochs: int | None = None,
    fine_tune_factor: float = 0.1,
    schedule: str = "cosine",
    patience: int | None = 3,
    class_weight: str | dict[int, float] | None = None,
    views: int | None = None,
    cache: FeatureCache | Uncached | None = None,
    painting: keras.Layer | None = None,
    stress: ImageSplit | None = None,
    mixed_precision: bool = False,
    run_dir: str | Path | None = None,
    tensorboard: bool = True,
    seed: int = 0,
    view_seed: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 1,
) -> keras.callbacks.History:
    """Trains a classifier on `data.train`, stopping by `data.validation`.

    Phase "head" trains the head on the frozen backbone. If the model's unfreeze depth is above 0,
    phase "fine_tune" then trains the unfrozen blocks too, at a lower rate, so that the first large
    gradients of a random head do not destroy them. The model ends with the weights of the epoch
    with the lowest `val_loss` of both phases, at its own unfreeze depth, compiled; with `stress`
    that of the lowest `val_stress_loss`, which then takes the place of `val_loss` wherever it
    decides. Where there is neither, every epoch runs and the last one counts: for a number of
    epochs that cross-validation has found.

    With the same seed, data, model weights and machine, training repeats to the bit.

    Args:
        model: A classifier of `crackdet.models.mobilenet_v2_classifier`.
        data: Its `train` and `validation` splits are used, `test` is not looked at.
        epochs: Epochs of both phases together, at most; all of them without validation.
        learning_rate: Highest rate of Adam (Kingma & Ba, 2015) in phase "head".
        head_epochs: Epochs of phase "head". Defaults to all at depth 0, a third otherwise.
        fine_tune_factor: `learning_rate` is multiplied by this in phase "fine_tune".
        schedule: "cosine": a linear warm-up over a tenth of the phase, at most 100 steps, then
            half a cosine to 0 (Loshchilov & Hutter, 2017). "plateau": a constant rate, times 0.3
            when `val_loss` (`loss` without validation) has not improved for half of `patience`.
        patience: Epochs without a better `val_loss` after which a phase stops. None: never.
        class_weight: None, "balanced" (each class weighs the same in all), or a weight for each
            class index.
        views: None trains the whole model with live augmentation. K computes the frozen part
            once for K views of each image, the image itself and K-1 augmented ones, and trains
            the rest on those; needs `cache`.
        cache: Where frozen features are kept; used when `views` is given. A phase whose features
            do not fit in it trains the whole model on images, with a warning: augmented anew in
            each epoch, or not at all with `views=1`.
        painting: A layer of `crackdet.layers.painting` that paints cracks and what is mistaken for
            them on the images of train, before they are augmented, and changes their labels: all
            views but the first, or without views each image anew in each epoch.
        stress: Further images that each epoch is measured on, such as those of
            `crackdet.stress.stress_split(data.validation)`.
        mixed_precision: Whether the backbone computes in bfloat16 (with TensorFlow on a CPU, the
            products of its 1x1 convolutions alone), while weights and the head stay in float32:
            faster on GPUs and processors that have it, and slower on others. The
            trained model computes in float32, and so with a `val_loss` a little off the history's.
        run_dir: Folder for history.csv and tensorboard/.
        tensorboard: Whether to write tensorboard/ in `run_dir`.
        seed: Seed of the order, dropout, augmentation and views.
        view_seed: Seed of the augmented views alone. Trainings with the same one share their
            views, whatever their seeds. Defaults to `seed`.
        callbacks: Further Keras callbacks; they see the whole model. Schedules that set the rate
            themselves need `schedule="plateau"`.
        verbose: 0 silent, 1 progress bar, 2 one line an epoch.

    Returns:
        `History` with a list over all epochs for loss, accuracy, val_loss, val_accuracy, phase,
        learning_rate (at the end of the epoch) and seconds; with `stress` also val_stress_loss and
        val_stress_accuracy. Without validation, val_loss and val_accuracy are None.

    Raises:
        ValueError: If an argument is wrong.
        CrackdetError: If training diverges.

    Example:

    >>> data = crackdet.load_data("demo", image_size=96)
    >>> model = crackdet.models.mobilenet_v2_classifier((96, 96), weights="concrete")
    >>> history = crackdet.training.fit(model, data, epochs=2)
    """
    _check(schedule, patience, views, cache)
    check_data(model, data)
    check_painting(painting, data.class_names, views)
    if stress is not None:
        check_image_size(model, stress)
    depth = unfreeze_depth(model)
    phases = plan_phases(depth, epochs, head_epochs, learning_rate, fine_tune_factor)
    num_classes = len(data.class_names)
    class_weights(class_weight, data.train.labels, num_classes)  # what is wrong is said at once
    rows = EpochRows()
    best_loss, best_weights = math.inf, None
    decides = deciding_loss([*METRICS, *(STRESS_METRICS if stress is not None else ())])
    validated = stress is not None or bool(data.validation.num_images)
    set_seed(seed)
    reseed(model, seed)
    kept = Uncached() if views is None or cache is None else cache
    try:
        shown_seed = seed if view_seed is None else view_seed
        images = Images(data, views, painting, stress, seed, shown_seed)
        # The last phase first: features at its boundary, nearer to the images, are what those of
        # the head are computed from.
        sources = {}
        for each in reversed(phases):
            sources[each.name] = make_source(model, images, each.depth, kept, each.name)
        for phase in phases:
            set_unfreeze_depth(model, phase.depth)
            source = sources[phase.name]
            trained, train = source.model, source.train
            steps = phase.epochs * len(train)
            _compile_both(
                model, trained, learning_rate_schedule(schedule, phase.learning_rate, steps)
            )
            rows.phase = phase.name
            best = BestWeights(patience, decides)
            measured = [] if source.stress is None else [UnderStress(source.stress)]
            watchers = [keras.callbacks.TerminateOnNaN(), *([best] if validated else [])]
            if schedule == "plateau":
                watchers.append(_plateau(decides if validated else "loss", patience))
            if run_dir is not None and tensorboard:
                watchers.append(EpochCurves(Path(run_dir) / files.TENSORBOARD / phase.name))
            if verbose:
                print(_headline(phase, trained, data.train.num_images), flush=True)
            with fast_arithmetic(model, mixed_precision):
                trained.fit(
                    train,
                    validation_data=source.validation,
                    initial_epoch=len(rows.rows),
                    epochs=len(rows.rows) + phase.epochs,
                    class_weight=class_weights(class_weight, source.labels, num_classes),
                    shuffle=False,  # `train` shuffles itself, by seed and epoch
                    callbacks=[
                        *measured,  # first: the others find it in their logs
                        EpochOrder(train),
                        *watchers,
                        rows,
                        OnWholeModel(callbacks, model),
                    ],
                    verbose=verbose,
                )
            epoch = best_epoch(best.losses)
            if epoch is not None and best.losses[epoch] < best_loss:
                best_loss, best_weights = best.losses[epoch], model.get_weights()
            elif not validated:
                finite = math.isfinite(rows.rows[-1]["loss"])
                best_weights = model.get_weights() if finite else None
    finally:
        set_unfreeze_depth(model, depth)
    if best_weights is None:
        loss = f"{decides} was never" if validated else "loss is not"
        raise CrackdetError(f"Training diverged: {loss} a number. Lower learning_rate.")
    model.set_weights(best_weights)
    if run_dir is not None:
        write_rows(rows.rows, Path(run_dir) / files.HISTORY)
    return as_history(model, rows.rows)


def check_data(model: keras.Model, data: CrackData) -> None:
    """Raises ValueError unless a model can be trained on a data set."""
    check_image_size(model, data.train)
    if model.output_shape[-1] != len(data.class_names):
        raise ValueError(
            f"Expected a model of {len(data.class_names)} outputs, one for each of "
            f"{', '.join(data.class_names)}. Received: {model.output_shape[-1]} outputs"
        )
    if not data.train.num_images:
        raise ValueError("Expected images to train on; the split is empty.")


def check_painting(
    painting: keras.Layer | None, class_names: Sequence[str], views: int | None
) -> None:
    """Raises ValueError unless images can be painted in a training."""
    if painting is None:
        return
    if len(class_names) != 2:
        raise ValueError(f"Painting needs two classes, sound and cracked. Received: {class_names}")
    if views == 1:
        raise ValueError(
            "Expected views of 2 or more, or None, with a painting: the first view of an image is "
            "the image as it is. Received: 1"
        )


def plan_phases(
    depth: int,
    epochs: int,
    head_epochs: int | None,
    learning_rate: float,
    fine_tune_factor: float = 0.1,
) -> list[Phase]:
    """Divides epochs between the phases "head" and "fine_tune".

    Returns:
        The phases that have epochs, in order.

    Raises:
        ValueError: If an argument is out of its range.
    """
    if head_epochs is None:
        head_epochs = epochs // 3 if depth else epochs
    if epochs < 1 or not 0 <= head_epochs <= epochs:
        raise ValueError(
            "Expected epochs of 1 or more and head_epochs from 0 to epochs. "
            f"Received: epochs={epochs}, head_epochs={head_epochs}"
        )
    if learning_rate <= 0 or fine_tune_factor <= 0:
        raise ValueError(
            "Expected learning_rate and fine_tune_factor above 0. "
            f"Received: {learning_rate}, {fine_tune_factor}"
        )
    if not depth:
        return [Phase("head", 0, head_epochs or epochs, learning_rate)]
    tuning = Phase("fine_tune", depth, epochs - head_epochs, learning_rate * fine_tune_factor)
    phases = [Phase("head", 0, head_epochs, learning_rate), tuning]
    return [phase for phase in phases if phase.epochs]


def class_weights(
    choice: str | dict[int, float] | None, labels: np.ndarray, num_classes: int
) -> dict[int, float] | None:
    """Returns the weight of each class; "balanced" is n / (classes * count of the class).

    Raises:
        ValueError: If `choice` is none of None, "balanced", or a weight for every class.
    """
    if choice is None:
        return None
    if choice == "balanced":
        counts = np.bincount(labels, minlength=num_classes)
        return {i: float(len(labels) / (num_classes * max(n, 1))) for i, n in enumerate(counts)}
    if isinstance(choice, dict) and sorted(choice) == list(range(num_classes)):
        return choice
    raise ValueError(
        f'Expected class_weight to be None, "balanced" or a weight for each of the {num_classes} '
        f"classes. Received: {choice!r}"
    )


def _check(
    schedule: str, patience: int | None, views: int | None, cache: FeatureCache | Uncached | None
) -> None:
    if schedule not in SCHEDULES:
        raise ValueError(f"Expected schedule to be one of {SCHEDULES}. Received: {schedule!r}")
    if patience is not None and patience < 0:
        raise ValueError(f"Expected patience of 0 or more, or None. Received: {patience}")
    if views is not None and (views < 1 or cache is None):
        raise ValueError(
            f"Expected views of 1 or more together with a cache. Received: {views}, {cache}"
        )


def learning_rate_schedule(schedule: str, peak: float, steps: int) -> Any:
    """Returns the learning rate of a phase: a number, or one that follows the steps."""
    if schedule == "plateau":
        return peak
    warmup = min(MAX_WARMUP_STEPS, steps // 10)
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(peak, steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=peak, warmup_steps=warmup
    )


def _compile_both(model: keras.Model, trained: keras.Model, rate: Any) -> None:
    """Compiles what is trained, and the whole model with the same optimizer.

    Callbacks see the whole model and change the rate through it.
    """
    optimizer = keras.optimizers.Adam(rate)
    for each in {id(m): m for m in (model, trained)}.values():
        each.compile(
            optimizer=optimizer,
            loss=keras.losses.SparseCategoricalCrossentropy(),
            metrics=["accuracy"],
            jit_compile=jit_compile(),
        )
    # TensorFlow traces a step twice that makes variables, so they are made before.
    optimizer.build(trained.trainable_variables)
    trained.compute_metrics(None, np.zeros(1, np.int64), np.zeros((1, *trained.output_shape[1:])))
    trained.reset_metrics()


def _plateau(loss: str, patience: int | None) -> keras.callbacks.Callback:
    wait = max(1, (patience or 2) // 2)
    return keras.callbacks.ReduceLROnPlateau(loss, factor=0.3, patience=wait)


def _headline(phase: Phase, trained: keras.Model, count: int) -> str:
    weights = sum(int(np.prod(w.shape)) for w in trained.trainable_weights)
    return (
        f"Phase {phase.name}: up to {phase.epochs} epochs on {count} images, learning rate "
        f"{phase.learning_rate:.2g}, {weights:,} weights to train (unfreeze depth {phase.depth})."
    )
