"""The search's hypermodel: crackdet's classifier, trained by `crackdet.training.fit`."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np

from crackdet.data import CrackData
from crackdet.data.dataset import DEFAULT_CLASSES
from crackdet.data.splits import ImageSplit
from crackdet.features import FeatureCache, Uncached
from crackdet.images import ImageSize, height_and_width
from crackdet.layers import painting
from crackdet.models import new_classifier, replace_head, set_unfreeze_depth
from crackdet.models.heads import copy_head, pooling_of
from crackdet.models.weights import pooling_in, weights_record
from crackdet.runs.history import REPORTED, STRESS_METRICS
from crackdet.runs.trials import PAINTING
from crackdet.seeds import set_seed
from crackdet.training import fit
from crackdet.training.sources import is_augmented
from tuning.seeds import SEED_LIMIT
from tuning.space import SearchSpace

# What builds the classifier of a trial, with the arguments of `crackdet.models.new_classifier`.
Classifier = Callable[..., keras.Model]


class CrackHyperModel(keras_tuner.HyperModel):
    """`mobilenet_v2_classifier` with searched dropout, learning rate and unfreeze depth.

    Works with any tuner of KerasTuner. Trials start from the same seed, so that they differ by
    their hyperparameters alone; repeated executions of a trial start from different ones.

    Args:
        image_size: Height and width of the images, or one integer for a square.
        num_classes: Number of classes.
        space: What is searched. Defaults to `SearchSpace()`.
        alpha: Width of MobileNetV2.
        pooling: What is decided from: "average", "gem" or "local"; None for that of the weights.
        weights: Starting weights: "imagenet", "concrete", None or a path.
        strength: Strength of `crackdet.layers.augmentation`; 0 for none. With `views=1` no
            augmentation takes place.
        epochs: Epochs of a trial.
        views: See `crackdet.training.fit`: None trains the whole model with live augmentation; K
            trains on features of K views of each image, which needs `cache`; 2 or more where the
            space paints.
        cache: Where frozen features are kept. Trials start from the same weights and so share
            them.
        painting: What makes the painting of a strength of the space: a function like
            `crackdet.layers.painting`.
        stress: Further images that each epoch is measured on, see `crackdet.training.fit`.
        mixed_precision: See `crackdet.training.fit`.
        classifier: What builds the classifier: a function with the arguments of
            `crackdet.models.new_classifier`, whose models have MobileNetV2's units.
        seed: Seed of the head's weights, dropout, order and augmentation.
        view_seed: Seed of the augmented views, which are shared between trials of different
            seeds. Defaults to `seed`.

    Example:

    >>> data = crackdet.load_data("demo", image_size=96)
    >>> hypermodel = tuning.CrackHyperModel(96, alpha=0.35, weights=None, epochs=1)
    >>> tuner = keras_tuner.RandomSearch(
    ...     hypermodel, "val_loss", max_trials=2, directory="search", project_name="demo")
    >>> tuner.search(data.train, validation_data=data.validation)
    """

    def __init__(
        self,
        image_size: ImageSize = 224,
        *,
        num_classes: int = 2,
        space: SearchSpace | None = None,
        alpha: float = 1.0,
        pooling: str | None = None,
        weights: str | Path | None = "imagenet",
        strength: float = 1.0,
        epochs: int = 3,
        views: int | None = None,
        cache: FeatureCache | Uncached | None = None,
        painting: Callable[[float], keras.Layer] = painting,
        stress: ImageSplit | None = None,
        mixed_precision: bool = False,
        classifier: Classifier = new_classifier,
        seed: int = 0,
        view_seed: int | None = None,
    ):
        super().__init__(name="crackdet")
        self.image_size = image_size
        self.num_classes = num_classes
        self.space = space or SearchSpace()
        self.alpha = alpha
        self.pooling = pooling
        self.weights = weights
        self.strength = strength
        self.epochs = epochs
        self.views = views
        self.cache = Uncached() if views is None or cache is None else cache
        self.painting = painting
        self.stress = stress
        self.mixed_precision = mixed_precision
        self.classifier = classifier
        self.seed = seed
        self.view_seed = seed if view_seed is None else view_seed
        self._executions: Counter[tuple] = Counter()

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Builds the untrained classifier; `fit` compiles it.

        Args:
            hp: KerasTuner's hyperparameters.
        """
        values = self.space.values(hp)
        seed = self._execution_seed(values)
        set_seed(self.view_seed)  # a random backbone is the same in all trials of a search
        return self.classifier(
            self.image_size,
            self.num_classes,
            unfreeze_depth=values["unfreeze_depth"],
            dropout=values["dropout"],
            alpha=self.alpha,
            pooling=self.pooling,
            weights=self.weights,
            strength=self.strength if is_augmented(self.views) else 0,
            seed=seed,
        )

    def rebuild(self, model: keras.Model, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Builds as `build` does, on the backbone of a model that was built before.

        A tenth of the time. A model with another head than `mobilenet_v2_classifier`'s, of a
        `classifier` of one's own, is built anew.

        Args:
            model: A model of `build`, with the weights that it was built with.
            hp: KerasTuner's hyperparameters.
        """
        if pooling_of(model) is None:
            return self.build(hp)
        values = self.space.values(hp)
        seed = self._execution_seed(values)
        outputs = model.output_shape[-1]  # those of the `classifier`, whatever it was told
        rebuilt = replace_head(model, outputs, dropout=values["dropout"], seed=seed)
        if self.weights not in (None, "imagenet"):  # which carry a head
            copy_head(rebuilt, model)
        return set_unfreeze_depth(rebuilt, values["unfreeze_depth"])

    def backbone(self) -> tuple:
        """Returns what a backbone and its starting weights follow from: equal ones are the same."""
        strength = self.strength if is_augmented(self.views) else 0
        size = height_and_width(self.image_size)
        weights = weights_record(self.weights)
        seed = self.view_seed if weights is None else None
        kind = self.alpha, self.pooling
        return self.classifier, size, self.num_classes, *kind, weights, strength, seed

    def trains_heads_together(self) -> bool:
        """Whether trials of the head alone share their steps, see `crackdet.training.fit_heads`.

        A `classifier` of one's own tells it when it has built them.
        """
        return self.pooling_of_trials() in (None, "average")

    def pooling_of_trials(self) -> str | None:
        """Returns the `pooling` asked for, or else that of the weights; None where neither is."""
        if self.pooling is None and self.classifier is new_classifier:
            return pooling_in(self.weights)
        return self.pooling

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
        x: CrackData | ImageSplit | np.ndarray,
        y: np.ndarray | None = None,
        *,
        validation_data: ImageSplit | tuple | None = None,
        batch_size: int | None = None,
        epochs: int | None = None,
        initial_epoch: int = 0,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        verbose: Any = 0,
        **options: Any,
    ) -> keras.callbacks.History:
        """Trains a model of `build` with `crackdet.training.fit`.

        Args:
            hp: The hyperparameters that the model was built with.
            model: The model.
            x: A `CrackData`; or the training images, as an `ImageSplit` or as a uint8 array with
                their labels in `y`.
            y: Labels, where `x` is an array.
            validation_data: An `ImageSplit`, or `(images, labels)`, where `x` is no `CrackData`.
            batch_size: Images in a step. Defaults to that of the split.
            epochs: Epochs at the end of this call. Defaults to the hypermodel's.
            initial_epoch: Epochs that the model has been trained for, as hyperband counts; the
                head's own phase is then over.
            callbacks: Keras callbacks; they see the whole model.
            verbose: As in `crackdet.training.fit`; "auto" counts as 0.
            **options: Further arguments of `crackdet.training.fit`, such as `class_weight`.

        Returns:
            `History` of numbers: loss, accuracy, val_loss, val_accuracy, learning_rate, seconds;
            with `stress` also val_stress_loss and val_stress_accuracy.

        Raises:
            ValueError: If the data are of another kind or number of classes, or a tuner of
                KerasTuner looks for an objective that no training here reports.
        """
        if type(self).fit is CrackHyperModel.fit:  # one that overrides it may report more
            _check_objective(callbacks, (*REPORTED, *(STRESS_METRICS if self.stress else ())))
        values = self.space.values(hp)
        seed = self._execution_seed(values)
        self._executions[_key(values)] += 1
        if initial_epoch and values["unfreeze_depth"]:
            options.setdefault("head_epochs", 0)
        history = fit(
            model,
            _as_data(x, y, validation_data, self.image_size, self.num_classes, batch_size),
            epochs=(self.epochs if epochs is None else epochs) - initial_epoch,
            learning_rate=values["learning_rate"],
            views=self.views,
            cache=self.cache,
            painting=self.painting_of(values.get(PAINTING, 0.0)),
            stress=self.stress,
            mixed_precision=self.mixed_precision,
            seed=seed,
            view_seed=self.view_seed,
            callbacks=callbacks,
            verbose=0 if verbose == "auto" else verbose,
            **options,
        )
        # KerasTuner takes every entry for a metric, and a phase is a word.
        del history.history["phase"]
        return history

    def painting_of(self, strength: float) -> keras.Layer | None:
        """Returns what paints the images of a trial; None at strength 0."""
        return self.painting(strength) if strength else None

    def fill_cache(
        self, data: CrackData, depths: Iterable[int], painting: float = 0.0
    ) -> list[int]:
        """Computes the frozen features that trials of some depths share, if they keep any.

        Args:
            data: Its `train` and `validation` are passed through the network, once.
            depths: Unfreeze depths of the trials.
            painting: The strength of their painting.

        Returns:
            The depths whose features are kept now; others have no room.
        """
        if isinstance(self.cache, Uncached):
            return []
        model = self.build(self.space.hyperparameters())
        return self.cache.prepare(
            model,
            depths,
            data,
            self.views or 1,
            seed=self.view_seed,
            painting=self.painting_of(painting),
            further=() if self.stress is None else (self.stress,),
        )

    def _execution_seed(self, values: dict[str, Any]) -> int:
        execution = self._executions[_key(values)]
        if not execution:
            return self.seed
        drawn = np.random.SeedSequence([self.seed, execution]).generate_state(1)[0]
        return int(drawn) % SEED_LIMIT


def _key(values: dict[str, Any]) -> tuple:
    return tuple(sorted(values.items()))


def _check_objective(
    callbacks: Iterable[keras.callbacks.Callback], reported: Sequence[str]
) -> None:
    """Stops a tuner of KerasTuner whose objective no trial will report.

    It would find out after each training, and stop after three. A tuner with a `run_trial` of its
    own may compute what it looks for.
    """
    for callback in callbacks:
        tuner = getattr(callback, "tuner", None)
        if not isinstance(tuner, keras_tuner.Tuner):
            continue
        if not type(tuner).run_trial.__module__.startswith("keras_tuner."):
            continue
        objective = tuner.oracle.objective
        names = [each.name for each in getattr(objective, "objectives", [objective])]
        if missing := sorted(set(names) - set(reported)):
            # Of KerasTuner's errors one that is not taken for a trial's failure.
            raise keras_tuner.errors.FatalValueError(
                f"Expected the tuner's objective to be one of {', '.join(reported)}, which a "
                f"trial of CrackHyperModel reports. Received: {', '.join(missing)}"
            )


def _as_data(
    x: Any,
    y: Any,
    validation_data: Any,
    image_size: ImageSize,
    num_classes: int,
    batch_size: int | None,
) -> CrackData:
    names = DEFAULT_CLASSES if num_classes == 2 else tuple(map(str, range(num_classes)))
    if isinstance(x, CrackData):
        data = x
    elif isinstance(x, ImageSplit) and isinstance(validation_data, ImageSplit):
        _check_labels(num_classes, x, validation_data)
        data = CrackData(x, validation_data, validation_data.subset([]), class_names=names)
    elif isinstance(validation_data, tuple | list) and y is not None:
        none = (np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0, np.int64))
        data = CrackData.from_arrays(
            (x, y), tuple(validation_data), none, class_names=names, image_size=image_size
        )
    else:
        raise ValueError(
            "Expected a CrackData, two ImageSplits (data.train, validation_data=data.validation) "
            "or arrays (images, labels, validation_data=(images, labels)). "
            f"Received: {type(x).__name__}, {type(y).__name__}, {type(validation_data).__name__}"
        )
    if batch_size is None:
        return data
    train = data.train.subset(range(data.train.num_images))
    train.batch_size = batch_size
    return dataclasses.replace(data, train=train)


def _check_labels(num_classes: int, *splits: ImageSplit) -> None:
    highest = max(split.labels.max(initial=0) for split in splits)
    if highest >= num_classes:
        raise ValueError(
            f"Expected labels of 0..{num_classes - 1}, as num_classes says. Received: {highest}"
        )
