"""What do 20 labelled patches of each class of a new site gain on the rest of it?

    python examples/benchmarks/adapting.py --data SITE --group-by '(DSC\\d+)'
    python examples/benchmarks/adapting.py --sites sites.csv --model runs/NAME

Draws patches by photo, again and again: whole photos, of which no patch is judged, until there are
enough; only where one photo has most of a class, that class's patches are drawn one by one. Adapts
to them as `crackdet adapt` does, keeps the old head where that says so, and judges both on all that
is left. Prints the mean gain over the draws with a 95 % interval of that mean.
"""

import argparse
import tempfile
import time

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

import crackdet
from crackdet.data.site_list import SiteSource, name_of, read_site_list
from crackdet.errors import CrackdetError
from crackdet.evaluation import metrics_row
from crackdet.evaluation.adaptation import adapt_head
from crackdet.features import FeatureCache, head_inputs
from crackdet.inference import load_classifier
from crackdet.models import feature_statistics
from crackdet.training.adapting import Head
from crackdet.training.site_folds import judged_together

Ints = NDArray[np.int64]
FIGURES = ("auroc", "log_loss", "recall", "false_alarm_rate", "recall_at_far_5pct")


def draw(labels: Ints, units: Ints, count: int, random: np.random.Generator) -> tuple[Ints, Ints]:
    """Returns the patches to adapt to, so many of each class, and those that are judged."""
    chosen: list[int] = []
    known: set[int] = set()
    for label in (0, 1):
        own = np.flatnonzero(labels == label)
        for unit in random.permutation(np.unique(units[own])):
            members = own[units[own] == unit]
            lacking = count - int(np.sum(labels[chosen] == label))
            if lacking <= 0:
                break
            chosen += random.permutation(members)[:lacking].tolist()
            known.add(int(unit))
    rest = np.flatnonzero(~np.isin(units, list(known)))
    return np.sort(np.array(chosen)), rest


def gains(
    old: Head, features: NDArray, labels: Ints, groups: Ints, options: argparse.Namespace, **adapt
) -> list[dict[str, float]]:
    """Returns for each draw what the adapted head does on the rest, less what the old one does."""
    units, threshold, found = judged_together(labels, groups)[0], adapt["threshold"], []
    for number in range(options.draws):
        random = np.random.default_rng([options.seed, number])
        rows, rest = draw(labels, units, options.patches, random)
        start = time.perf_counter()
        try:
            adapted = adapt_head(
                old, features[rows], labels[rows], groups[rows],
                bootstrap=0, seed=options.seed + number, **adapt,
            )  # fmt: skip
        except CrackdetError as error:
            print(f"  draw {number + 1}: {error}", flush=True)
            continue
        kept = adapted.better
        head, at = (adapted.head, adapted.choice.threshold) if kept else (old, threshold)
        before, after = (
            metrics_row(labels[rest], each.probabilities(features[rest])[:, 1], threshold=limit,
                        groups=groups[rest], bootstrap=0)
            for each, limit in ((old, threshold), (head, at))
        )  # fmt: skip
        row = {name: (after[name] or 0.0) - (before[name] or 0.0) for name in FIGURES}
        seconds = time.perf_counter() - start
        found.append({**row, "kept": float(kept), "seconds": seconds, "before": before["auroc"]})
        print(
            f"  draw {number + 1}: {rest.size} judged, {'kept' if kept else 'not kept'}, strength "
            f"{adapted.strength}, AUROC {before['auroc']:.4f} to {after['auroc']:.4f}", flush=True,
        )  # fmt: skip
    return found


def mean_with_interval(values: list[float]) -> str:
    """Returns the mean of draws with the 95 % interval of it; draws of one site overlap."""
    mean, count = np.mean(values), len(values)
    if count < 2:
        return f"{mean:+.4f}"
    reach = stdtrit(count - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(count)
    return f"{mean:+.4f} [{mean - reach:+.4f}, {mean + reach:+.4f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="concrete")
    parser.add_argument("--data", nargs="*", default=[])
    parser.add_argument("--sites", help="as crackdet transfer takes it")
    parser.add_argument("--labels")
    parser.add_argument("--group-by")
    parser.add_argument("--patches", type=int, default=20, help="of each class")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    given = {"labels": options.labels, "group_by": options.group_by}
    sources = [SiteSource(name_of(data), data, options=given) for data in options.data]
    sources += read_site_list(options.sites) if options.sites else []
    classifier, statistics = load_classifier(options.model), feature_statistics(options.model)
    print(f"{options.model}: {'with' if statistics else 'without'} statistics of its training")
    table = []
    for source in sources:
        print(source.name, flush=True)
        data = crackdet.load_data(
            source.data, image_size=classifier.image_size, cut=False, audit=False, verbose=0,
            **source.options,
        )  # fmt: skip
        images = data.whole()
        with tempfile.TemporaryDirectory() as folder:
            features = head_inputs(classifier.model, images, FeatureCache(folder, verbose=0))
        found = gains(
            Head.of(classifier.model), features, images.labels, images.groups, options,
            threshold=classifier.threshold, statistics=statistics,
        )  # fmt: skip
        if found:
            columns = {name: [row[name] for row in found] for name in found[0]}
            cells = [mean_with_interval(columns[name]) for name in FIGURES]
            kept = f"{int(sum(columns['kept']))} of {len(found)}"
            before, took = np.mean(columns["before"]), np.mean(columns["seconds"])
            table.append([source.name, f"{before:.4f}", *cells, kept, f"{took:.1f}"])
    header = ["site", "AUROC before", "AUROC", "log loss", "recall", "false alarms",
              "recall at 5 % false alarms", "kept", "seconds"]  # fmt: skip
    for line in (header, ["---"] * len(header), *table):
        print(f"| {' | '.join(line)} |")


if __name__ == "__main__":
    main()
