"""Pictures of images: examples, augmentations, predictions, worst mistakes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crackdet.report.files import Run
from crackdet.report.theme import CLASS_COLOURS, INK, VERMILION, WIDTH, Picture, new_figure
from crackdet.report.words import plural


def examples(run: Run) -> Picture:
    """Nine labelled examples of the training data."""
    labels = run.samples["example_labels"]
    titles = [run.class_names[label] for label in labels]
    counts = ", ".join(f"{titles.count(name)} {name}" for name in run.class_names)
    return _grid(
        "examples",
        "Training examples",
        f"{plural(len(titles), 'training image')} with labels: {counts}.",
        "Drawn at random, the classes in turn.",
        run.samples["example_images"],
        titles,
        [CLASS_COLOURS[label] for label in labels],
        columns=3,
    )


def augmentations(run: Run) -> Picture:
    """One image and its random views."""
    views = run.samples["augmented_images"]
    return _grid(
        "augmentations",
        "One image, augmented",
        f"{len(views)} random views of one training image, each turned, mirrored or lit in "
        "another way.",
        "What the model sees of one image in different epochs of training.",
        views,
        [""] * len(views),
        [INK] * len(views),
        columns=3,
    )


def predictions(run: Run) -> Picture:
    """Predictions on images of the test split."""
    labels, scores = run.samples["test_labels"], run.samples["test_scores"]
    wrong = (scores >= run.threshold) != (labels == 1)
    return _grid(
        "predictions",
        "Predictions on test images",
        f"{plural(len(labels), 'test image')} with class and crack score; "
        f"{int(wrong.sum())} called wrong at threshold {run.threshold:.3f}.",
        "True class, then whether the answer is right, and the crack score. Drawn at random, the "
        "classes in turn.",
        run.samples["test_images"],
        [
            f"{run.class_names[label]}\n{'✗' if bad else '✓'} {score:.3f}"
            for label, score, bad in zip(labels, scores, wrong, strict=True)
        ],
        [VERMILION if bad else INK for bad in wrong],
        columns=4,
    )


def mistakes(run: Run) -> Picture:
    """The worst mistakes on the test split, largest loss first."""
    samples = run.samples
    wrong, labels = samples["mistake_wrong"], samples["mistake_labels"]
    count = int(samples["mistake_count"])
    words = np.where(wrong, np.where(labels == 1, "missed", "false alarm"), "right")
    rest = int(np.sum(~wrong))
    alt = f"The {plural(int(wrong.sum()), 'worst mistake')} of {count} on test, largest loss first"
    alt += f", then the {plural(rest, 'right answer')} of largest loss." if rest else "."
    return _grid(
        "mistakes",
        "Worst mistakes",
        alt,
        "Largest loss first; the files are listed below.",
        samples["mistake_images"],
        [
            f"{place}. {word}\nscore {score:.3f}\nloss {loss:.2f}"
            for place, (word, score, loss) in enumerate(
                zip(words, samples["mistake_scores"], samples["mistake_losses"], strict=True), 1
            )
        ],
        [VERMILION if bad else INK for bad in wrong],
        columns=3,
    )


def _grid(
    name: str,
    title: str,
    alt: str,
    caption: str,
    images: NDArray[np.uint8],
    titles: Sequence[str],
    colours: Sequence[str],
    *,
    columns: int,
) -> Picture:
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
    return Picture(name, title, alt, caption, figure)
