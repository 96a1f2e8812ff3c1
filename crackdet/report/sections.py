"""The sections of the page, each from the run's numbers and the pictures drawn of them."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from crackdet.report.architecture import shape
from crackdet.report.files import Run, Trials, json_text
from crackdet.report.html import Markup, join, table, tag
from crackdet.report.words import METRIC_WORDS, interval, percent, plural, written


@dataclass(frozen=True)
class Shown:
    """A picture ready for the page."""

    title: str
    caption: str
    image: Markup


Pictures = Mapping[str, Shown]


def results(run: Run, pictures: Pictures) -> Iterable[Markup]:
    """Evaluation before and after training, the baseline beside it."""
    metrics, baseline = run.metrics, run.metrics["baseline"]
    yield tag(
        "p",
        f"The threshold is {run.threshold:.4f}: {metrics['threshold_rule']}. The temperature, "
        f"fitted on validation, is {metrics['temperature']:.3f}. Test was read once, after both "
        "were set.",
    )
    yield tag(
        "p",
        "“Contrast only” is the trivial baseline: an image is called cracked when the standard "
        f"deviation of its grey values is {baseline['direction']} {baseline['threshold']:.2f}, "
        "fitted on train. “Before training” is the same classifier with its head not yet "
        "trained, at threshold 0.5.",
    )
    trained, before = metrics["after"], metrics["before"]
    yield _metrics_table(
        "Evaluation on test, before and after training",
        {
            "Trained": trained["test"],
            "Before training": before["test"],
            "Contrast only": baseline["test"],
        },
    )
    yield tag(
        "p",
        "Small figures are 95 % intervals from resampling whole groups of images that show the "
        "same piece of wall. An interval of one point means that no resample changed the figure, "
        "not that the figure is certain.",
    )
    others = {
        "Validation, trained": trained["validation"],
        "Validation, before training": before["validation"],
        "Validation, contrast only": baseline["validation"],
        "Train, trained": trained["train"],
    }
    table_of_others = _metrics_table("Evaluation on validation and train", others)
    yield details("The same on validation and train", table_of_others)


def _metrics_table(caption: str, columns: Mapping[str, dict[str, Any]]) -> Markup:
    """A table with one row for each metric and one column for each row of metrics.json."""
    rows: list[list[object]] = [
        [
            title,
            *(
                join([written(name, row[name]), tag("small", interval(name, row))])
                for row in columns.values()
            ),
            tag("span", meaning, class_="words"),
        ]
        for name, (title, _, meaning) in METRIC_WORDS.items()
    ]
    for title, name, form in (
        ("Images", "n", ",d"),
        ("Groups", "groups", ",d"),
        ("Threshold", "threshold", ".4g"),
    ):
        rows.append([title, *(format(row[name], form) for row in columns.values()), ""])
    return table(caption, ["Metric", *columns, tag("span", "Meaning", class_="words")], rows)


def decisions(run: Run, pictures: Pictures) -> Iterable[Markup]:
    """Confusion matrix, classification report, predictions and mistakes."""
    yield figures(pictures, "confusion", "predicted_against_true")
    yield classification_report(run)
    yield figures(pictures, "predictions", "mistakes")
    samples = run.samples
    rows = [
        [
            place,
            run.class_names[label],
            f"{score:.4f}",
            f"{loss:.3f}",
            "mistake" if wrong else "right",
            tag("span", key, class_="name"),
        ]
        for place, (label, score, loss, wrong, key) in enumerate(
            zip(
                samples["mistake_labels"],
                samples["mistake_scores"],
                samples["mistake_losses"],
                samples["mistake_wrong"],
                samples["mistake_keys"],
                strict=True,
            ),
            start=1,
        )
    ]
    count = int(samples["mistake_count"])
    shown = int(samples["mistake_wrong"].sum())
    sentence = f"{plural(count, 'mistake')} on test"
    sentence += f", {shown} shown, largest loss first." if count else "."
    if shown < len(rows):
        sentence += " The right answers of largest loss fill the places left."
    yield tag("p", sentence)
    header = ["Place", "True class", "Score", "Loss", "Answer", "File"]
    yield table("Images of largest loss", header, rows, numeric=False)


def classification_report(run: Run) -> Markup:
    """Precision, recall and F1 of each class, as scikit-learn's classification report."""
    (tn, fp), (fn, tp) = run.metrics["after"]["test"]["confusion"]

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
    return table("Classification report, test split", header, rows)


def ranking(run: Run, pictures: Pictures) -> Iterable[Markup]:
    """How scores rank images, and whether they mean what they say."""
    yield figures(pictures, "roc", "precision_recall", "reliability", "histograms")


def training(run: Run, pictures: Pictures) -> Iterable[Markup]:
    """Loss and accuracy by epoch."""
    if run.history is None or "history" not in pictures:
        yield tag("p", "This run holds no training history (history.csv).")
        return
    yield from _views(run, "views")
    yield figures(pictures, "history")
    columns = list(run.history[0])
    rows = [
        [place, *(_short(row.get(column)) for column in columns if column != "epoch")]
        for place, row in enumerate(run.history, start=1)
    ]
    header = ["Epoch", *(c.replace("_", " ") for c in columns if c != "epoch")]
    yield details("Every epoch", table("Training by epoch", header, rows))


def _views(run: Run, option: str) -> Iterable[Markup]:
    """Says how many views of each image the frozen part of the network was computed for."""
    views = run.config["options"].get(option)
    if views is None:
        return
    others = f" and {views - 1} augmented ones" if views > 1 else ", not augmented"
    yield tag(
        "p",
        f"Trained, where the cache had room, on features of {plural(views, 'view')} of each image: "
        f"the image itself{others}.",
    )


def _rounds(trials: Trials) -> Iterable[Markup]:
    """Says how a search that halves spent its images."""
    sizes = trials.sizes()
    if len(sizes) < 2:
        return
    counts = [sum(trials.images(row) == size for row in trials.rows) for size in sizes]
    parts = [f"{plural(n, 'trial')} on {size:,}" for n, size in zip(counts, sizes, strict=True)]
    yield tag("p", f"Rounds of successive halving: {', '.join(parts)} images, the best each time.")


def search(run: Run, pictures: Pictures) -> Iterable[Markup]:
    """The trials of the search."""
    trials = run.trials
    if trials is None:
        yield tag("p", "This run holds no search (search/trials.csv).")
        return
    finished = trials.finished()
    failed = len(trials.rows) - len(finished)
    pruned = sum(row["status"] == "pruned" for row in trials.rows)
    end = "".join(f", {n} {word}" for n, word in ((failed, "failed"), (pruned, "pruned")) if n)
    sentence = f"{plural(len(trials.rows), 'trial')}{end}; the objective is {trials.objective}"
    if finished:
        best = ", ".join(f"{name} {_short(finished[0][name])}" for name in trials.hyperparameters)
        sentence += f". Best: {best}, {trials.objective} {_short(finished[0][trials.objective])}"
    yield tag("p", sentence + ".")
    yield from _rounds(trials)
    yield from _views(run, "search_views")
    yield figures(pictures, *(name for name in pictures if name.startswith("search_")))
    columns = list(trials.rows[0])
    rows = [
        [
            tag("span", _short(row[column]), class_="name")
            if column == "error"
            else _short(row[column])
            for column in columns
        ]
        for row in finished + [row for row in trials.rows if trials.failed(row)]
    ]
    header = [column.replace("_", " ") for column in columns]
    yield details("Every trial, best first", table("Trials of the search", header, rows))


def data(run: Run, pictures: Pictures) -> Iterable[Markup]:
    """What the images are: counts, groups, leakage, examples."""
    facts = run.metrics["data"]
    rows = [
        [name, *(f"{counts[c]:,}" for c in run.class_names), f"{facts['groups'][name]:,}"]
        for name, counts in facts["counts"].items()
    ]
    header = ["Split", *run.class_names, "groups"]
    yield tag("p", "Data set ", tag("strong", facts["name"]), ".")
    if facts["notes"]:
        yield tag("p", facts["notes"])
    yield table("Images and groups of each split", header, rows)
    yield tag(
        "p",
        "Images of one group show the same piece of wall. Fingerprint of the images, their labels "
        "and splits: ",
        tag("code", facts["fingerprint"]),
        ".",
    )
    yield figures(pictures, "examples", "augmentations")
    yield tag("p", "Augmented image: ", tag("code", run.samples["augmented_key"]), ".")


def model(run: Run, pictures: Pictures) -> Iterable[Markup]:
    """The architecture, drawn and as a table of layers."""
    architecture = run.architecture
    share = architecture["trainable_params"] / max(1, architecture["params"])
    yield tag(
        "p",
        f"{architecture['params']:,} parameters, {architecture['trainable_params']:,} of them "
        f"({percent(share)}) trained in the last phase.",
    )
    yield figures(pictures, "architecture")
    rows = [
        [
            layer["name"],
            layer["type"],
            shape(layer["output_shape"]),
            f"{layer['params']:,}",
            "yes" if layer["trainable"] else "no",
        ]
        for layer in architecture["layers"]
    ]
    header = ["Layer", "Type", "Output", "Parameters", "Trained"]
    count = plural(len(rows), "layer")
    yield details(f"All {count}", table("Layers of the model", header, rows))


def repeat(run: Run, pictures: Pictures) -> Iterable[Markup]:
    """How to repeat the run: command, options, versions, seconds."""
    config = run.config
    yield tag("p", "The same command with the same data gives the same figures:")
    yield tag("pre", tag("code", command(run)))
    for title, values in (
        ("Versions", config.get("versions")),
        ("Machine", config.get("platform")),
        ("Options", config.get("options")),
    ):
        if isinstance(values, Mapping) and values:
            rows = [[key, json_text(value)] for key, value in values.items()]
            yield table(title, ["Name", "Value"], rows, numeric=False)
    notes = [
        f"{words} {json_text(config[key])}"
        for key, words in (("date", "Begun"), ("git_revision", "git revision"), ("seed", "seed"))
        if config.get(key) is not None
    ]
    if notes:
        yield tag("p", "; ".join(notes), ".")
    seconds = run.metrics.get("seconds") or {}
    if seconds:
        rows = [[stage, f"{value:,.1f}"] for stage, value in seconds.items()]
        yield table("Seconds of each stage", ["Stage", "Seconds"], rows)


def command(run: Run) -> str:
    """Returns the command that makes the run again, from config.json."""
    if "command" in run.config:
        return str(run.config["command"])
    options = run.config.get("options") or {}
    words = ["crackdet", "run" if "max_trials" in options else "train", "--out", run.folder.name]
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", json_text(value)]
    return shlex.join(words)


def figures(pictures: Pictures, *names: str) -> Markup:
    """Returns pictures side by side where there is room; those not drawn are left out."""
    shown = [
        tag("figure", tag("h3", p.title), p.image, tag("figcaption", p.caption))
        for p in (pictures[name] for name in names if name in pictures)
    ]
    return tag("div", *shown, class_="pictures")


def details(summary: str, content: Markup) -> Markup:
    """Returns content that opens on a click."""
    return tag("details", tag("summary", summary), content)


def facts(row: Mapping[str, Any]) -> Markup:
    """Returns the figures that a reader looks for first, as tiles."""
    tiles = [
        tag(
            "div",
            tag("dt", METRIC_WORDS[name][0]),
            tag("dd", written(name, row[name])),
            tag("dd", interval(name, dict(row)) or "no interval", class_="range"),
        )
        for name in ("recall", "false_alarm_rate", "accuracy", "auroc", "recall_at_far_1pct")
    ]
    return tag("dl", *tiles, class_="tiles")


def _short(text: str | None) -> str:
    """Shortens the digits of a cell that holds a fraction; other text stays as it is."""
    try:
        value = float(text or "")
    except ValueError:
        return text or ""
    return f"{value:.4g}" if "." in (text or "") or "e" in (text or "") else str(text)
