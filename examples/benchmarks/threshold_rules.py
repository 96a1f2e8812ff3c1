"""Which rule chooses the threshold that costs least on other walls?

    python examples/benchmarks/threshold_rules.py
    python examples/benchmarks/threshold_rules.py --manual-dir FOLDER

Three rules choose on the same few walls: the least cost that is counted there, the ratio of the
costs, and the least cost that is expected (`choose_threshold`). Prints what each then costs on
other walls, in false alarms for 1,000 images, a miss costing five. The first command simulates
scores; the second cuts the walls of the real train split, again and again, into those that a head
is fitted on, those that the threshold is chosen on and those that it is judged on. Neither reads a
test split.
"""

import argparse
import tempfile
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from crackdet.evaluation import apply_temperature, choose_threshold, fit_temperature
from crackdet.evaluation.threshold import cheapest_threshold

Floats, Ints = NDArray[np.float64], NDArray[np.int64]
Scored = tuple[Ints, Floats, Ints]  # labels, logits, groups
MISS_COST = 5.0


def expected(y: Ints, s: Floats, groups: Ints) -> float:
    choice = choose_threshold(y, s, groups=groups, miss_cost=MISS_COST, bootstrap=0)
    return choice.threshold


def counted(y: Ints, s: Floats, groups: Ints) -> float:
    return cheapest_threshold(y, s, miss_cost=MISS_COST, lowest=0.0)


def ratio(y: Ints, s: Floats, groups: Ints) -> float:
    return 1 / (1 + MISS_COST)


RULES: dict[str, Callable[[Ints, Floats, Ints], float]] = {
    "counted": counted, "ratio": ratio, "expected": expected,
}  # fmt: skip


def costs(chosen_on: Scored, judged_on: Scored) -> list[float]:
    """Returns what each rule costs on the second part, and the least possible there."""
    (y, z, groups), (judged, z_judged, _) = chosen_on, judged_on
    temperature = fit_temperature(probabilities(z), y)
    scores = apply_temperature(probabilities(z), temperature)[:, 1].astype(np.float32)
    others = apply_temperature(probabilities(z_judged), temperature)[:, 1].astype(np.float32)
    thresholds = [rule(y, scores, groups) for rule in RULES.values()]
    thresholds.append(counted(judged, others, np.empty(0)))
    return [
        1000 * np.mean(np.where(judged == 1, MISS_COST * (others < t), others >= t))
        for t in thresholds
    ]


def probabilities(z: Floats) -> Floats:
    return np.stack([expit(-z), expit(z)], axis=1)


# Of both classes, negative first: mean, standard deviation and degrees of freedom (None: normal) of
# the logits, which are then scaled and shifted. Both the walls and the images in them vary.
MODELS = {
    "separated, heavy tails": (((-9, 2.2, 3), (9, 2.2, 3)), 1.0, 0.0),
    "separated, sound with heavier tail": (((-8, 2.5, 2.5), (9, 1.5, 4)), 1.0, 0.0),
    "separated, cracked with heavier tail": (((-9, 1.5, 4), (8, 2.5, 2.5)), 1.0, 0.0),
    "moderate, logits four times too large": (((-3, 2, 5), (3, 2, 5)), 4.0, 0.0),
    "moderate, shifted by 3": (((-3, 2, 5), (3, 2, 5)), 1.0, 3.0),
    "cracked wide, sound narrow": (((-3, 1, None), (3, 3, None)), 1.0, 0.0),
    "overlapping": (((-1.2, 1.6, None), (1.2, 1.6, None)), 1.0, 0.0),
    "overlapping, shifted by 2": (((-1.2, 1.6, None), (1.2, 1.6, None)), 1.0, 2.0),
    "overlapping, shifted by -2": (((-1.2, 1.6, None), (1.2, 1.6, None)), 1.0, -2.0),
}
# Cracked and sound walls to choose on, and the mean number of their images.
SIZES = {10: (60, 12, 2), 40: (900, 50, 2.2), 400: (1000, 8, 3)}
JUDGED_WALLS = (8000, 2000)
WALL_SHARE = 0.3  # of the variance of a class's logits that is between walls


def draw(random: np.random.Generator, model: tuple, walls: tuple, images: tuple) -> Scored:
    """Returns simulated images of so many walls of each class, of unequal sizes."""
    classes, scale, shift = model
    parts = []
    for label, (mean, deviation, freedom) in enumerate(classes):
        size = np.exp(random.normal(0, 0.9, walls[label]))
        size = np.maximum(1, np.rint(size / size.mean() * images[label])).astype(int)
        group = np.repeat(np.arange(walls[label]), size)

        def noise(count: int, freedom: float | None = freedom) -> Floats:
            return random.standard_t(freedom, count) if freedom else random.normal(size=count)

        between, within = noise(walls[label])[group], noise(group.size)
        spread = np.sqrt(WALL_SHARE) * between + np.sqrt(1 - WALL_SHARE) * within
        z = shift + scale * (mean + deviation * spread)
        parts.append((np.full(group.size, label), z, group + label * 10**6))
    y, z, groups = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return y, z, groups


def simulate(repeats: int, seed: int) -> None:
    for cracked, (sound, cracked_images, sound_images) in SIZES.items():
        head(f"simulated, {cracked} cracked and {sound} sound walls to choose on")
        relative = []
        for number, (name, model) in enumerate(MODELS.items()):
            random = np.random.default_rng([seed, cracked, number])
            images = sound_images, cracked_images
            rows = [
                costs(
                    draw(random, model, (sound, cracked), images),
                    draw(random, model, JUDGED_WALLS, (2.5, 10)),
                )
                for _ in range(repeats)
            ]
            line(name, rows)
            relative.append(np.array(rows) / np.mean(rows, axis=0)[-1] * 100)
        line("mean of all, least possible = 100", np.mean(relative, axis=0))


# Of the head: share of the walls that it is fitted on, features that it sees, inverse penalty.
HEADS = {
    "a third of the walls": (0.3, 1280, 1e-2),
    "a tenth": (0.1, 1280, 1e-4),
    "a fiftieth": (0.02, 1280, 1e-3),
    "a tenth, 16 of 1,280 features": (0.1, 16, 1.0),
}

TO_CHOOSE = (10, 39)  # cracked walls; validation of the whole data set has 39
SOUND_WALLS = 23  # a cracked wall, as in the whole data set: as many images of either class


def judge_on_train(options: argparse.Namespace) -> None:
    features, labels, walls = train_features(options)
    cracked = np.unique(walls[labels == 1])
    sound = np.setdiff1d(walls, cracked)
    for to_choose in TO_CHOOSE:
        head(f"real, {to_choose} cracked walls to choose on, head fitted on")
        for number, (name, (share, seen, penalty)) in enumerate(HEADS.items()):
            rows = []
            for repeat in range(options.heads):
                random = np.random.default_rng([options.seed, to_choose, number, repeat])
                fit = drawn(random, cracked, share) | drawn(random, sound, share)
                columns = random.choice(features.shape[1], seen, replace=False)
                z = fitted_logits(features[:, columns], labels, np.isin(walls, list(fit)), penalty)
                free_cracked = np.setdiff1d(cracked, list(fit))
                free_sound = np.setdiff1d(sound, list(fit))
                # Cuts that share a head are no independent repeats: their mean counts as one.
                cuts = []
                for _ in range(options.cuts):
                    chosen = drawn(random, free_cracked, to_choose / free_cracked.size)
                    chosen |= drawn(random, free_sound, SOUND_WALLS * to_choose / free_sound.size)
                    choose = np.isin(walls, list(chosen))
                    judge = ~choose & ~np.isin(walls, list(fit))
                    cuts.append(costs(*((labels[p], z[p], walls[p]) for p in (choose, judge))))
                rows.append(np.mean(cuts, axis=0))
            line(name, rows)


def drawn(random: np.random.Generator, walls: Ints, share: float) -> set[int]:
    return set(random.choice(walls, max(3, round(share * walls.size)), replace=False).tolist())


def fitted_logits(features: Floats, labels: Ints, fit: NDArray[np.bool_], penalty: float) -> Floats:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=penalty, max_iter=200).fit(features[fit], labels[fit])
    return model.decision_function(features)


def train_features(options: argparse.Namespace) -> tuple[Floats, Ints, Ints]:
    """Returns standardized features of whole walls of train, labels and walls."""
    import crackdet
    from crackdet.features import FeatureCache

    train = crackdet.load_data(
        "concrete_cracks", data_dir=options.data_dir, manual_dir=options.manual_dir
    ).train
    order = np.random.default_rng(options.seed).permutation(np.unique(train.groups))
    place = np.argsort(order)[np.searchsorted(np.sort(order), train.groups)]
    rows = np.argsort(place, kind="stable")[: options.images]
    rows = np.flatnonzero(place < place[rows[-1]])
    split = train.subset(rows, shuffle=False)
    model = crackdet.models.mobilenet_v2_classifier(unfreeze_depth=0)
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(options.cache_dir or folder)
        features = np.asarray(cache.features(model, 0, split), np.float32)
    features = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    return features, split.labels, split.groups


def head(title: str) -> None:
    columns = (*RULES, "least possible", "expected - counted", "expected - ratio")
    print(f"\n| {title} | " + " | ".join(columns) + " |\n|" + " --- |" * (1 + len(columns)))


def line(name: str, rows: list) -> None:
    """Prints mean costs, and paired differences with their standard errors."""
    values = np.asarray(rows)
    counted, ratio, expected = values.T[:3]
    differences = [
        f"{np.mean(d):+.2f} ± {np.std(d, ddof=1) / np.sqrt(d.size):.2f}"
        for d in (expected - counted, expected - ratio)
    ]
    means = [f"{mean:.2f}" for mean in values.mean(axis=0)]
    print(f"| {name} | " + " | ".join(means + differences) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--manual-dir", help="folder of the official images: judge on train's walls"
    )
    parser.add_argument("--data-dir", help="where built data sets stand")
    parser.add_argument("--cache-dir", help="where features are kept; default: nowhere")
    parser.add_argument("--images", type=int, default=16000, help="of train, by whole walls")
    parser.add_argument("--heads", type=int, default=20, help="fitted for each row")
    parser.add_argument("--cuts", type=int, default=6, help="of the other walls, for each head")
    parser.add_argument("--repeats", type=int, default=40, help="simulated, for each row")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.manual_dir or options.data_dir:
        judge_on_train(options)
    else:
        simulate(options.repeats, options.seed)


if __name__ == "__main__":
    main()
