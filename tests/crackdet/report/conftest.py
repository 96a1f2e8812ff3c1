"""A run folder with plausible numbers and procedural images, made without any model."""

import csv
import shutil
import subprocess
import sys

import numpy as np
import pytest
from scipy.special import expit

from crackdet.evaluation import choose_threshold, detection_by_width, metrics_row, stress_score
from crackdet.files import write_json
from crackdet.runs.files import PICTURES, REPORT, SEARCH, SEARCH_OPTIONS
from crackdet.runs.trials import COMPLETED, FAILED, write_trials

NASTY = "<script>alert(1)</script>.jpg"
COUNTS = {"train": 1600, "validation": 200, "test": 400}
SIZE = 96


def concrete(random, label, size=SIZE):
    """Grey noise on a slow shade; a wandering dark line when the label is 1."""
    y, x = np.mgrid[:size, :size] / size
    shade = 165 + 25 * (x - 0.5) * random.normal() + 25 * (y - 0.5) * random.normal()
    image = shade + random.normal(0, 7, (size, size))
    if label:
        path = size / 2 + np.cumsum(random.normal(0, 1.1, size)) + random.normal(0, 8)
        distance = np.abs(np.arange(size)[None] - path[:, None])
        image -= 75 * np.exp(-((distance / random.uniform(1, 2.5)) ** 2))
        if random.random() < 0.5:
            image = image.T
    tint = np.array([1.0, 0.985, 0.95])
    return np.clip(image[..., None] * tint, 0, 255).astype(np.uint8)


def write_run(folder, *, seed=0, skill=5.0, notes=""):
    """Writes a whole run folder; `skill` is the distance of the classes in logits."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    splits = {name: _split(random, name, count, skill) for name, count in COUNTS.items()}
    _write_predictions(folder / "predictions.csv", splits)
    choice = choose_threshold(
        splits["validation"]["label"],
        splits["validation"]["score"],
        groups=splits["validation"]["group"],
    )
    threshold = choice.threshold

    def row(name, column, cut, **options):
        split = splits[name]
        return metrics_row(
            split["label"],
            split[column],
            threshold=cut,
            groups=split["group"],
            bootstrap=200,
            **options,
        )

    contrast = {"are_probabilities": False}
    metrics = {
        "data": {
            "name": "concrete_cracks/demo",
            "fingerprint": "5d" * 32,
            "class_names": ["negative", "positive"],
            "notes": notes,
            "leakage": {"leaks": bool(notes), "words": notes or "None is known."},
            "counts": {
                name: {
                    "negative": int(np.sum(split["label"] == 0)),
                    "positive": int(np.sum(split["label"] == 1)),
                }
                for name, split in splits.items()
            },
            "groups": {name: len(set(split["group"])) for name, split in splits.items()},
        },
        "temperature": 1.273,
        **choice.facts(),
        "before": {name: row(name, "score_before", 0.5) for name in ("validation", "test")},
        "after": {name: row(name, "score", threshold) for name in COUNTS},
        "baseline": {
            "threshold": 12.4,
            "direction": "above",
            **{name: row(name, "contrast", 12.4, **contrast) for name in ("validation", "test")},
        },
        "stress": _stress(random, threshold),
        "detection": _detection(random, threshold),
        "seconds": {"data": 12.3, "search": 81.2, "fit": 40.04, "evaluation": 9.9},
    }
    write_json(folder / "metrics.json", metrics)
    write_json(folder / "config.json", _config())
    write_json(folder / "architecture.json", _architecture())
    _write_history(folder / "history.csv")
    _write_search(folder / SEARCH, random)
    np.savez_compressed(folder / "samples.npz", **_samples(random, splits["test"], threshold))
    return folder


def _stress(random, threshold):
    label, kind = np.arange(240) % 2, np.arange(240) // 2
    score = expit(3 * (label - 0.5) + random.normal(0, 1.5, 240))
    families = [("joints", "rust", "twigs")[number % 3] for number in kind]
    return {
        "row": metrics_row(
            label, score, threshold=threshold, unsure=np.arange(240) % 10 == 0, bootstrap=0
        ),
        **stress_score(label, score, families, kind // 3 % 5 + 1, threshold=threshold),
    }


def _detection(random, threshold):
    width, contrast = np.tile(np.geomspace(0.3, 10, 60), 3), np.repeat([0.15, 0.3, 0.6], 60)
    score = expit(4 * np.log(width * contrast / 0.6) + random.logistic(0, 1, 180))
    sound = np.zeros(60)
    return {
        "side": 224,
        **detection_by_width(
            np.r_[np.ones(180, int), np.zeros(60, int)],
            np.r_[score, random.uniform(0, 1.03 * threshold, 60)],
            np.r_[width, sound],
            np.r_[contrast, sound],
            threshold=threshold,
            groups=np.arange(240) % 30,
        ),
    }


def _split(random, name, count, skill):
    label = np.arange(count) % 2
    logit = skill * (label - 0.5) + random.normal(0, 1.1, count)
    keys = [f"{'Positive' if y else 'Negative'}/{i:05d}.jpg" for i, y in enumerate(label)]
    keys[3] = f"Positive/{NASTY}"
    return {
        "key": keys,
        "label": label,
        "score": expit(logit).astype(np.float32),
        "score_before": expit(random.normal(0, 0.5, count)).astype(np.float32),
        "contrast": np.maximum(1, random.normal(10 + 8 * label, 3)),
        "group": 1000 * len(name) + np.arange(count) // 4,
    }


def _write_predictions(path, splits):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "split", "label", "score", "score_before", "group"])
        for name, split in splits.items():
            before = split["score_before"] if name != "train" else [""] * len(split["key"])
            columns = (split["key"], split["label"], split["score"], before, split["group"])
            for key, label, score, score_before, group in zip(*columns, strict=True):
                writer.writerow([key, name, label, score, score_before, group])


def _samples(random, test, threshold):
    losses = -np.log(np.where(test["label"] == 1, test["score"], 1 - test["score"]))
    wrong = (test["score"] >= threshold) != (test["label"] == 1)
    worst = np.lexsort((-losses, ~wrong))[:12]
    shown = np.arange(16)
    labels = np.arange(9) % 2
    original = concrete(random, 1)
    views = [np.rot90(original, k % 4)[:: 1 - 2 * (k % 2)] * (0.75 + k / 20) for k in range(9)]

    def images(values):
        return np.stack([concrete(random, value) for value in values])

    def pick(prefix, indices):
        return {
            f"{prefix}_images": images(test["label"][indices]),
            f"{prefix}_labels": test["label"][indices],
            f"{prefix}_keys": np.array([test["key"][i] for i in indices]),
            f"{prefix}_scores": test["score"][indices].astype(np.float64),
            f"{prefix}_losses": losses[indices],
        }

    return {
        "example_images": images(labels),
        "example_labels": labels,
        "example_keys": np.array([f"{i:05d}.jpg" for i in range(9)]),
        "augmented_original": original,
        "augmented_images": np.clip(views, 0, 255).astype(np.uint8),
        "augmented_key": np.array(NASTY),
        **pick("test", shown),
        **pick("mistake", worst),
        "mistake_wrong": wrong[worst],
        "mistake_count": np.array(int(wrong.sum())),
        "painted_originals": images(np.zeros(4, int)),
        "painted_images": images(np.arange(8) % 2).reshape(4, 2, SIZE, SIZE, 3),
        "painted_labels": (np.arange(8) % 2).reshape(4, 2),
        "stress_images": images(np.ones(15, int)),
        "stress_families": np.repeat(["joints", "rust", "twigs"], 5),
        "stress_severities": np.arange(15) % 5 + 1,
        "stress_wrong": np.arange(15) % 5 == 4,
    }


def _config():
    return {
        "options": {
            "data": "demo",
            "image_size": 96,
            "seed": 0,
            "max_trials": 12,
            "weights": None,
            "views": 4,
        },
        "data": {"name": "concrete_cracks/demo"},
        "versions": {"python": "3.11.9", "crackdet": "0.1.0", "keras": "3.15.1"},
        "git_revision": "864cb39",
        "date": "2026-01-31T12:00:00+00:00",
    }


def _architecture():
    sides = [(48, 16)] + [(24, 24)] * 2 + [(12, 32)] * 3 + [(6, 64)] * 4 + [(6, 96)] * 3
    sides += [(3, 160)] * 3 + [(3, 320)]
    rows = [("image", "InputLayer", [96, 96, 3], 0, False)]
    rows += [("augmentation", "Sequential", [96, 96, 3], 0, False)]
    rows += [("preprocessing", "Rescaling", [96, 96, 3], 0, False)]
    rows += [("Conv1", "stage", [48, 48, 32], 992, False)]
    for number, (side, channels) in enumerate(sides):
        name = f"block_{number}" if number else "expanded_conv"
        rows.append((name, "stage", [side, side, channels], 60 * channels**2 // 8, number > 14))
    rows += [("Conv_1", "stage", [3, 3, 1280], 414720, True)]
    rows += [("pooling", "GlobalAveragePooling2D", [1280], 0, False)]
    rows += [("dropout", "Dropout", [1280], 0, False)]
    rows += [("predictions", "Dense", [2], 2562, True)]
    stages = [
        {
            "name": name,
            "type": kind,
            "layers": 8 if kind == "stage" else 1,
            "output_shape": shape,
            "params": params,
            "trainable_params": params if trained else 0,
        }
        for name, kind, shape, params, trained in rows
    ]
    layers = [
        {**stage, "trainable": stage["trainable_params"] > 0, "type": "Conv2D"}
        if stage["type"] == "stage"
        else {**stage, "trainable": stage["trainable_params"] > 0}
        for stage in stages
    ]
    return {
        "name": "mobilenet_v2_classifier",
        "params": sum(stage["params"] for stage in stages),
        "trainable_params": sum(stage["trainable_params"] for stage in stages),
        "layers": layers,
        "stages": stages,
    }


def _write_history(path):
    columns = ["phase", "epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    columns += ["learning_rate", "seconds"]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for epoch in range(10):
            phase = "head" if epoch < 3 else "fine_tune"
            loss = 0.62 * 0.72**epoch + 0.02
            validation = 0.58 * 0.74**epoch + 0.05 + 0.012 * max(0, epoch - 6)
            rate = 1e-3 if epoch < 3 else 1e-4
            values = (loss, 1 - loss / 2.2, validation, 1 - validation / 2.1, rate, 3.21)
            writer.writerow([phase, epoch + 1, *values])


def _write_search(folder, random):
    rows = []
    for trial in range(14):
        dropout, depth = random.uniform(0, 0.6), random.integers(0, 7)
        rate = 10 ** random.uniform(-5, -2)
        row = {
            "trial": f"{trial:04d}",
            "status": COMPLETED,
            "dropout": dropout,
            "learning_rate": rate,
            "unfreeze_depth": depth,
            "val_loss": None,
            "val_accuracy": None,
            "images": 400,
            "epochs": 3,
            "seconds": 6.4,
            "seed": trial,
            "error": None,
        }
        if trial in (4, 9):
            row |= {"status": FAILED, "error": "ValueError: <b>loss</b> is not finite"}
        else:
            loss = 0.08 + 0.09 * (np.log10(rate) + 3.3) ** 2 + 0.01 * (6 - depth)
            loss += 0.02 * random.random()
            row |= {"val_loss": loss, "val_accuracy": 1 - loss / 3}
        rows.append(row)
    write_trials(folder, rows)
    write_json(folder / SEARCH_OPTIONS, {"objective": "val_loss"})


@pytest.fixture(scope="session")
def written_run(tmp_path_factory):
    """One run folder for all tests that only read it."""
    return write_run(tmp_path_factory.mktemp("runs") / "demo", notes="Twins of <test> in train.")


@pytest.fixture
def run_dir(written_run, tmp_path):
    """A copy to change."""
    return copy_without_report(written_run, tmp_path)


def copy_without_report(run, parent):
    """Copies a run's folder under its own name into another one."""
    return shutil.copytree(run, parent / run.name, ignore=shutil.ignore_patterns(REPORT, PICTURES))


@pytest.fixture(scope="session")
def reported_by_another_process(written_run, tmp_path_factory):
    """The folder of a report that a process of its own wrote, and all modules it had loaded."""
    folder = copy_without_report(written_run, tmp_path_factory.mktemp("elsewhere"))
    code = (
        "import sys; from crackdet.report import write_report; write_report(sys.argv[1]); "
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, folder],
        capture_output=True,
        text=True,
        check=True,
    )
    return folder, set(done.stdout.split())
