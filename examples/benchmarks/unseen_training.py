"""How `unseen_sites.py` trains a recipe: batches, losses, optimizer and teacher."""

import argparse
from typing import Any

import keras
import numpy as np
from unseen_recipes import Recipe

import crackdet
from crackdet.features import CachedFeatures, FeatureBatches
from crackdet.models.units import boundary, crack_map_logits, unit_of
from crackdet.seeds import reseed, set_seed
from crackdet.training.callbacks import EpochOrder
from crackdet.training.fitting import learning_rate_schedule
from crackdet.training.precision import fast_arithmetic


class PaintedBatches(FeatureBatches):
    """Batches of painted views whose targets are the labels and the masks of the cracks."""

    def __init__(self, views: list[CachedFeatures], labels: np.ndarray, **options: Any):
        super().__init__(views, labels, **options)
        painted = next(view.masks for view in views if view.masks is not None)
        # An image as it is has no crack, or one that nobody knows the place of.
        as_it_is = np.broadcast_to(-labels[:, None, None].astype("float16"), painted.shape)
        self._masks = [as_it_is if view.masks is None else view.masks for view in views]

    def __getitem__(self, batch: int) -> tuple[Any, tuple[np.ndarray, np.ndarray]]:
        features, labels = super().__getitem__(batch)
        indices, shown = self.chosen(batch)
        masks = np.stack([self._masks[view][i] for i, view in zip(indices, shown, strict=True)])
        return features, (labels, masks.astype(np.float32))


def map_loss(masks: Any, logits: Any) -> Any:
    """Cross-entropy of the map where the painted crack is known; -1 marks where it is not."""
    ops = keras.ops
    logits = ops.reshape(logits, ops.shape(masks))
    target = ops.cast(masks > 0.08, "float32")
    each = ops.binary_crossentropy(target, logits, from_logits=True)
    known = ops.cast(masks >= 0, "float32") * (1 + 3 * target)
    return ops.sum(each * known) / (ops.sum(known) + 1e-3)


class TaughtBatches(FeatureBatches):
    """Batches whose targets are half the labels, half what a teacher answered."""

    def __init__(
        self, views: list[CachedFeatures], labels: np.ndarray, teacher: keras.Model, **options: Any
    ):
        super().__init__(views, labels, **options)
        size = options["batch_size"]
        self._answers = [
            teacher.predict(FeatureBatches([view], labels, batch_size=size), verbose=0)
            for view in views
        ]

    def __getitem__(self, batch: int) -> tuple[Any, np.ndarray]:
        features, labels = super().__getitem__(batch)
        indices, shown = self.chosen(batch)
        taught = np.stack([self._answers[v][i] for i, v in zip(indices, shown, strict=True)])
        return features, (np.eye(2)[labels] + taught).astype(np.float32) / 2


def smooth_loss(smoothing: float) -> Any:
    """Returns cross-entropy with label smoothing (Szegedy et al., 2016)."""

    def loss(labels: Any, scores: Any) -> Any:
        if labels.shape[-1] != 2:
            labels = keras.ops.cast(keras.ops.reshape(labels, (-1,)), "int32")
            labels = keras.ops.one_hot(labels, 2)
        return keras.losses.categorical_crossentropy(labels, scores, label_smoothing=smoothing)

    return loss


class TransferAdamW(keras.optimizers.AdamW):
    """AdamW with a lower rate for lower units, whose weights decay towards those they came with.

    Layer-wise rates are those of ULMFiT (Howard & Ruder, 2018), the decay is that of L2-SP (Li et
    al., 2018), decoupled from the gradient as in AdamW.
    """

    def __init__(self, rates: dict[str, float], to_start: float, **options: Any):
        super().__init__(**options)
        self.rates = rates
        self.to_start = to_start
        self.start: dict[str, Any] = {}

    def build(self, variables: list[Any]) -> None:
        super().build(variables)
        if self.to_start:
            self.start = {each.path: each.numpy() for each in variables if each.path in self.rates}

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        path = self._trainable_variables[self._get_variable_index(variable)].path
        rate = learning_rate * self.rates.get(path, 1.0)
        super().update_step(gradient, variable, rate)
        if path in self.start:
            away = keras.ops.subtract(variable, self.start[path])
            self.assign_sub(variable, keras.ops.cast(rate * self.to_start, "float32") * away)


def unit_rates(model: keras.Model, decay: float) -> dict[str, float]:
    """Returns what the rate of each weight of the backbone is multiplied by."""
    rates = {}
    for layer in crackdet.models.units.backbone(model).layers:
        if unit := unit_of(layer.name):
            rates |= {each.path: decay**unit.depth for each in layer.trainable_variables}
    return rates


def build(recipe: Recipe, options: argparse.Namespace, member: int = 0) -> keras.Model:
    """Returns the untrained classifier of a recipe, or another one, with another seed."""
    seed = recipe.seed + (0 if recipe.averaged else member)
    set_seed(seed)
    backbone = crackdet.models.mobilenet_v2_classifier(
        recipe.image_size, unfreeze_depth=recipe.depth, weights=options.weights,
        augmentation=crackdet.layers.augmentation(recipe.augmentation, seed=0),
    )  # fmt: skip
    return crackdet.models.replace_head(
        backbone, dropout=recipe.dropout, pooling=recipe.pooling, seed=seed
    )


def train(
    recipe: Recipe,
    model: keras.Model,
    shown: list[CachedFeatures],
    labels: np.ndarray,
    member: int = 0,
    teacher: keras.Model | None = None,
) -> keras.Model:
    """Trains the head, then the unfrozen units too, on features at the recipe's depth.

    Returns the trained part, which computes from features.
    """
    reseed(model, recipe.seed + member)
    mapped = recipe.map_loss > 0
    outputs = [model.output] + ([crack_map_logits(model)] if mapped else [])
    trained = keras.Model(boundary(model, recipe.depth), outputs)
    order = {"batch_size": recipe.batch_size, "shuffle": True, "seed": recipe.seed + member}
    if teacher is not None:
        batches = TaughtBatches(shown, labels, teacher, **order)
    else:
        batches = (PaintedBatches if mapped else FeatureBatches)(shown, labels, **order)
    head, rest = recipe.head_epochs, recipe.epochs - recipe.head_epochs
    epoch, fine_rate = 0, recipe.rate * recipe.member_factor**member
    for depth, epochs, rate in ((0, head, recipe.head_rate), (recipe.depth, rest, fine_rate)):
        if not epochs:
            continue
        crackdet.models.set_unfreeze_depth(model, depth)
        steps = epochs * len(batches)
        schedule = learning_rate_schedule("cosine", rate, steps)
        optimizer = TransferAdamW(
            unit_rates(model, recipe.rate_decay), recipe.to_start, learning_rate=schedule,
            weight_decay=recipe.weight_decay, use_ema=bool(recipe.ema),
            ema_momentum=recipe.ema or 0.99,
        )  # fmt: skip
        optimizer.build(trained.trainable_variables)  # here, where weights can be read
        losses = [smooth_loss(recipe.smoothing)] + ([map_loss] if mapped else [])
        trained.compile(
            optimizer, loss=losses, loss_weights=[1.0, recipe.map_loss] if mapped else None
        )
        with fast_arithmetic(model, mixed_precision=False):
            trained.fit(
                batches, initial_epoch=epoch, epochs=epoch + epochs, shuffle=False, verbose=0,
                callbacks=[EpochOrder(batches)],
            )  # fmt: skip
        epoch += epochs
        if recipe.ema:
            optimizer.finalize_variable_values(trained.trainable_variables)
    return trained
