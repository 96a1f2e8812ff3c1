"""The benchmarks run, at sizes that say nothing about speed, and tell what they found."""

import argparse
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crackdet.cli import main

Run = Callable[..., str]


def benchmark(root: Path, name: str) -> ModuleType:
    path = root / "examples" / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def measuring(root: Path) -> ModuleType:
    return benchmark(root, "measuring")


@pytest.mark.slow
def test_painting_speed(run: Run, tmp_path: Path) -> None:
    small = ("--batch-size", "2", "--image-size", "32", "--rounds", "1", "--out", "figures.json")
    only = ("--only", "RandomZoomOut", "augmentation()")
    out = run(tmp_path, "benchmarks/painting_speed.py", *small, *only)
    rows = json.loads((tmp_path / "figures.json").read_text("utf-8"))["rows"]
    assert {row["part"] for row in rows} == {"compiled", "eager"}
    assert {"RandomZoomOut", "augmentation()"} < {row["what"] for row in rows}
    assert out.count("; 1.00 times RandAugment |") == 2


@pytest.mark.slow
@pytest.mark.usefixtures("standins")
def test_gpu(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = subprocess.run

    def started(command: list[str], **options: Any) -> Any:
        if command[1:3] != ["-m", "crackdet"]:
            return start(command, **options)
        return subprocess.CompletedProcess(command, main(command[3:]), "", "")

    monkeypatch.setattr(subprocess, "run", started)
    monkeypatch.setattr("crackdet.report.report.draw", lambda run: [])  # takes seconds
    out = run(tmp_path, "benchmarks/gpu.py", "--small", "--out", "figures.json")
    assert out.splitlines()[-1] == "cpu: ok"
    found = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    assert found["machine"]["gpu"] is None
    assert found["failed"] == found["left_out"] == []
    assert {row["part"] for row in found["rows"]} == {"pass", "plain", "demo", "search", "cached"}
    assert all(row["value"] > 0 for row in found["rows"])
    for row in found["rows"]:
        assert f"{row['part']}: {row['what']}: " in out, "as it came"
        assert f"| {row['part']} | {row['what']} | " in out, "and in the table"


@pytest.mark.slow
@pytest.mark.usefixtures("standins")
def test_search_speed(run: Run, tmp_path: Path) -> None:
    options = ("--quick", "--image-size", "32", "--images", "32", "--trials", "2", "--epochs", "1")
    out = run(tmp_path, "benchmarks/search_speed.py", *options, "--parts", "mixed", "answer")
    assert "Folder: runs/search-speed-1\n" in out
    assert (tmp_path / "runs" / "search-speed-1" / "mixed-crackdet" / "trials.csv").is_file()
    told = [line for line in out.splitlines() if line.startswith("answer: ")]
    assert "returns its choice after" in told[1]
    assert "that neither search saw" in told[2]
    # The same hyperparameters, trained on features and on images.
    apart = re.search(r"image by image ([+-][.\d]+)", told[2])
    assert apart is not None
    assert abs(float(apart[1])) < 0.01
    assert re.fullmatch(r"ratio [.\d]+x", out.splitlines()[-1])


def test_a_free_place_is_one_that_does_not_exist(measuring: ModuleType, tmp_path: Path) -> None:
    pattern = str(tmp_path / "speed-{}")
    assert measuring.free_path(pattern) == tmp_path / "speed-1"
    (tmp_path / "speed-1").mkdir()
    assert measuring.free_path(pattern) == tmp_path / "speed-2"


def test_figures_are_kept_and_what_raises_is_told(
    measuring: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "runs" / "figures.json"
    results = measuring.Results(path, {"gpu": "H100"}, with_aims=True)
    results.add("pass", "float32", 3210.4, "images/s", "in 2 s", at_least=3000)
    with results.attempt("plain"):
        raise ValueError("no memory\nat all")
    with results.attempt("demo"):
        results.add("demo", "run", 61.04, "s", below=60)
    results.add("fit", "depth 0", 0.1234567, "val_loss")
    kept = json.loads(path.read_text("utf-8"))
    assert [row["value"] for row in kept["rows"]] == [3210.4, 61.04, 0.1234567]
    assert kept["failed"] == ["plain: ValueError: no memory"]
    assert results.table().splitlines()[2:] == [
        "| pass | float32 | 3,210 images/s | in 2 s; aim at least 3,000: reached |",
        "| demo | run | 61.0 s | aim below 60: missed |",
        "| fit | depth 0 | val_loss 0.123457 |  |",
    ]
    out, err = capsys.readouterr()
    assert "pass: float32: 3,210 images/s (in 2 s; aim at least 3,000: reached)" in out
    assert "ValueError: no memory" in err


def test_what_would_begin_too_late_is_left_out(measuring: ModuleType, tmp_path: Path) -> None:
    results = measuring.Results(tmp_path / "figures.json", {}, seconds=0.0)
    with results.attempt("search"):
        results.check_time()
        raise AssertionError("it began")
    assert (results.left_out, results.failed) == (["search"], [])


def test_interval_coverage(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coverage = benchmark(root, "interval_coverage")
    rows = [coverage.proportion_row(10, 0.9, 0.1, 30), coverage.area_row(10, 0.9, 0.1, 5)]
    assert rows[0][:4] == ["10", "90 %", "0.1", "0.00"]
    assert coverage.proportion_row(10, 0.9, 0.1, 30) == rows[0]
    holds = [float(cell.partition(" %")[0]) for cell in rows[0][4:]]
    assert holds[0] < holds[2] <= 100
    coverage.print_table(["walls"], [["41"], ["400"]])
    assert capsys.readouterr().out == "| walls |\n| --- |\n| 41 |\n| 400 |\n\n"


def test_adapting_judges_no_photo_that_it_knows(root: Path) -> None:
    adapting = benchmark(root, "adapting")
    labels, units = np.arange(80) % 2, np.arange(80) // 4
    rows, rest = adapting.draw(labels, units, 7, np.random.default_rng(0))
    assert np.bincount(labels[rows]).tolist() == [7, 7]
    assert not set(units[rows]) & set(units[rest])
    assert rest.size >= 40
    random = np.random.default_rng(0)
    features = random.normal(1, 1, (80, 12))
    features[:, 1] += 5 * labels
    places = adapting.Places(features[:, None])
    old = adapting.Head(np.eye(12)[0] * 2, -1.0)
    options = argparse.Namespace(draws=2, patches=10, seed=0)
    found = adapting.gains(
        old, places, [(places, labels)], labels, units, options, threshold=0.5, statistics=None
    )
    assert all(row["auroc"] > 0.1 and row["kept"] for row in found)
    assert adapting.mean_with_interval([0.1, 0.1]) == "+0.1000 [+0.1000, +0.1000]"


def test_threshold_rules(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = benchmark(root, "threshold_rules")
    monkeypatch.setattr(rules, "SIZES", {10: (60, 4, 2)})
    monkeypatch.setattr(rules, "MODELS", dict(list(rules.MODELS.items())[:2]))
    monkeypatch.setattr(rules, "JUDGED_WALLS", (200, 100))
    rules.simulate(repeats=2, seed=0)
    random = np.random.default_rng(0)
    walls = np.arange(1600) // 2
    labels = (walls < 100).astype(int)
    features = random.normal(2 * labels[:, None], 1, (1600, 4))
    monkeypatch.setattr(rules, "HEADS", {"a tenth": (0.1, 4, 1.0)})
    monkeypatch.setattr(rules, "TO_CHOOSE", (10,))
    monkeypatch.setattr(rules, "train_features", lambda options: (features, labels, walls))
    rules.judge_on_train(argparse.Namespace(heads=2, cuts=2, seed=0))
    lines = capsys.readouterr().out.splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if re.search(r"\| \d", line)]
    assert [row[0] for row in rows[:2]] == list(rules.MODELS)
    assert [row[0] for row in rows[2:]] == ["mean of all, least possible = 100", "a tenth"]
    for row in rows:
        costs = [float(cell) for cell in row[1:5]]
        assert costs[3] == min(costs)
        assert float(row[5].split()[0]) == pytest.approx(costs[2] - costs[0], abs=0.02)


def test_unlike_training(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(root / "examples" / "benchmarks")
    unlike = benchmark(root, "unlike_training")
    pictures = benchmark(root, "strange_pictures")
    monkeypatch.setattr(pictures, "DRAWN", 2)
    monkeypatch.setattr(pictures, "CUTS", 1)
    families = pictures.strange_pictures()
    assert set(pictures.DRAWINGS) < set(families)
    for name, images in families.items():
        assert (images.shape[1:], images.dtype) == ((224, 224, 3), np.uint8), name
        assert images.std() > 5, name
    random = np.random.default_rng(0)
    x, y = random.normal(3, 1, (400, 4)), np.arange(400) % 2
    candidates = unlike.scores(x, y, [np.eye(4)[:, :2], np.zeros(2)])
    others = {"alike": random.normal(3, 1, (400, 4)), "drawn far": random.normal(-30, 1, (9, 4))}
    shares = unlike.found(candidates, random.normal(3, 1, (400, 4)), others)
    assert list(shares) == list(candidates)
    assert shares["Mahalanobis, a covariance a class"]["drawn far"] == 100
    assert all(by_family["alike"] < 5 for by_family in shares.values())
    unlike.print_tables(shares)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("| Mahalanobis, a covariance a class | 5")
    assert "drawn far 100 %" in lines[-1]
    unlike.print_shares({"deck": y == 2}, {"grass": y == 1, "faces": y < 2})
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:4] == ["| deck | 400 | 0.0 % |", "| grass | 400 | 50.0 % |"]
    assert lines[-1].endswith("2 families that are no concrete | | 75.0 % |")


@pytest.mark.slow
@pytest.mark.usefixtures("demo")
def test_unseen_sites(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(root / "examples" / "benchmarks")
    unseen = benchmark(root, "unseen_sites")
    small = {"originals": 24, "views": 2, "depth": 3, "epochs": 1, "head_epochs": 0}
    plain = unseen.Recipe("plain", "all", **small)
    without = "RandomZoomOut RandomDistractor RandomCamera"
    mapped = unseen.Recipe("mapped", without, pooling="local", map_loss=1.0, **small)
    monkeypatch.setattr(unseen, "RECIPES", {each.name: each for each in (plain, mapped)})
    for seed, label in enumerate(("crack", "sound")):
        (tmp_path / "site" / label).mkdir(parents=True)
        for index in range(4):
            pixels = np.random.default_rng([index, seed]).integers(0, 255, (64, 64, 3))
            path = tmp_path / "site" / label / f"{index}.png"
            Image.fromarray(pixels.astype("uint8")).save(path)
    options = (
        "unseen_sites.py", "--data", "demo", "--image-size", "64",
        "--weights", "concrete", "--stress-images", "34", "--looks", f"site={tmp_path / 'site'}",
        "--out", str(tmp_path / "out"), "--log", str(tmp_path / "log.csv"),
    )  # fmt: skip
    monkeypatch.setattr(sys, "argv", list(options))
    unseen.main()
    rows = unseen.read_rows(tmp_path / "log.csv")
    assert [row["recipe"] for row in rows] == ["plain", "mapped"]
    for row in rows:
        assert 0 <= float(row["stress_score"]) <= 1
        assert float(row["mean"]) == float(row["site"])
    earlier = {**rows[1], "stress_version": "1"}
    assert unseen.by_version([*rows, earlier]) == {"1": [earlier], str(unseen.VERSION): rows}
    scores = [{**rows[1], "stress_score": str(n), "mean": str(n * n)} for n in range(9)]
    assert unseen.correlation([rows[0], *scores])[::3] == (pytest.approx(1.0), 9)
