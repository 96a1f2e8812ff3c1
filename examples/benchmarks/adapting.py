"""What do 20 labelled patches of each class of a new site gain on the rest of it?

    python examples/benchmarks/adapting.py --data SITE --group-by '(DSC\\d+)'
    python examples/benchmarks/adapting.py --sites sites.csv --model runs/NAME
    python examples/benchmarks/adapting.py --pseudo rust,joints scenes --data concrete_cracks

Draws patches by photo, again and again: whole photos, of which no patch is judged, until there are
enough; only where one photo has most of a class, that class's patches are drawn one by one. Adapts
to them as `crackdet adapt` does, keeps the old head where that says so, and judges both on all that
is left. Prints the mean gain over the draws with a 95 % interval of that mean.

With --pseudo the sites are families of the stress validation, made of the data's validation
patches: what they say may choose how to adapt, so that no real site has a say in it.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit
from sklearn.metrics import balanced_accuracy_score

import crackdet
from crackdet.data import ImageSplit
from crackdet.data.site_list import SiteSource, name_of, read_site_list
from crackdet.errors import CrackdetError
from crackdet.evaluation import metrics_row
from crackdet.evaluation.adaptation import VIEWS, adapt_head
from crackdet.features import FeatureCache
from crackdet.inference import load_classifier
from crackdet.models import feature_statistics
from crackdet.stress import stress_split
from crackdet.training.adapting import usual_strength
from crackdet.training.decision import Head, Places, Views, painted_views, places_of
from crackdet.training.site_folds import judged_together

Ints = NDArray[np.int64]
FIGURES = (
    "auroc", "log_loss", "recall", "false_alarm_rate", "balanced_accuracy", "recall_at_far_5pct",
)  # fmt: skip


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


def figures(labels: Ints, scores: NDArray, groups: Ints, threshold: float) -> dict[str, Any]:
    """Returns the metrics of a site, and the share of right answers with both classes alike."""
    row = metrics_row(labels, scores, threshold=threshold, groups=groups, bootstrap=0)
    return {**row, "balanced_accuracy": balanced_accuracy_score(labels, scores >= threshold)}


def gains(
    old: Head, places: Places, views: Views, labels: Ints, groups: Ints,
    options: argparse.Namespace, **adapt,
) -> list[dict[str, float]]:  # fmt: skip
    """Returns for each draw what the adapted head does on the rest, less what the old one does."""
    units, threshold, found = judged_together(labels, groups)[0], adapt["threshold"], []
    for number in range(options.draws):
        random = np.random.default_rng([options.seed, number])
        rows, rest = draw(labels, units, options.patches, random)
        start = time.perf_counter()
        try:
            adapted = adapt_head(
                old, places[rows], labels[rows], groups[rows],
                views=[(each[rows], own[rows]) for each, own in views], bootstrap=0,
                seed=options.seed + number, **adapt,
            )  # fmt: skip
        except CrackdetError as error:
            print(f"  draw {number + 1}: {error}", flush=True)
            continue
        kept = adapted.better
        head, at = (adapted.head, adapted.choice.threshold) if kept else (old, threshold)
        before, after = (
            figures(labels[rest], each.probabilities(places[rest])[:, 1], groups[rest], limit)
            for each, limit in ((old, threshold), (head, at))
        )
        row = {name: (after[name] or 0.0) - (before[name] or 0.0) for name in FIGURES}
        seconds = time.perf_counter() - start
        found.append({**row, "kept": float(kept), "seconds": seconds, "before": before["auroc"]})
        print(
            f"  draw {number + 1}: {rest.size} judged, {'kept' if kept else 'not kept'}, "
            f"AUROC {before['auroc']:.4f} to {after['auroc']:.4f}", flush=True,
        )  # fmt: skip
    return found


def shown(model: keras.Model, images: ImageSplit) -> tuple[Places, Views]:
    """Returns what a classifier decides from of a site's patches, and of views of all of them."""
    old = Head.of(model)
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(folder, verbose=0)
        places, _ = places_of(model, images, cache)
        # Of a view no more is asked than what the old map sees: a thousandth of the memory.
        views = [
            (Places(old.seen(each)[:, None], each.pooled), labels)
            for each, labels in painted_views(model, images, cache, count=VIEWS)
        ]
    return places, views


def mean_with_interval(values: list[float]) -> str:
    """Returns the mean of draws with the 95 % interval of it; draws of one site overlap."""
    mean, count = np.mean(values), len(values)
    if count < 2:
        return f"{mean:+.4f}"
    reach = stdtrit(count - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(count)
    return f"{mean:+.4f} [{mean - reach:+.4f}, {mean + reach:+.4f}]"


def sites(options: argparse.Namespace, image_size: int) -> Iterator[tuple[str, ImageSplit]]:
    """Yields the name and the patches of each site, real or made of validation patches."""
    if options.pseudo:
        places = {"data_dir": options.data_dir, "manual_dir": options.manual_dir}
        validation = crackdet.load_data(options.data[0], image_size=image_size, **places).validation
        stress = stress_split(validation, images=options.images, seed=options.seed, progress=True)
        for families in options.pseudo:
            shown = np.isin(stress.families, families.split(","))
            yield families, stress.subset(np.flatnonzero(shown))
        return
    given = {"labels": options.labels, "group_by": options.group_by}
    sources = [SiteSource(name_of(data), data, options=given) for data in options.data]
    sources += read_site_list(options.sites) if options.sites else []
    for source in sources:
        data = crackdet.load_data(
            source.data, image_size=image_size, cut=False, audit=False, verbose=0, **source.options
        )
        yield source.name, data.whole()


def table_line(strength: float, site: str, draws: list[dict[str, float]]) -> list[str]:
    """Returns what the draws of a site gained; the draws may also be the means of several sites."""
    columns = {name: [row[name] for row in draws] for name in draws[0]}
    cells = [mean_with_interval(columns[name]) for name in FIGURES]
    mean = {name: float(np.mean(columns[name])) for name in ("before", "kept", "seconds")}
    about = [f"{strength:g}", site, f"{mean['before']:.4f}"]
    return [*about, *cells, f"{mean['kept']:.0%}", f"{mean['seconds']:.1f}"]


def over_sites(found: dict[tuple[float, str], list[dict[str, float]]]) -> Iterator[list[str]]:
    """Yields a line for each strength: the mean over sites, and the interval of it by site."""
    for strength in sorted({strength for strength, _ in found}):
        means = [
            {name: float(np.mean([row[name] for row in draws])) for name in draws[0]}
            for (each, _), draws in found.items()
            if each == strength and draws
        ]
        if len(means) > 1:
            yield table_line(strength, f"mean of {len(means)} sites", means)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="concrete")
    parser.add_argument("--data", nargs="*", default=[])
    parser.add_argument("--data-dir")
    parser.add_argument("--manual-dir")
    parser.add_argument("--sites", help="as crackdet transfer takes it")
    parser.add_argument("--labels")
    parser.add_argument("--group-by")
    parser.add_argument(
        "--pseudo", nargs="+", metavar="FAMILY,…",
        help="families of the stress validation, those of one site with commas between them",
    )  # fmt: skip
    parser.add_argument("--images", type=int, default=2040, help="of the stress validation")
    parser.add_argument("--patches", type=int, default=20, help="of each class")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--strength", type=float, nargs="+", help="instead of the usual one")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    classifier, statistics = load_classifier(options.model), feature_statistics(options.model)
    print(f"{options.model}: {'with' if statistics else 'without'} statistics of its training")
    judged = {"threshold": classifier.threshold, "miss_cost": classifier.miss_cost or 5.0}
    found: dict[tuple[float, str], list[dict[str, float]]] = {}
    for name, images in sites(options, classifier.image_size):
        old, (places, views) = Head.of(classifier.model), shown(classifier.model, images)
        for strength in options.strength or [usual_strength(old)]:
            print(f"{name}, strength {strength:g}", flush=True)
            found[strength, name] = gains(
                old, places, views, images.labels, images.groups, options,
                statistics=statistics, strength=strength, **judged,
            )  # fmt: skip
    header = ["strength", "site", "AUROC before", "AUROC", "log loss", "recall", "false alarms",
              "balanced accuracy", "recall at 5 % false alarms", "kept", "seconds"]  # fmt: skip
    lines = [table_line(*key, draws) for key, draws in sorted(found.items()) if draws]
    for line in (header, ["---"] * len(header), *lines, *over_sites(found)):
        print(f"| {' | '.join(line)} |")


if __name__ == "__main__":
    main()
