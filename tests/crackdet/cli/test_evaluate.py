"""`crackdet evaluate`: which images of a folder are judged, and what is printed and written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crackdet.data import load_data
from crackdet.evaluation import detection_by_width, evaluate_run
from crackdet.files import write_json
from tests.standin import standin_classifier

QUIET = ("--bootstrap", "20", "--verbose", "0")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, patches: Path) -> Path:
    """A run over the patches, cut with another seed than that of `evaluate`, never trained."""
    path = tmp_path_factory.mktemp("run")
    data = load_data(
        patches, image_size=32, seed=3, validation_fraction=0.2, test_fraction=0.2, verbose=0
    )
    metrics = evaluate_run(
        standin_classifier(32), standin_classifier(32, seed=1), data, path, bootstrap=0
    )
    # As if it had measured cracks of known width too.
    width, threshold = np.linspace(0, 8, 81)[1:], metrics["threshold"]
    found = (width > 2) ^ (np.arange(80) % 9 == 0)
    labels, scores = np.r_[np.ones(80, int), 0], threshold * np.r_[2 * found, 0]
    facts = detection_by_width(
        labels, scores, np.r_[width, 0], labels, threshold=threshold, groups=np.arange(81)
    )
    write_json(path / "metrics.json", {**metrics, "detection": {"side": 32, **facts}})
    return path


@pytest.fixture
def judge(crackdet: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Runs `evaluate` and returns what it printed and the row that it wrote."""

    def command(model: Path, data: Path, *options: object) -> tuple[str, dict[str, Any]]:
        out = tmp_path / "row.json"
        outcome = crackdet("evaluate", model, "--data", data, "--out", out, *QUIET, *options)
        assert outcome.code == 0, outcome.err
        return outcome.out, json.loads(out.read_text("utf-8"))

    return command


def test_a_run_is_judged_on_its_own_test_split(
    judge: Callable[..., Any], run: Path, patches: Path
) -> None:
    expected = json.loads((run / "metrics.json").read_text())["after"]["test"]
    for options in (("--split", "test"), ()):
        out, row = judge(run, patches, *options)
        assert row["split"] == "test"
        assert (row["n"], row["confusion"]) == (expected["n"], expected["confusion"])
        assert "the test split of the model's own run" in out
        # A classifier that was never trained, and contrast that finds the lines.
        assert "better than one threshold on contrast that was fitted on these very" in out
        assert row["trivial"]["accuracy"] == row["accuracy"]
        assert "% where 1 % are cracked" in out
        assert "Of cracks painted on validation, a crack of" in out
        assert "Without a crack 0.00 % of the 1 patches raise an alarm." in out
    assert "Left out" in out
    assert row["images"]["left_out"] == row["images"]["trained_on"] + row["images"]["tuned_on"]
    assert row["images"]["judged"] == row["n"]
    assert judge(run, patches, "--include-seen")[1]["n"] == row["images"]["given"] == 40


def test_a_wish_chooses_the_threshold(
    judge: Callable[..., Any], crackdet: Callable[..., Any], run: Path, patches: Path
) -> None:
    out, row = judge(run, patches, "--split", "validation", "--include-seen", "--recall", "1")
    assert row["recall"] == 1
    assert "Of cracks painted" not in out, "their widths are of the model's own threshold"
    assert "(--recall 1: of the validation scores that the model stores it finds 100.0%" in out
    outcome = crackdet(
        "evaluate", run, "--data", patches, "--recall", "0.9", "--false-alarm-rate", "0.1"
    )
    assert outcome.code == 2
    assert "--false-alarm-rate: not allowed with argument --recall" in outcome.err


def test_another_folder_is_judged_whole(
    judge: Callable[..., Any], run: Path, patches: Path, tmp_path: Path
) -> None:
    strange = tmp_path / "site"
    for path in sorted(patches.rglob("*.png"))[::4]:
        copy = strange / path.parent.name / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes() + b"\0")  # another file, by its content
    out, row = judge(run, strange)
    assert "Judging the whole of site: 10 images, none known to the model." in out
    assert row["n"] == 10
    fn, tp = row["confusion"][1]
    assert f"{tp} found, {fn} missed" in out
    assert f"{row['accuracy']:.4f}" in out
    # Without its list, the model does not say what it knows.
    alone = tmp_path / "alone.keras"
    shutil.copy(run / "model.keras", alone)
    out, row = judge(alone, patches)
    assert row["n"] == 40
    assert "does not stand beside it" in out


def test_one_image_of_one_class_is_judged(
    judge: Callable[..., Any], run: Path, patches: Path, tmp_path: Path
) -> None:
    """The fault: TypeError, before --out was written."""
    image = next((patches / "crack").iterdir())
    (tmp_path / "one" / "crack").mkdir(parents=True)
    (tmp_path / "one" / "crack" / "a.png").write_bytes(image.read_bytes() + b"\0")
    out, row = judge(run, tmp_path / "one")
    assert row["n"] == 1
    assert row["auroc"] is None
    assert row["intervals"]["auroc"] is None
    assert row["trivial"] is None
    assert "undefined" in out
    assert "95% intervals from 1 group with cracked images" in out
    assert "A single image judged is cracked: recall is all or nothing." in out


def test_labels_of_a_file_replace_those_of_the_folders(
    judge: Callable[..., Any], run: Path, patches: Path, tmp_path: Path
) -> None:
    strange = tmp_path / "site"
    for path in sorted(patches.rglob("*.png"))[::4]:
        copy = strange / "test" / path.parent.name / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes() + b"\0")
    names = sorted(path.relative_to(strange).as_posix() for path in strange.rglob("*.png"))
    corrected = ["1", "0", "dropped", *"1010111"]
    rows = [f"{name},1,{label}" for name, label in zip(names, corrected, strict=True)]
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(["path,original,corrected", *rows]), "utf-8")
    out, row = judge(run, strange, "--labels", labels)
    assert (row["n"], row["positives"]) == (9, 6)
    assert row["classes"] == "Counts as cracked: label '1'; as sound: label '0'."
    assert row["classes"] in out
    assert f"1 pictures labelled 'dropped' were left out: {names[2]}." in out
    # Without the file: test/ alone is judged, under the folders' own labels.
    out, row = judge(run, strange)
    assert (row["n"], row["positives"]) == (10, sum("no_crack" not in name for name in names))


def test_a_strange_folder_is_cut_where_a_split_is_asked_for(
    crackdet: Callable[..., Any],
    judge: Callable[..., Any],
    run: Path,
    patches: Path,
    tmp_path: Path,
) -> None:
    alone = tmp_path / "alone.keras"
    shutil.copy(run / "model.keras", alone)
    shares = ("--validation-fraction", "0.2", "--test-fraction", "0.3")
    small = judge(alone, patches, *shares, "--split", "test")[1]
    assert judge(alone, patches, *shares, "--split", "train")[1]["n"] > small["n"]
    refused = crackdet("evaluate", alone, "--data", patches, *shares)
    assert refused.code == 2
    assert "--validation-fraction cuts a split: say which one is judged with --split" in refused.err


def test_a_split_that_was_trained_on_is_refused_with_the_remedy(
    crackdet: Callable[..., Any], run: Path, patches: Path
) -> None:
    refused = crackdet("evaluate", run, "--data", patches, "--split", "train", *QUIET)
    assert refused.code == 1
    assert "--include-seen judges them all the same" in refused.err
