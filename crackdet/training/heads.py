"""`fit_heads`: many heads of one backbone trained side by side, for little more than one."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from crackdet.data.dataset import CrackData
from crackdet.data.splits import ImageSplit
from crackdet.devices import jit_compile
from crackdet.features import CachedFeatures, FeatureBatches, FeatureCache, Uncached
from crackdet.models import unfreeze_depth
from crackdet.models.heads import pooling_of
from crackdet.models.units import DROPOUT_NAME, HEAD_NAME, POOLING_NAME
from crackdet.runs.history import (
    METRICS,
    STRESS_METRICS,
    deciding_loss,
    is_best_so_far,
    should_stop,
)
from crackdet.seeds import reseed
from crackdet.training.callbacks import EpochOrder, UnderStress, as_history
from crackdet.training.fitting import (
    check_data,
    check_painting,
    learning_rate_schedule,
    plan_phases,
)

# Heads that are trained in the same steps: always as many, the last of them idle, since sums over
# fewer would be taken in another order. So who stands beside a head changes no bit of it.
WIDTH = 16


def fit_heads(
    models: Sequence[keras.Model],
    data: CrackData,
    *,
    learning_rates: Sequence[float],
    seeds: Sequence[int],
    cache: FeatureCache | Uncached,
    views: int = 1,
    view_seed: int = 0,
    painting: keras.Layer | None = None,
    stress: ImageSplit | None = None,
    epochs: int = 10,
    patience: int | None = 3,
    give_up: Callable[[list[float]], bool] | None = None,
) -> list[keras.callbacks.History | None]:
    """Trains the heads of several classifiers on one frozen backbone, all in the same steps.

    For heads of `pooling="average"`, which are trained on one row of features an image. Those of
    other poolings are trained one by one, with `fit`.

    A step of one head is so small that nearly all of its time goes by around it. Here one step
    serves all of them, each with its own order of images, dropout, learning rate and Adam, so that
    each comes out as from `fit(model, data, ...)` with its seed, but for rounding.

    Args:
        models: Classifiers of unfreeze depth 0 that share their backbone, see
            `crackdet.models.replace_head`, each made with a seed. Each ends with the weights of its
            epoch with the lowest `val_loss`, or `val_stress_loss`; none is compiled.
        data: Its `train` and `validation` splits are used.
        learning_rates: Highest learning rate of each.
        seeds: Seed of each, as in `fit`.
        cache: Where the pooled features are kept.
        views: Views of each image, as in `fit`.
        view_seed: Seed of the augmented views, which all share; `fit` must be told the same one.
        painting: As in `fit`.
        stress: As in `fit`.
        epochs: As in `fit`.
        patience: As in `fit`: a head that has stopped keeps its weights while others go on.
        give_up: Told the losses by which a head's best epoch is told after each of its epochs; true
            stops it.

    Returns:
        For each model what `fit` returns, the seconds of an epoch divided among all; None for a
        head whose loss was not a number at some epoch, and which is left untrained.

    Raises:
        ValueError: If an argument is wrong, or the models are trained deeper, have different
            backbones or heads of another pooling.
        CrackdetError: As `FeatureCache.features`.
        NotCached: If the cache is an `Uncached`.

    Example:

    >>> first = crackdet.models.mobilenet_v2_classifier((96, 96), weights="imagenet", seed=0)
    >>> second = crackdet.models.replace_head(first, dropout=0.5, seed=1)
    >>> histories = fit_heads(
    ...     [first, second], data, learning_rates=[1e-3, 1e-4], seeds=[0, 1], cache=cache, epochs=2)
    """
    _check(models, data, learning_rates, seeds, epochs)
    check_painting(painting, data.class_names, views)
    if len(models) > WIDTH:
        parts = [slice(first, first + WIDTH) for first in range(0, len(models), WIDTH)]
        return [
            history
            for part in parts
            for history in fit_heads(
                models[part],
                data,
                learning_rates=learning_rates[part],
                seeds=seeds[part],
                cache=cache,
                views=views,
                view_seed=view_seed,
                painting=painting,
                stress=stress,
                epochs=epochs,
                patience=patience,
                give_up=give_up,
            )
        ]
    train, validation = data.train, data.validation
    for model, seed in zip(models, seeds, strict=True):
        reseed(model, seed)
    shown, clean = cache.training_features(models[0], 0, data, views, view_seed, painting)
    size = train.batch_size
    batches = _Stacked(
        [
            FeatureBatches(shown, train.labels, batch_size=size, shuffle=train.shuffle, seed=seed)
            for seed in seeds
        ]
    )
    rates = np.array(learning_rates, np.float32)
    schedule = learning_rate_schedule("cosine", 1.0, epochs * len(batches))
    side_by_side = _side_by_side(models, schedule, rates)
    watcher = _EachHead(rates, epochs if patience is None else patience, give_up)

    def measured(features: CachedFeatures, split: ImageSplit) -> _Stacked:
        of_one = FeatureBatches([features], split.labels, batch_size=size)
        return _Stacked([of_one] * len(models))

    under_stress = []
    if stress is not None:
        features = cache.features(models[0], 0, stress)
        under_stress = [UnderStress(measured(features, stress))]
    side_by_side.fit(
        batches,
        validation_data=measured(clean, validation),
        epochs=epochs,
        shuffle=False,  # the batches are shuffled, by seed and epoch
        callbacks=[*under_stress, EpochOrder(batches), watcher],
        verbose=0,
    )
    return [watcher.finish(place, model) for place, model in enumerate(models)]


class _Stacked(keras.utils.PyDataset):
    """Batches `(batch, heads, channels)` with labels `(batch, heads)`."""

    def __init__(self, batches: Sequence[FeatureBatches]):
        super().__init__()
        self._batches = batches

    @property
    def epoch(self) -> int:
        """The epoch that decides order and views."""
        return self._batches[0].epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        for each in self._batches:
            each.epoch = epoch

    def __len__(self) -> int:
        return len(self._batches[0])

    def __getitem__(self, batch: int) -> tuple[np.ndarray, np.ndarray]:
        parts = {each: each[batch] for each in self._batches}  # validation's are one for all
        count, channels = next(iter(parts.values()))[0].shape
        features = np.zeros((count, WIDTH, channels), np.float32)
        labels = np.zeros((count, WIDTH), np.int32)
        for place, each in enumerate(self._batches):
            features[:, place], labels[:, place] = parts[each]
        return features, labels


class _Heads(keras.layers.Layer):
    """The dropout and dense layers of several heads, each on features of its own."""

    def __init__(self, models: Sequence[keras.Model]):
        super().__init__(dtype="float32", name="heads")
        self._dropouts = [model.get_layer(DROPOUT_NAME) for model in models]
        weights = [model.get_layer(HEAD_NAME).get_weights() for model in models]
        self.kernel = self._weight([kernel for kernel, _ in weights])
        self.bias = self._weight([bias[None] for _, bias in weights])

    def call(self, features: Any, training: bool = False) -> Any:
        ops = keras.ops
        places = [features[:, place] for place in range(WIDTH)]
        for place, dropout in enumerate(self._dropouts):
            dropped = dropout(places[place], training=training)
            places[place] = ops.cast(dropped, "float32")
        logits = ops.matmul(ops.stack(places), self.kernel) + self.bias
        # Softmax comes last, so that the loss finds the logits below it as it does in `fit`.
        return keras.activations.softmax(ops.transpose(logits, (1, 0, 2)))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:2], self.kernel.shape[-1])

    def _weight(self, values: Sequence[np.ndarray]) -> Any:
        whole = np.zeros((WIDTH, *values[0].shape), np.float32)
        whole[: len(values)] = values
        weight = self.add_weight(shape=whole.shape, initializer="zeros")
        weight.assign(whole)
        return weight


class _AdamOfEach(keras.optimizers.Adam):
    """Adam with a learning rate for each head; what it trains has the heads first.

    Adam computes each number alone, so that it does for every head what it does for one.
    """

    def __init__(self, learning_rate: Any, factors: np.ndarray):
        super().__init__(learning_rate, name="adam_of_each")
        self._factors = np.zeros((WIDTH, 1, 1), np.float32)
        self._factors[: len(factors), 0, 0] = factors

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rates = keras.ops.multiply(learning_rate, keras.ops.convert_to_tensor(self._factors))
        super().update_step(gradient, variable, rates)


class _MeanOfEach(keras.metrics.Metric):
    """The mean over the images of a value of each head."""

    def __init__(self, value: Any, name: str):
        super().__init__(name=name)
        self._value = value
        self.total = self.add_variable((WIDTH,), "zeros")
        self.seen = self.add_variable((), "zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        values = keras.ops.cast(self._value(y_true, y_pred), self.dtype)
        self.total.assign_add(keras.ops.sum(values, axis=0))
        self.seen.assign_add(keras.ops.cast(keras.ops.shape(values)[0], self.dtype))

    def result(self) -> Any:
        return self.total / self.seen


class _EachHead(keras.callbacks.Callback):
    """Keeps the rows and the best weights of each head, and stops when all would have stopped."""

    def __init__(
        self, rates: np.ndarray, patience: int, give_up: Callable[[list[float]], bool] | None
    ):
        super().__init__()
        self._give_up = give_up
        self._rates = rates
        self._patience = patience
        self._rows: list[list[dict[str, Any]]] = [[] for _ in rates]
        self._running = np.ones(len(rates), bool)
        self._weights: list[list[np.ndarray]] = [[] for _ in rates]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        seconds = (time.perf_counter() - self._start) / len(self._rates)
        now = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        found = _values(logs or {})
        decides = deciding_loss(found)
        weights = [keras.ops.convert_to_numpy(each) for each in self.model.trainable_variables]
        for place in map(int, np.flatnonzero(self._running)):
            row: dict[str, Any] = {"phase": "head", "epoch": epoch + 1}
            row |= {name: float(values[place]) for name, values in found.items()}
            row |= {"learning_rate": now * float(self._rates[place]), "seconds": seconds}
            self._rows[place].append(row)
            losses = [each[decides] for each in self._rows[place]]
            if is_best_so_far(losses):
                self._weights[place] = [np.array(each[place]) for each in weights]
            given_up = self._give_up is not None and self._give_up(losses)
            if given_up or should_stop(losses, self._patience):
                self._running[place] = False
        if not self._running.any():
            self.model.stop_training = True

    def finish(self, place: int, model: keras.Model) -> keras.callbacks.History | None:
        """Gives a model its best weights; returns its history, or None where it diverged."""
        rows = self._rows[place]
        losses = {"loss", "val_loss", deciding_loss(rows[0])}
        if not np.isfinite([[row[name] for name in losses] for row in rows]).all():
            return None
        kernel, bias = self._weights[place]
        model.get_layer(HEAD_NAME).set_weights([kernel, bias[0]])
        return as_history(model, rows)


def _side_by_side(models: Sequence[keras.Model], schedule: Any, rates: np.ndarray) -> keras.Model:
    channels = models[0].get_layer(POOLING_NAME).output.shape[-1]
    features = keras.Input((WIDTH, channels))
    together = keras.Model(features, _Heads(models)(features))
    together.compile(
        optimizer=_AdamOfEach(schedule, rates),
        loss=_sum_of_losses,
        metrics=[
            _MeanOfEach(_loss_of_each, "each_loss"),
            _MeanOfEach(keras.metrics.sparse_categorical_accuracy, "each_accuracy"),
        ],
        jit_compile=jit_compile(),
        auto_scale_loss=False,  # one head that diverges would hold up all others
    )
    together.optimizer.build(together.trainable_variables)  # as `fit` does
    return together


def _loss_of_each(y_true: Any, y_pred: Any) -> Any:
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred)


def _sum_of_losses(y_true: Any, y_pred: Any) -> Any:
    """The gradient of the sum holds for each head that of its own loss."""
    return keras.ops.sum(_loss_of_each(y_true, y_pred), axis=-1)


def _values(logs: dict[str, Any]) -> dict[str, np.ndarray]:
    """Returns each metric of all heads, under the name that it has in a history."""
    found = {}
    for name in (*METRICS, *STRESS_METRICS):
        prefix, metric = name[: name.rfind("_") + 1], name.rpartition("_")[2]
        if (own := f"{prefix}each_{metric}") in logs:
            found[name] = keras.ops.convert_to_numpy(logs[own])
    return found


def _check(
    models: Sequence[keras.Model],
    data: CrackData,
    learning_rates: Sequence[float],
    seeds: Sequence[int],
    epochs: int,
) -> None:
    if not models or not len(models) == len(learning_rates) == len(seeds):
        raise ValueError(
            "Expected one or more models, with a learning rate and a seed each. Received: "
            f"{len(models)} models, {len(learning_rates)} learning rates, {len(seeds)} seeds"
        )
    if any(unfreeze_depth(model) for model in models):
        raise ValueError("Expected models of unfreeze depth 0.")
    for model in models:
        if (pooling := pooling_of(model)) != "average":
            raise ValueError(
                "Expected heads of pooling 'average'; others are trained one by one, with `fit`. "
                f"Received: pooling={pooling!r}"
            )
    before = [model.get_layer(POOLING_NAME).input._keras_history.operation for model in models]
    if any(layer is not before[0] for layer in before):
        raise ValueError("Expected models that share their backbone, as replace_head makes them.")
    check_data(models[0], data)
    if not data.validation.num_images:
        raise ValueError("Expected images to validate on; the split is empty.")
    for rate in learning_rates:
        plan_phases(0, epochs, None, rate)
