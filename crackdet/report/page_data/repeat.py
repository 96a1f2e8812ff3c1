"""How to repeat the run: command, options, versions, seconds."""

import shlex
from collections.abc import Mapping
from typing import Any

from crackdet.report.page_data.tables import Table
from crackdet.report.run import Run
from crackdet.report.words import json_text
from crackdet.runs.record import flag

_TABLES = {"Versions": "versions", "Machine": "platform", "Options": "options"}
_NOTES = {"date": "Begun", "git_revision": "git revision", "seed": "seed"}


def repeat(run: Run) -> dict[str, Any]:
    """Returns what config.json tells of how the run was made, and its seconds."""
    return {
        "command": command(run),
        "tables": _tables(run.config),
        "notes": "; ".join(
            f"{words} {json_text(run.config[name])}"
            for name, words in _NOTES.items()
            if run.config.get(name) is not None
        ),
        "seconds": _seconds(run.metrics.get("seconds") or {}),
    }


def command(run: Run) -> str:
    """Returns the command that makes the run again, from config.json."""
    if "command" in run.config:
        return str(run.config["command"])
    options = run.config["options"]
    words = ["crackdet", "run" if "max_trials" in options else "train", "--out", run.folder.name]
    for name, value in options.items():
        words += [flag(name), json_text(value)]
    return shlex.join(words)


def _tables(config: Mapping[str, Any]) -> list[Table]:
    return [
        Table(
            title,
            ["Name", "Value"],
            [[key, json_text(value)] for key, value in config[name].items()],
            numeric=False,
        )
        for title, name in _TABLES.items()
        if isinstance(config.get(name), Mapping) and config[name]
    ]


def _seconds(seconds: Mapping[str, float]) -> Table | None:
    rows = [[stage, f"{value:,.1f}"] for stage, value in seconds.items()]
    return Table("Seconds of each stage", ["Stage", "Seconds"], rows) if rows else None
