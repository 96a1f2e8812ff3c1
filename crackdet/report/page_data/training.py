"""Training: the views it saw of each image, and every epoch."""

from typing import Any

from crackdet.report.page_data.tables import Table
from crackdet.report.run import Run
from crackdet.report.words import plural, short
from crackdet.runs import files


def training(run: Run) -> dict[str, Any]:
    """Returns the epochs; None for their table where the run holds no history."""
    return {
        "file": files.HISTORY,
        "views": views_sentence(run, "views"),
        "epochs": _epochs(run) if run.history else None,
    }


def views_sentence(run: Run, option: str) -> str | None:
    """Returns for how many views of each image the frozen part of the network was computed.

    Args:
        run: What the run's folder holds.
        option: The option that chose the number; None is returned where the run had no such one.
    """
    views = run.config["options"].get(option)
    if views is None:
        return None
    what = "painted and augmented one" if run.config["options"].get("painting") else "augmented one"
    others = f" and {plural(views - 1, what)}" if views > 1 else ", not augmented"
    return (
        f"Trained, where the cache had room, on features of {plural(views, 'view')} of each image: "
        f"the image itself{others}."
    )


def _epochs(run: Run) -> Table:
    # Each phase counts its epochs anew; the table counts them through.
    columns = [column for column in run.history[0] if column != "epoch"]
    rows = [
        [str(epoch), *(short(row[column]) for column in columns)]
        for epoch, row in enumerate(run.history, start=1)
    ]
    header = ["Epoch", *(column.replace("_", " ") for column in columns)]
    return Table("Training by epoch", header, rows)
