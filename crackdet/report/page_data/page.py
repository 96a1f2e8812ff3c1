"""The page: what a run found, in the order in which a reader asks."""

import re
from dataclasses import dataclass
from typing import Any

from crackdet.report.page_data import (
    dataset,
    decisions,
    model,
    repeat,
    results,
    search,
    training,
)
from crackdet.report.run import Run
from crackdet.report.words import METRIC_WORDS, headline, interval, written

# Notes on data that speak of these are a warning, and stand above every figure.
_LEAK = re.compile("leak|twin|overlap", re.IGNORECASE)
# The figures that a reader looks for first.
_TILES = ("recall", "false_alarm_rate", "accuracy", "auroc", "recall_at_far_1pct")


@dataclass(frozen=True)
class Section:
    """A section of the page; the template `section_<anchor>.html.j2` lays its content out."""

    anchor: str
    title: str
    content: dict[str, Any]


@dataclass(frozen=True)
class Tile:
    """A figure in large print."""

    name: str
    value: str
    interval: str


@dataclass(frozen=True)
class Page:
    """Everything on the page but its pictures."""

    title: str
    subtitle: str
    headline: str
    warning: str | None
    tiles: list[Tile]
    sections: list[Section]


def page_data(run: Run) -> Page:
    """Returns what the page of a run says."""
    data, row = run.metrics["data"], run.test_metrics
    return Page(
        title=f"Crack detection: {run.folder.resolve().name}",
        subtitle=f"Data set {data['name']}, test split: {row['n']:,} images in {row['groups']:,} "
        "independent groups, read once.",
        headline=headline(row),
        warning=data["notes"] if _LEAK.search(data["notes"]) else None,
        tiles=[
            Tile(
                METRIC_WORDS[name][0],
                written(name, row[name]),
                interval(name, row) or "no interval",
            )
            for name in _TILES
        ],
        sections=[
            Section("results", "Before and after training", results.results(run)),
            Section("decisions", "Decisions and mistakes", decisions.decisions(run)),
            Section("scores", "Scores", {}),  # Pictures alone.
            Section("training", "Training", training.training(run)),
            Section("search", "Search", search.search(run)),
            Section("data", "Data", dataset.dataset(run)),
            Section("model", "Model", model.model(run)),
            Section("repeat", "How to repeat this run", repeat.repeat(run)),
        ],
    )
