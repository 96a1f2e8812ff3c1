"""Reads the files of a run: what it was, what it scored, and which images it got wrong.

A run is a folder of plain files; no model is loaded and crackdet itself is not needed.

    python examples/read_metrics.py runs/demo
"""

import argparse
import csv
import json
from pathlib import Path


def figure(row: dict, name: str) -> str:
    """A figure with its interval; null where the images do not define it."""
    if row[name] is None:
        return "undefined"
    interval = row["intervals"][name]
    bounds = "" if interval is None else " [{:.4f}, {:.4f}]".format(*interval)
    return f"{row[name]:.4f}{bounds}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--worst", type=int, default=5, help="how many mistakes to list")
    options = parser.parse_args()

    metrics = json.loads((options.run / "metrics.json").read_text("utf-8"))
    data = metrics["data"]
    print(f"{data['name']} ({data['fingerprint'][:12]}), threshold {metrics['threshold']:.4f}")
    # A small folder has no test split: all of its images judge, out of their folds.
    judged = "cross_validation" if "cross_validation" in metrics else "test"
    rows = {
        "before training": metrics["before"][judged],
        "after training": metrics["after"][judged],
        "contrast alone": metrics["baseline"][judged],
    }
    for title, row in rows.items():
        names = ("accuracy", "recall", "precision", "auroc")
        figures = [f"{name} {figure(row, name)}" for name in names]
        print(f"{title:>16}: {', '.join(figures)}")

    with open(options.run / "predictions.csv", newline="", encoding="utf-8") as file:
        images = [row for row in csv.DictReader(file) if row["split"] == judged]
    # Each fold has a threshold of its own.
    alarms = [float(r["score"]) >= float(r.get("threshold", metrics["threshold"])) for r in images]
    wrong = [r for r, alarm in zip(images, alarms, strict=True) if alarm != int(r["label"])]
    wrong.sort(key=lambda r: -abs(float(r["score"]) - int(r["label"])))
    print(f"{len(wrong)} of {len(images)} {judged.replace('_', '-')} images are wrong")
    for row in wrong[: options.worst]:
        print(f"  {row['key']}: {data['class_names'][int(row['label'])]}, score {row['score']}")
    for stage, seconds in metrics["seconds"].items():
        print(f"{stage:>16}: {seconds:.1f} s")


if __name__ == "__main__":
    main()
