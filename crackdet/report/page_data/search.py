"""The search: how many trials, the best of them, and every one."""

from typing import Any

from crackdet.report.figures.search import picture_names
from crackdet.report.page_data.tables import Table
from crackdet.report.page_data.training import views_sentence
from crackdet.report.run import TRIALS, Run
from crackdet.report.words import plural, short
from crackdet.runs.trials import PRUNED, Trials


def search(run: Run) -> dict[str, Any]:
    """Returns the trials; None for their table where the run holds no search."""
    if run.trials is None:
        return {"file": TRIALS, "trials": None}
    return {
        "file": TRIALS,
        "summary": _summary(run.trials),
        "rounds": _rounds(run.trials),
        "views": views_sentence(run, "search_views"),
        "pictures": picture_names(run.trials),
        "trials": _table(run.trials),
    }


def _summary(trials: Trials) -> str:
    finished, failed = trials.finished(), len(trials.failed())
    pruned = sum(row["status"] == PRUNED for row in trials.rows)
    ends = "".join(f", {n} {word}" for n, word in ((failed, "failed"), (pruned, "pruned")) if n)
    sentence = f"{plural(len(trials.rows), 'trial')}{ends}; the objective is {trials.objective}"
    if finished:
        best = finished[0]
        chosen = ", ".join(f"{name} {short(best[name])}" for name in trials.hyperparameters)
        sentence += f". Best: {chosen}, {trials.objective} {short(best[trials.objective])}"
    return sentence + "."


def _rounds(trials: Trials) -> str | None:
    """Says how a search that halves spent its images."""
    sizes = trials.sizes()
    if len(sizes) < 2:
        return None
    counts = [sum(trials.images(row) == size for row in trials.rows) for size in sizes]
    parts = [f"{plural(n, 'trial')} on {size:,}" for n, size in zip(counts, sizes, strict=True)]
    return f"Rounds of successive halving: {', '.join(parts)} images, the best each time."


def _table(trials: Trials) -> Table:
    columns = list(trials.rows[0])
    return Table(
        "Trials of the search",
        [column.replace("_", " ") for column in columns],
        [[short(row[column]) for column in columns] for row in trials.finished() + trials.failed()],
        long_column="error",
    )
