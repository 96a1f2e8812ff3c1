"""`crackdet adapt`: before and after, a model that is better, and none that is not."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crackdet.evaluation import adaptation
from crackdet.files import read_json
from crackdet.inference import load_classifier
from crackdet.models.record import ModelRecord, write_record
from tests.standin import standin_classifier

QUIET = ("--bootstrap", "20", "--verbose", "0", "--no-audit")


@pytest.fixture(autouse=True)
def patches_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptation, "VIEWS", 0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.keras"
    standin_classifier(32).save(path)
    write_record(path, ModelRecord(miss_cost=0.25))
    return path


def test_a_model_that_is_better_judges_what_it_has_not_seen(
    crackdet: Callable[..., Any], model: Path, patches: Path, tmp_path: Path
) -> None:
    out = tmp_path / "adapted"
    done = crackdet("adapt", model, "--data", patches, "--out", out, *QUIET)
    assert done.code == 0, done.err
    assert "cross-validated by photo" in done.out
    assert "AUROC gained +" in done.out
    assert f"Model: {out / 'model.keras'}" in done.out
    # A miss costs what it cost when the model's own threshold was chosen.
    assert read_json(out / "adaptation.json")["threshold_cost_ratio"] == 0.8
    assert load_classifier(out).miss_cost == 0.25
    refused = crackdet("evaluate", out, "--data", patches, *QUIET)
    assert refused.code == 1
    assert "The model was trained or tuned on all 40 images" in refused.err
    again = crackdet("adapt", out, "--data", patches, "--out", tmp_path / "again", *QUIET)
    assert again.code == 1
    assert "The model was trained or tuned on all 40 images" in again.err
    assert "--include-seen" not in again.err, "adapt has no such option"


def test_nothing_is_written_where_it_is_no_better_or_cannot_be(
    crackdet: Callable[..., Any], model: Path, patches: Path, tmp_path: Path
) -> None:
    out = tmp_path / "adapted"
    mixed = tmp_path / "mixed"  # labels that say nothing
    for number, path in enumerate(sorted(patches.rglob("*.png"))):
        copy = mixed / ("sound", "cracked")[number // 2 % 2] / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    worse = crackdet("adapt", model, "--data", mixed, "--out", out, *QUIET)
    few = mixed / "sound"
    for path in sorted(few.iterdir())[4:]:
        path.unlink()
    too_few = crackdet("adapt", model, "--data", mixed, "--out", out, *QUIET)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").touch()
    taken = crackdet("adapt", model, "--data", mixed, "--out", tmp_path / "taken", *QUIET)
    assert [each.code for each in (worse, too_few, taken)] == [1, 1, 1]
    assert "so nothing was written: go on with the old one" in worse.err
    assert "Adapting needs 5 patches or more of each class" in too_few.err
    assert "holds files but no adapted model" in taken.err
    assert not out.exists()
