"""Decisions at the threshold: classification report, images of largest loss."""

from typing import Any

from crackdet.report.page_data.tables import Table
from crackdet.report.run import Run
from crackdet.report.words import percent, plural


def decisions(run: Run) -> dict[str, Any]:
    """Returns the classification report and the worst mistakes with their files."""
    return {
        "classification_report": classification_report(run),
        "mistakes_sentence": _mistakes_sentence(run),
        "mistakes": _mistakes(run),
    }


def classification_report(run: Run) -> Table:
    """Returns precision, recall and F1 of each class, as scikit-learn's classification report."""
    (tn, fp), (fn, tp) = run.test_metrics["confusion"]

    def share(part: int, whole: int) -> str:
        return percent(part / whole if whole else None)

    rows = [
        [name, share(hit, called), share(hit, real), share(2 * hit, called + real), f"{real:,}"]
        for name, hit, called, real in (
            (run.class_names[0], tn, tn + fn, tn + fp),
            (run.class_names[1], tp, tp + fp, tp + fn),
        )
    ]
    header = ["Class", "Precision", "Recall", "F1", "Images"]
    return Table(f"Classification report, {run.judged} images", header, rows)


def _mistakes_sentence(run: Run) -> str:
    count = int(run.samples["mistake_count"])
    wrong = run.samples["mistake_wrong"]
    sentence = f"{plural(count, 'mistake')} on {run.judged} images"
    sentence += f", {int(wrong.sum())} shown, largest loss first." if count else "."
    if not wrong.all():
        sentence += " The right answers of largest loss fill the places left."
    return sentence


def _mistakes(run: Run) -> Table:
    columns = ("labels", "scores", "losses", "wrong", "keys")
    images = zip(*(run.samples[f"mistake_{name}"] for name in columns), strict=True)
    rows = [
        [
            str(place),
            run.class_names[label],
            f"{score:.4f}",
            f"{loss:.3f}",
            "mistake" if wrong else "right",
            str(key),
        ]
        for place, (label, score, loss, wrong, key) in enumerate(images, start=1)
    ]
    return Table(
        "Images of largest loss",
        ["Place", "True class", "Score", "Loss", "Answer", "File"],
        rows,
        numeric=False,
        long_column="File",
    )
