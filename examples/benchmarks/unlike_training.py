"""What is a classifier unsure of, and which score tells pictures that are no concrete?

    python examples/benchmarks/unlike_training.py --data concrete_cracks --manual-dir FOLDER \\
        --skimage-data FOLDER --sites sites.csv
    python examples/benchmarks/unlike_training.py --data concrete_cracks --train 5000

The first table is what the model says by what is stored with it: the share it is unsure of, of its
own validation images, of their stress validation, of patches of other sites and of strange pictures
(`strange_pictures.py`), by family. On concrete less is better. With `--train N`, the scores of
`crackdet.models.out_of_distribution` are compared: fitted on features of N of the model's own
training images, each with the limit that 1 % of validation exceed. No test split is read.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from strange_pictures import strange_pictures

import crackdet
from crackdet.data.site_list import read_site_list
from crackdet.inference import load_classifier
from crackdet.models import FeatureStatistics, known_images
from crackdet.models.known_images import TRAIN, VALIDATION
from crackdet.models.out_of_distribution import (
    SHARE,
    Score,
    energy,
    mahalanobis,
    nearest_neighbours,
    relative_mahalanobis,
    tied_mahalanobis,
)
from crackdet.models.units import HEAD_NAME, with_head_inputs
from crackdet.stress import stress_split

Features = NDArray[np.float32]
Unsure = NDArray[np.bool_]
BANK = 500  # training images that neighbours are sought among


def scores(x: Features, y: NDArray[np.int64], head: list[Any]) -> dict[str, Score]:
    """Returns the candidates, fitted on features of training images."""
    statistics = FeatureStatistics.of(x, y)
    bank = x[np.random.default_rng(0).permutation(len(x))[:BANK]]
    return {
        "Mahalanobis, a covariance a class": mahalanobis(statistics),
        "Mahalanobis, tied (Lee et al. 2018)": tied_mahalanobis(statistics),
        "relative Mahalanobis (Ren et al. 2021)": relative_mahalanobis(statistics),
        "energy (Liu et al. 2020)": energy(*head),
        f"nearest of {BANK} (Sun et al. 2022)": nearest_neighbours(bank),
        f"fifth nearest of {BANK}": nearest_neighbours(bank, 5),
    }


def found(
    candidates: Mapping[str, Score], validation: Features, others: Mapping[str, Features]
) -> dict[str, dict[str, float]]:
    """Returns for each score the share of each family that exceeds its limit, in percent."""
    shares = {}
    for name, score in candidates.items():
        limit = np.quantile(score(validation), 1 - SHARE)
        shares[name] = {f: 100 * float(np.mean(score(x) > limit)) for f, x in others.items()}
    return shares


def print_shares(concrete: Mapping[str, Unsure], strange: Mapping[str, Unsure]) -> None:
    """Prints the share of pictures that a model is unsure of, by kind."""
    print("| pictures | how many | unsure |\n" + "| --- " * 3 + "|")
    for name, unsure in [*concrete.items(), *strange.items()]:
        print(f"| {name} | {unsure.size:,} | {100 * unsure.mean():.1f} % |")
    mean = np.mean([unsure.mean() for unsure in strange.values()])
    print(f"| mean over the {len(strange)} families that are no concrete | | {100 * mean:.1f} % |")


def print_tables(shares: Mapping[str, Mapping[str, float]]) -> None:
    """Prints a line a score, and the families of the best one by mean over families."""
    print(
        "| score | mean over families | worst family | photographs | drawn |\n" + "| --- " * 5 + "|"
    )
    for name, by_family in shares.items():
        drawn = [share for family, share in by_family.items() if family.startswith("drawn")]
        others = [share for family, share in by_family.items() if not family.startswith("drawn")]
        worst = min(by_family, key=lambda family: by_family[family])
        means = [f"{np.mean(part):.1f} %" if part else "" for part in (others, drawn)]
        mean = f"{np.mean(list(by_family.values())):.1f} %"
        cells = [name, mean, f"{worst}, {by_family[worst]:.0f} %", *means]
        print(f"| {' | '.join(cells)} |")
    best = max(shares, key=lambda name: np.mean(list(shares[name].values())))
    print(f"\n{best}: " + ", ".join(f"{f} {s:.0f} %" for f, s in shares[best].items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="the model's own data set")
    parser.add_argument("--data-dir")
    parser.add_argument("--manual-dir")
    parser.add_argument("--model", default="concrete")
    parser.add_argument("--validation", type=int, default=2000, help="of its images, at most")
    parser.add_argument("--stress-images", type=int, default=680, help="0 for none")
    parser.add_argument("--sites", help="other sites, a list as `crackdet transfer` takes it")
    parser.add_argument("--skimage-data", type=Path, help="folder skimage/data of scikit-image")
    parser.add_argument("--train", type=int, default=0, help="training images to fit scores on")
    options = parser.parse_args()

    classifier, known = load_classifier(options.model), known_images(options.model)
    if known is None or classifier.detector is None:
        raise SystemExit("What the model was trained on does not stand beside it.")
    detector, size = classifier.detector, classifier.image_size
    # One pass gives what the model judges by, and what its head takes, which scores are made of.
    ways = [detector.answers_of(classifier.model), with_head_inputs(classifier.model)]
    network = keras.Model(classifier.model.input, [way.outputs[1] for way in ways])
    places = {"data_dir": options.data_dir, "manual_dir": options.manual_dir}
    whole = crackdet.load_data(
        options.data, cut=False, audit=False, image_size=size, **places
    ).whole()
    roles, random = np.array(known.roles(whole.digests)), np.random.default_rng(0)

    def some_of(role: str, count: int) -> Any:
        indices = random.permutation(np.flatnonzero(roles == role))[:count]
        return whole.subset(np.sort(indices)).in_order()

    def features(images: Any) -> tuple[Unsure, Features]:
        judged, taken = network.predict(images, verbose=0)
        return detector.unsure(judged), np.asarray(taken, np.float32)

    validation = some_of(VALIDATION, options.validation)
    concrete = {"validation": features(validation)}
    if options.stress_images:
        stress = stress_split(validation, images=options.stress_images)
        concrete["validation under stress"] = features(stress.in_order())
    for site in read_site_list(options.sites) if options.sites else ():
        images = crackdet.load_data(
            site.data, image_size=size, cut=False, audit=False, **site.options
        )
        concrete[site.name] = features(images.whole().in_order())
    strange = {f: features(x) for f, x in strange_pictures(options.skimage_data).items()}
    print_shares(*({n: x[0] for n, x in kind.items()} for kind in (concrete, strange)))
    if not options.train:
        return
    train = some_of(TRAIN, options.train)
    head = classifier.model.get_layer(HEAD_NAME).get_weights()
    candidates = scores(features(train)[1], train.labels, head)
    _, limits = concrete.pop("validation")
    print(f"\n{train.num_images} training and {len(limits)} validation images\n")
    print_tables(found(candidates, limits, {n: x[1] for n, x in strange.items()}))
    by_kind = found(candidates, limits, {n: x[1] for n, x in concrete.items()})
    for name, shares in by_kind.items():
        print(f"{name}: " + ", ".join(f"{kind} {share:.1f} %" for kind, share in shares.items()))


if __name__ == "__main__":
    main()
