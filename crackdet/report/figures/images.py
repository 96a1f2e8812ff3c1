"""Pictures of images: examples, augmentations, painted views, predictions, worst mistakes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from crackdet.report.figures.theme import (
    CLASS_COLOURS,
    INK,
    VERMILION,
    WIDTH,
    Picture,
    new_figure,
)
from crackdet.report.run import Run
from crackdet.report.words import plural


def examples(run: Run) -> Picture:
    """Labelled examples of the training data."""
    labels = run.samples["example_labels"]
    titles = [run.class_names[label] for label in labels]
    counts = ", ".join(f"{titles.count(name)} {name}" for name in run.class_names)
    colours = [CLASS_COLOURS[label] for label in labels]
    return Picture(
        "examples",
        "Training examples",
        f"{plural(len(titles), 'training image')} with labels: {counts}.",
        "Drawn at random, the classes in turn.",
        _grid(run.samples["example_images"], titles, colours, columns=3),
        photographs=True,
    )


def augmentations(run: Run) -> Picture:
    """One image and its random views."""
    views = run.samples["augmented_images"]
    return Picture(
        "augmentations",
        "One image, augmented",
        f"{len(views)} random views of one training image, each turned, mirrored or lit in "
        "another way.",
        "What the model sees of one image in different epochs of training.",
        _grid(views, [""] * len(views), [INK] * len(views), columns=3),
        photographs=True,
    )


def painted(run: Run) -> Picture | None:
    """Sound images with their painted views; None where training painted nothing."""
    if "painted_images" not in run.samples:
        return None
    originals, views = run.samples["painted_originals"], run.samples["painted_images"]
    cracked = run.samples["painted_labels"] == 1
    images, titles, colours = [], [], []
    for original, shown, is_cracked in zip(originals, views, cracked, strict=True):
        images += [original, *shown]
        titles += ["sound, as it is", *np.where(is_cracked, "now cracked", "still sound")]
        colours += [INK, *(CLASS_COLOURS[int(each)] for each in is_cracked)]
    return Picture(
        "painted",
        "Sound patches, painted",
        f"{plural(len(originals), 'sound training image')}, each followed by "
        f"{plural(views.shape[1], 'painted view')} of it: {int(cracked.sum())} of the "
        f"{cracked.size} views got a crack and are labelled cracked.",
        "Each row: a training image as it is, then as training paints it before it augments it, "
        "with the label of that view. What is still sound may have got what is mistaken for a "
        "crack. Drawn at random.",
        _grid(np.stack(images), titles, colours, columns=1 + views.shape[1]),
        photographs=True,
    )


def predictions(run: Run) -> Picture:
    """Predictions on some of the images that judge the run."""
    labels, scores = run.samples["test_labels"], run.samples["test_scores"]
    # Runs of earlier versions do not say it, and have one threshold for all.
    wrong = run.samples.get("test_wrong", (scores >= run.threshold) != (labels == 1))
    titles = [
        f"{run.class_names[label]}\n{'✗' if bad else '✓'} {score:.3f}"
        for label, score, bad in zip(labels, scores, wrong, strict=True)
    ]
    return Picture(
        "predictions",
        f"Predictions on {run.judged} images",
        f"{plural(len(labels), f'{run.judged} image')} with class and crack score; "
        f"{int(wrong.sum())} called wrong at threshold {run.threshold:.3f}.",
        "True class, then whether the answer is right, and the crack score. Drawn at random, the "
        "classes in turn.",
        _grid(run.samples["test_images"], titles, _colours(wrong), columns=4),
        photographs=True,
    )


def mistakes(run: Run) -> Picture:
    """The worst mistakes, largest loss first."""
    samples = run.samples
    wrong = samples["mistake_wrong"]
    count, rest = int(samples["mistake_count"]), int(np.sum(~wrong))
    alt = f"The {plural(int(wrong.sum()), 'worst mistake')} of {count} on {run.judged} images"
    alt += ", largest loss first"
    alt += f", then the {plural(rest, 'right answer')} of largest loss." if rest else "."
    return Picture(
        "mistakes",
        "Worst mistakes",
        alt,
        "Largest loss first; the files are listed below.",
        _grid(samples["mistake_images"], _mistake_titles(run), _colours(wrong), columns=3),
        photographs=True,
    )


def _mistake_titles(run: Run) -> list[str]:
    wrong, cracked = run.samples["mistake_wrong"], run.samples["mistake_labels"] == 1
    words = np.where(wrong, np.where(cracked, "missed", "false alarm"), "right")
    scores, losses = run.samples["mistake_scores"], run.samples["mistake_losses"]
    return [
        f"{place}. {word}\nscore {score:.3f}\nloss {loss:.2f}"
        for place, (word, score, loss) in enumerate(zip(words, scores, losses, strict=True), 1)
    ]


def _colours(wrong: NDArray[np.bool_]) -> list[str]:
    return [VERMILION if bad else INK for bad in wrong]


def _grid(
    images: NDArray[np.uint8], titles: Sequence[str], colours: Sequence[str], *, columns: int
) -> Figure:
    """Draws images in rows, each with its lines of text above and a border in its colour."""
    rows = max(1, -(-len(images) // columns))
    lines = 1 + max((text.count("\n") for text in titles if text), default=-1)
    # Each image is as wide as its column; 0.21 inches for each line of text above it.
    height = rows * (WIDTH / columns * 0.97 + 0.21 * lines)
    figure = new_figure(height, gap=0.05)
    axes: Any = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, text, colour in zip(axes.flat, images, titles, colours, strict=False):
        axis.set_axis_on()
        axis.grid(False)
        axis.set(xticks=[], yticks=[])
        axis.imshow(image, interpolation="antialiased")
        axis.spines[:].set(visible=True, color=colour, linewidth=1.6)
        axis.set_title(text, fontsize=10.5, color=colour, fontweight="normal", loc="left", pad=3)
    return figure
