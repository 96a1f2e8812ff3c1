"""Which score tells pictures that are no concrete, where 1 % of validation is called unlike?

    python examples/benchmarks/unlike_training.py --data concrete_cracks --manual-dir FOLDER
    python examples/benchmarks/unlike_training.py --data concrete_cracks --stress

Scores of `crackdet.models.out_of_distribution` are fitted on features of the model's own training
images. Each gets the limit that 1 % of its validation images exceed; what share of strange pictures
(`strange_pictures.py`) exceeds it, by family? With `--stress`, also of the stress validation, which
is of concrete: there less is better. No test split is read.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from strange_pictures import strange_pictures

import crackdet
from crackdet.models import FeatureStatistics, known_images, load_model
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
    parser.add_argument("--manual-dir")
    parser.add_argument("--model", default="concrete")
    parser.add_argument("--train", type=int, default=5000, help="training images to fit on")
    parser.add_argument("--validation", type=int, default=2000, help="images behind the limit")
    parser.add_argument("--skimage-data", type=Path, help="folder skimage/data of scikit-image")
    parser.add_argument("--stress", action="store_true", help="judges stressed concrete too")
    options = parser.parse_args()

    model, known = load_model(options.model), known_images(options.model)
    if known is None:
        raise SystemExit("What the model was trained on does not stand beside it.")
    network = with_head_inputs(model)
    loading = {"manual_dir": options.manual_dir, "image_size": model.input_shape[1:3]}
    whole = crackdet.load_data(options.data, cut=False, audit=False, **loading).whole()
    roles, random = np.array(known.roles(whole.digests)), np.random.default_rng(0)

    def some_of(role: str, count: int) -> Any:
        indices = random.permutation(np.flatnonzero(roles == role))[:count]
        return whole.subset(np.sort(indices)).in_order()

    def features(images: Any) -> Features:
        return np.asarray(network.predict(images, verbose=0)[1], np.float32)

    train, validation = some_of(TRAIN, options.train), some_of(VALIDATION, options.validation)
    head = model.get_layer(HEAD_NAME).get_weights()
    candidates = scores(features(train), train.labels, head)
    limits = features(validation)
    strange = strange_pictures(options.skimage_data)
    print(f"{train.num_images} training and {validation.num_images} validation images\n")
    print_tables(found(candidates, limits, {f: features(x) for f, x in strange.items()}))
    if options.stress:
        stress = stress_split(validation, images=680)
        shares = found(candidates, limits, {"stress": features(stress.in_order())})
        for name, share in shares.items():
            print(f"under stress unsure by {name}: {share['stress']:.1f} %")


if __name__ == "__main__":
    main()
