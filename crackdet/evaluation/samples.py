"""The images that the report of a run shows, chosen once and kept as plain arrays."""

from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from crackdet.data import ImageSplit, resize
from crackdet.features.painted import make_painter, painting_keys
from crackdet.layers import augmentation
from crackdet.models.units import augmentation_of
from crackdet.stress import StressSplit

EXAMPLES = 9
AUGMENTATIONS = 9
PAINTED, PAINTED_VIEWS = 4, 2
PREDICTIONS = 16
MISTAKES = 12
STRESS_SIDE = 160
_CLIP = float(np.finfo(np.float32).eps)


def collect_samples(
    model: keras.Model,
    train: ImageSplit,
    test: ImageSplit,
    scores: ArrayLike,
    threshold: float | NDArray[np.float64],
    *,
    seed: int = 0,
) -> dict[str, NDArray[Any]]:
    """Returns the images of a run's report with what the report says about them.

    Args:
        model: The trained model; its augmentation layers make the augmented views.
        train: `crackdet.data.ImageSplit` that examples and the augmented image come from.
        test: `crackdet.data.ImageSplit` that predictions and mistakes come from.
        scores: Probabilities of the positive class on `test`, shape `(n,)`.
        threshold: The decision threshold, or that of each image of `test`; what it gets wrong is a
            mistake.
        seed: Seed of the choice.

    Returns:
        A dictionary of arrays, ready for `numpy.savez`. For each of the prefixes `example`,
        `test` and `mistake`: `{prefix}_images` uint8 `(k, H, W, 3)`, `{prefix}_labels` and
        `{prefix}_keys`; for the last two also `_scores`, `_losses` and `_wrong`. Right answers of
        largest loss fill the places that mistakes leave; `mistake_count` is how many mistakes
        there are in all. `augmented_original`, `augmented_images` and
        `augmented_key` hold one image and its views.

    Example:

    >>> samples = collect_samples(model, data.train, data.test, scores, threshold=0.5)
    >>> samples["example_images"].shape
    (9, 224, 224, 3)
    """
    random = np.random.default_rng(seed)
    labels, s = np.asarray(test.labels), np.asarray(scores, np.float64)
    losses = image_losses(labels, s)
    wrong = (s >= threshold) != (labels == 1)
    # lexsort's last key is the first: mistakes before right answers, then the largest loss.
    worst = np.lexsort((-losses, ~wrong))[:MISTAKES]
    shown = balanced_choice(labels, PREDICTIONS, random)
    examples = balanced_choice(train.labels, EXAMPLES, random)
    original = examples[np.argmax(np.asarray(train.labels)[examples])]  # A positive, if any.
    image = train.image(int(original))
    return {
        **_pick("example", train, examples),
        "augmented_original": image,
        "augmented_images": augmented_views(model, image, AUGMENTATIONS, seed=seed),
        "augmented_key": np.array(train.keys[int(original)]),
        **_pick("test", test, shown),
        "test_scores": s[shown],
        "test_losses": losses[shown],
        "test_wrong": wrong[shown],
        **_pick("mistake", test, worst),
        "mistake_scores": s[worst],
        "mistake_losses": losses[worst],
        "mistake_wrong": wrong[worst],
        "mistake_count": np.array(int(wrong.sum())),
    }


def painted_samples(
    painting: keras.Layer, train: ImageSplit, *, seed: int = 0
) -> dict[str, NDArray[Any]]:
    """Returns some sound images, and painted views of them as training is shown them.

    Args:
        painting: What painted the images of training.
        train: `crackdet.data.ImageSplit` of training.
        seed: Seed of the training, by which its views were painted; of the choice, too.

    Returns:
        A dictionary of arrays: `painted_originals` uint8 `(k, H, W, 3)`, of each its views before
        augmentation, `painted_images` uint8 `(k, views, H, W, 3)`, and the class that training was
        told for them, `painted_labels` `(k, views)`.
    """
    sound = np.flatnonzero(np.asarray(train.labels) == 0)
    chosen = np.random.default_rng(seed).permutation(sound)[:PAINTED]
    originals = train.images(chosen)
    keys = [
        painting_keys([train.digests[index] for index in chosen], view, seed)
        for view in range(1, 1 + PAINTED_VIEWS)  # view 0 shows images as they are
    ]
    paint = make_painter(painting, train.image_size)
    shown = paint(
        np.repeat(originals, PAINTED_VIEWS, axis=0),
        np.repeat(train.labels[chosen], PAINTED_VIEWS),
        np.stack(keys, axis=1).reshape(-1, 2),
    )
    images = np.clip(np.rint(shown.images), 0, 255).astype(np.uint8)
    return {
        "painted_originals": originals,
        "painted_images": images.reshape(len(chosen), PAINTED_VIEWS, *images.shape[1:]),
        "painted_labels": shown.labels.reshape(len(chosen), PAINTED_VIEWS),
    }


def stress_samples(
    stress: StressSplit, scores: ArrayLike, *, threshold: float
) -> dict[str, NDArray[Any]]:
    """Returns a cracked picture of each family and severity, as the report shows them: small.

    Args:
        stress: The stress validation.
        scores: Probabilities of the positive class on it, shape `(n,)`.
        threshold: The decision threshold.

    Returns:
        A dictionary of arrays: `stress_images` uint8 `(k, height, width, 3)`, no side longer than
        `STRESS_SIDE`, and of each its family, its severity and whether it is missed:
        `stress_families`, `stress_severities`, `stress_wrong`.
    """
    first: dict[tuple[str, int], int] = {}
    for index in np.flatnonzero(stress.labels == 1).tolist():
        first.setdefault((stress.families[index], int(stress.severities[index])), index)
    chosen = list(first.values())
    shrink = min(1.0, STRESS_SIDE / max(stress.image_size))
    size = (round(stress.image_size[0] * shrink), round(stress.image_size[1] * shrink))
    return {
        "stress_images": np.array([resize(stress.image(index), size) for index in chosen]),
        "stress_families": np.array([family for family, _ in first]),
        "stress_severities": np.array([severity for _, severity in first]),
        "stress_wrong": np.asarray(scores)[chosen] < threshold,
    }


def image_losses(labels: ArrayLike, scores: ArrayLike) -> NDArray[np.float64]:
    """Returns the log loss of each image, `-log(probability of its class)`, shape `(n,)`.

    Example:

    >>> image_losses([1, 0], [1.0, 0.5]).round(2).tolist()
    [0.0, 0.69]
    """
    p = np.clip(np.asarray(scores, np.float64), _CLIP, 1 - _CLIP)
    return -np.log(np.where(np.asarray(labels) == 1, p, 1 - p))


def balanced_choice(
    labels: ArrayLike, count: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Returns up to `count` distinct indices with classes in turn, as equal as they can be.

    Args:
        labels: Class indices of shape `(n,)`.
        count: How many indices to choose at most.
        random: Source of the choice.

    Returns:
        Indices of shape `(min(count, n),)`, classes alternating until one runs out.

    Example:

    >>> labels = np.array([0, 0, 0, 1, 1, 1])
    >>> labels[balanced_choice(labels, 4, np.random.default_rng(0))].tolist()
    [0, 1, 0, 1]
    """
    labels = np.asarray(labels)
    # An image's turn is its place in its class's random order; ties go by class.
    turns = np.empty(labels.size, np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        turns[members] = random.permutation(members.size)
    return np.lexsort((labels, turns))[:count]


def augmented_views(
    model: keras.Model, image: NDArray[np.uint8], count: int, *, seed: int = 0
) -> NDArray[np.uint8]:
    """Returns `count` random views of an image as the model sees it in training.

    Args:
        model: A model; the layers before its `preprocessing` layer augment. Where it has none,
            `crackdet.layers.augmentation()` does.
        image: uint8 `(H, W, 3)`.
        count: Number of views.
        seed: Seed of the default augmentation.

    Returns:
        uint8 views of shape `(count, H, W, 3)`.
    """
    batch = np.repeat(image[None], count, axis=0).astype(np.float32)
    augment = augmentation_of(model) or augmentation(seed=seed)
    views = keras.ops.convert_to_numpy(augment(batch, training=True))
    return np.clip(np.rint(views.astype(np.float32)), 0, 255).astype(np.uint8)


def _pick(prefix: str, split: ImageSplit, indices: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    return {
        f"{prefix}_images": np.asarray(split.images(indices), np.uint8),
        f"{prefix}_labels": np.asarray(split.labels)[indices],
        f"{prefix}_keys": np.array([split.keys[int(i)] for i in indices], dtype=np.str_),
    }
