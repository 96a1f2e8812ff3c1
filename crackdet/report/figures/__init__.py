"""The pictures of a report, one subject a file; drawn with Matplotlib, without a global figure."""

from collections.abc import Iterator

from crackdet.report.figures import curves, decisions, detection, history, images, scores, stress
from crackdet.report.figures.architecture import architecture
from crackdet.report.figures.search import search_pictures
from crackdet.report.figures.theme import Picture
from crackdet.report.run import Run

__all__ = ["Picture", "draw", "search_pictures"]


def draw(run: Run) -> Iterator[Picture]:
    """Yields every picture that the run has the numbers for; call it inside `house_style()`."""
    for make in (
        decisions.confusion,
        curves.roc,
        curves.precision_recall,
        scores.reliability,
        scores.histograms,
        stress.stress_scores,
        stress.stress_pictures,
        detection.detection,
        decisions.predicted_against_true,
        images.predictions,
        images.mistakes,
        images.examples,
        images.augmentations,
        images.painted,
        architecture,
        history.history,
    ):
        picture = make(run)
        if picture is not None:
            yield picture
    yield from search_pictures(run.trials)
