"""`crackdet transfer`: several sites in one table, the files of the folder, and their page."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crackdet.models.record import ModelRecord, write_record
from tests.standin import standin_classifier

QUIET = ("--bootstrap", "20", "--verbose", "0", "--no-audit")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.keras"
    standin_classifier(32).save(path)
    write_record(path, ModelRecord(threshold=0.4))
    return path


def test_sites_of_a_list_and_of_the_command_line(
    crackdet: Callable[..., Any], model: Path, patches: Path, tmp_path: Path
) -> None:
    names = sorted(path.relative_to(patches).as_posix() for path in patches.rglob("*.png"))
    rows = [f"{name},{int('no_crack' not in name)}" for name in names[:30]]
    (tmp_path / "few.csv").write_text("\n".join(["path,label", *rows]), "utf-8")
    sites = tmp_path / "sites.csv"
    line = f"bridge & <deck>;{patches};CC BY 4.0;few.csv;(\\d)\\d.png"
    sites.write_text(f"name;data;licence;labels;group_by\n{line}\n", "utf-8")
    out = tmp_path / "sites"
    command = ("transfer", model, "--data", patches, "--sites", sites, "--out", out, *QUIET)
    done = crackdet(*command)
    assert done.code == 0, done.err
    assert "Mean AUROC over sites" in done.out
    assert "threshold 0.4000" in done.out

    found = json.loads((out / "sites.json").read_text("utf-8"))
    whole, listed = found["sites"]
    assert (whole["site"], whole["n"], whole["groups"]) == (patches.name, 40, 40)
    assert (listed["site"], listed["licence"]) == ("bridge & <deck>", "CC BY 4.0")
    assert (listed["n"], listed["groups"]) == (30, 4)
    assert listed["threshold"] == found["threshold"] == 0.4
    with open(out / "sites.csv", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [float(row["auroc"]) for row in table] == pytest.approx(
        [row["auroc"] for row in found["sites"]], abs=1e-5
    )
    with open(out / "predictions.csv", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 70

    page = (out / "report.html").read_text("utf-8")
    assert "bridge &amp; &lt;deck&gt;" in page
    assert "<deck>" not in page
    assert page.count("data:image/webp;base64,") == 2
    assert '<table class="numbers wide">' in page, "twelve columns fit no page otherwise"
    (out / "report.html").unlink()
    assert crackdet("report", out).code == 0
    assert (out / "report.html").read_text("utf-8") == page
    # The command that the page names gives the same figures.
    assert "--no-audit" not in found["command"]
    assert f"--data {patches} --sites {sites}" in found["command"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "Name the sites with --data"),
        (("--data", "{patches}", "{patches}"), 2, "Two sites are called"),
        (("--sites", "{empty}"), 1, "lists no site"),
        (("--sites", "{strange}"), 1, "has a column 'license'"),
        (("--sites", "{comma}"), 1, "line 2 has more cells than the first line: a cell that holds"),
        (("--data", "{patches}", "--out", "{taken}"), 1, "holds files but no sites"),
        (("--data", "{patches}", "nowhere"), 1, "Cannot find the data 'nowhere'"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(
    crackdet: Callable[..., Any],
    model: Path,
    patches: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    code: int,
    told: str,
) -> None:
    (tmp_path / "empty.csv").write_text("data\n", "utf-8")
    (tmp_path / "strange.csv").write_text("data,license\ndemo,CC0\n", "utf-8")
    (tmp_path / "comma.csv").write_text("data,licence\ndemo,CC BY 4.0, mine\n", "utf-8")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "predictions.csv").touch()  # of a run, say
    places: dict[str, Path] = {"taken": tmp_path / "taken"}
    places |= {name: tmp_path / f"{name}.csv" for name in ("empty", "strange", "comma")}
    given = [word.format(patches=patches, **places) for word in words]
    done = crackdet("transfer", model, *given, *QUIET)
    assert done.code == code
    assert told in done.err
    assert done.err.count("\n") == 1
