"""Which class is the crack, on the command line: what is said of it, --positive, --labels."""

import argparse
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from crackdet.cli import options, stages
from crackdet.files import read_json
from crackdet.report.page_data.dataset import dataset
from crackdet.report.page_data.repeat import command

QUIET = ("--no-audit", "--verbose", "0")


@pytest.fixture
def patches(tmp_path: Path) -> Callable[..., Path]:
    """Makes twenty flat patches in each of some folders; every patch has a grey of its own."""

    def make(*names: str) -> Path:
        for number, name in enumerate(names):
            (tmp_path / "patches" / name).mkdir(parents=True)
            for index in range(20):
                image = Image.new("L", (16, 16), 25 * number + index)
                image.save(tmp_path / "patches" / name / f"{name[:2]}{index:02d}.png")
        return tmp_path / "patches"

    return make


def test_info_says_in_words_which_class_is_the_crack(
    crackdet: Callable[..., Any], patches: Callable[..., Path]
) -> None:
    outcome = crackdet("data", "info", patches("Cracks", "Non-Cracks"), *QUIET)
    assert outcome.code == 0, outcome.err
    assert "Counts as cracked: folder 'Cracks'; as sound: folder 'Non-Cracks'." in outcome.out
    assert "16 negative, 16 positive" in outcome.out


def test_info_says_so_of_a_folder_that_cannot_be_cut(
    crackdet: Callable[..., Any], patches: Callable[..., Path]
) -> None:
    outcome = crackdet("data", "info", patches("NG", "OK"), "--group-by", "(NG|OK)", *QUIET)
    assert "cannot be cut" in outcome.out
    assert "Counts as cracked: folder 'NG'; as sound: folder 'OK'." in outcome.out


@pytest.mark.parametrize("what", ["info", "group"])
def test_what_is_in_doubt_is_one_sentence_and_positive_answers_it(
    crackdet: Callable[..., Any], patches: Callable[..., Path], tmp_path: Path, what: str
) -> None:
    folder = patches("apples", "pears")
    words = ["data", what, folder, *QUIET, *(("--out", tmp_path / "o.csv") * (what == "group"))]
    outcome = crackdet(*words)
    assert outcome.code == 1
    assert len(outcome.err.splitlines()) == 1
    assert "'apples' and 'pears'" in outcome.err
    assert "--positive NAME" in outcome.err
    answered = crackdet(*words, "--positive", "Apples")
    assert answered.code == 0
    assert f"{folder} --positive Apples" in answered.out.splitlines()[-1]
    outcome = crackdet(*words, "--positive", "plums")
    assert outcome.code == 2
    assert "it has 'apples' and 'pears'" in outcome.err


def test_check_takes_labels_where_it_compares_classes(
    crackdet: Callable[..., Any], patches: Callable[..., Path]
) -> None:
    folder = patches("east", "west")
    copy = (folder / "east" / "ea00.png").read_bytes()
    (folder / "west" / "we00.png").write_bytes(copy)
    plain = crackdet("data", "check", folder, "--verbose", "0")
    assert plain.code == 0, plain.err
    assert "Each folder is taken for a class." in plain.out

    labels = folder.parent / "labels.csv"
    names = [f"{name[:2]}{index:02d}.png" for name in ("east", "west") for index in range(20)]
    rows = [f"{name},{int(name[2:4]) % 2}" for name in names]
    labels.write_text("\n".join(["file,label", *rows[:-1]]), "utf-8")
    outcome = crackdet("data", "check", folder, "--labels", labels, "--verbose", "0")
    assert outcome.code == 0, outcome.err
    assert "Counts as cracked: label '1'; as sound: label '0'." in outcome.out
    assert "1 pictures without a row in labels.csv were left out: west/we19.png." in outcome.out
    assert "39 readable images" in outcome.out
    assert "0 pairs with different classes" in outcome.out
    strict = crackdet("data", "check", folder, "--labels", labels, "--verbose", "0", "--strict")
    assert strict.code == 1
    assert "without a row" in strict.err
    assert crackdet("data", "check", folder, "--positive", "north").code == 2


def test_a_run_records_and_repeats_what_counts_as_cracked(
    patches: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = patches("apples", "pears")
    given = {"positive": "pears", "audit": False, "weights": None}
    names = (options.LOADING, options.BACKBONE, options.EVALUATION)
    chosen = options.resolve(given, str(folder), *names)
    places = {"data_dir": None, "manual_dir": None, "strict": False, "verbose": 0}
    arguments = argparse.Namespace(data=str(folder), **places)
    data = stages.load_stage(arguments, chosen, tmp_path / "run")
    assert data.class_names == ("apples", "pears")
    words = "Counts as cracked: folder 'pears'; as sound: folder 'apples'."
    assert words in capsys.readouterr().out

    config: Any = read_json(tmp_path / "run" / "config.json")
    assert (config["options"]["positive"], config["options"]["labels"]) == ("pears", None)
    assert config["data"]["classes"] == words
    run: Any = SimpleNamespace(
        config=config,
        folder=tmp_path / "run",
        class_names=["apples", "pears"],
        metrics={"data": data.facts()},
        samples={"augmented_key": "a"},
    )
    assert "--positive pears --labels none" in command(config, "run")
    assert dataset(run)["classes"] == words
    del run.metrics["data"]["classes"]
    assert dataset(run)["classes"] == "Class 'pears' counts as cracked."


def test_commands_of_a_folder_take_both_options(crackdet: Callable[..., Any]) -> None:
    for words in ("run", "search", "train", "evaluate", "data info", "data group", "data check"):
        shown = crackdet(*words.split(), "--help").out
        assert "--positive NAME" in shown
        assert "--labels FILE" in shown
