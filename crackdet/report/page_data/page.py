"""The page: what a run found, in the order in which a reader asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crackdet.report.cautions import run_cautions
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
from crackdet.report.words import METRIC_WORDS, groups_of, headline, interval, judged_on, written

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
    cautions: list[str]
    warning: str | None
    tiles: list[Tile]
    sections: list[Section]


def page_data(run: Run) -> Page:
    """Returns what the page of a run says."""
    data, row = run.metrics["data"], run.test_metrics
    return Page(
        title=f"Crack detection: {run.folder.resolve().name}",
        subtitle=f"Data set {data['name']}, {judged_on(run.metrics)}.",
        headline=headline(row),
        cautions=run_cautions(run.metrics),
        warning=_leak_warning(data.get("leakage")),
        tiles=[
            Tile(
                METRIC_WORDS[name][0],
                written(name, row[name]),
                f"{interval(name, row) or 'no interval'}, {groups_of(name, row)}",
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


def _leak_warning(leakage: Mapping[str, Any] | None) -> str | None:
    """Returns what stands above every figure where splits leak, or may."""
    if leakage is None:
        return "Whether test images are known from train was not recorded."
    if leakage["leaks"] is False:
        return None
    doubt = " Figures measured on known images are too good." if leakage["leaks"] else ""
    return str(leakage["words"]) + doubt
