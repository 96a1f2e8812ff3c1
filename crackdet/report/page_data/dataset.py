"""The data: counts, groups, leakage."""

from typing import Any

from crackdet.report.page_data.tables import Table
from crackdet.report.run import Run


def dataset(run: Run) -> dict[str, Any]:
    """Returns what the images are."""
    facts = run.metrics["data"]
    rows = [
        [name, *(f"{counts[c]:,}" for c in run.class_names), f"{facts['groups'][name]:,}"]
        for name, counts in facts["counts"].items()
    ]
    header = ["Split", *run.class_names, "groups"]
    return {
        "name": facts["name"],
        # Runs of earlier versions do not have the sentence.
        "classes": facts.get("classes") or f"Class {run.class_names[1]!r} counts as cracked.",
        "notes": facts["notes"],
        "splits": Table("Images and groups of each split", header, rows),
        "fingerprint": facts["fingerprint"],
        "augmented_file": str(run.samples["augmented_key"]),
    }
