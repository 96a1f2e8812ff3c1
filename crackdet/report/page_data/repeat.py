"""How to repeat the run: command, options, versions, seconds."""

from collections.abc import Mapping
from typing import Any

from crackdet.report.page_data.tables import Table
from crackdet.report.run import Run
from crackdet.runs.record import command, spelled

_TABLES = {
    "Versions": "versions",
    "Machine": "platform",
    "Options": "options",
    "Made with": "made_with",
}
_NOTES = {"date": "Begun", "git_revision": "git revision", "seed": "seed"}


def repeat(run: Run) -> dict[str, Any]:
    """Returns what config.json tells of how the run was made, and its seconds."""
    return {
        "command": command(run.config, run.folder.name),
        "tables": _tables(run.config),
        "notes": "; ".join(
            f"{words} {spelled(run.config[name])}"
            for name, words in _NOTES.items()
            if run.config.get(name) is not None
        ),
        "seconds": _seconds(run.metrics.get("seconds") or {}),
    }


def _tables(config: Mapping[str, Any]) -> list[Table]:
    return [
        Table(
            title,
            ["Name", "Value"],
            [[key, spelled(value)] for key, value in config[name].items()],
            numeric=False,
        )
        for title, name in _TABLES.items()
        if isinstance(config.get(name), Mapping) and config[name]
    ]


def _seconds(seconds: Mapping[str, float]) -> Table | None:
    rows = [[stage, f"{value:,.1f}"] for stage, value in seconds.items()]
    return Table("Seconds of each stage", ["Stage", "Seconds"], rows) if rows else None
