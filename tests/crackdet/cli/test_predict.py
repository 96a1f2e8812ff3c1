"""`crackdet predict` on a small classifier."""

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from crackdet.cli import main
from crackdet.data import read_image
from crackdet.files import read_csv
from crackdet.listing import list_pictures
from crackdet.models import preset_card, preset_names
from crackdet.models.record import ModelRecord, write_record

SIZE = 32


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few layers with the inputs and outputs of the real classifier."""
    path = tmp_path_factory.mktemp("model") / "small.keras"
    keras.utils.set_random_seed(1)
    keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Rescaling(1 / 127.5, offset=-1),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    ).save(path)
    return path


def expected_probability(model: Path, image: Path) -> float:
    batch = read_image(image, size=SIZE)[None]
    return float(keras.saving.load_model(model).predict(batch, verbose=0)[0, 1])


def test_predict_prints_what_the_model_says(
    crackdet: Callable[..., Any], model: Path, folder: Path
) -> None:
    images = list_pictures(folder).paths[:3]
    outcome = crackdet("predict", *images, "--model", model, "--json")
    assert outcome.code == 0
    answer = json.loads(outcome.out)
    assert answer["threshold"] == 0.5
    assert "comes without one" in answer["threshold_from"]
    assert [row["file"] for row in answer["images"]] == [str(image) for image in images]
    for row, image in zip(answer["images"], images, strict=True):
        assert row["probability"] == pytest.approx(expected_probability(model, image), abs=1e-5)
        assert row["label"] == ("positive" if row["probability"] >= 0.5 else "negative")


def test_a_folder_larger_than_a_batch_is_judged_in_order(
    crackdet: Callable[..., Any], model: Path, folder: Path
) -> None:
    outcome = crackdet("predict", folder, "--model", model)
    lines = outcome.out.splitlines()
    assert lines[0].startswith("threshold 0.5000 (the default")
    for answer, probability, _ in (line.split("  ") for line in lines[1:]):
        assert answer == ("cracked" if float(probability) >= 0.5 else "sound")
    assert [line.split("  ")[2] for line in lines[1:]] == [
        str(p) for p in list_pictures(folder).paths
    ]
    last = lines[-1].split("  ")
    assert float(last[1]) == pytest.approx(expected_probability(model, Path(last[2])), abs=1e-4)


def test_bad_files_are_named_and_the_rest_goes_on(
    crackdet: Callable[..., Any], model: Path, folder: Path, tmp_path: Path
) -> None:
    good = list_pictures(folder).paths[0]
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "cut.jpg").write_bytes(good.read_bytes()[:900])
    outcome = crackdet("predict", tmp_path, good, tmp_path / "missing.jpg", "--model", model)
    assert outcome.code == 1
    assert outcome.out.splitlines()[-1].endswith(str(good))
    for name in ("empty.jpg", "text.png", "cut.jpg", "missing.jpg"):
        assert sum(name in line for line in outcome.err.splitlines()) == 1


def test_only_bad_files_leave_an_empty_answer(
    crackdet: Callable[..., Any], model: Path, tmp_path: Path
) -> None:
    outcome = crackdet("predict", tmp_path / "missing.jpg", "--model", model, "--json")
    assert outcome.code == 1
    (row,) = json.loads(outcome.out)["images"]
    assert row["file"] == str(tmp_path / "missing.jpg")
    assert "missing.jpg" in row["error"]


def test_what_holds_no_images_is_an_error_before_the_model_is_loaded(
    crackdet: Callable[..., Any], tmp_path: Path
) -> None:
    for images, words in (
        (tmp_path, f"{tmp_path} holds no image files: name a folder that does."),
        (tmp_path / "*.jpg", "*.jpg matches no image files: check the pattern."),
    ):
        outcome = crackdet("predict", images, "--model", tmp_path / "absent.keras")
        assert outcome.code == 1
        assert words in outcome.err


def test_a_folder_is_listed_by_the_one_rule(
    crackdet: Callable[..., Any], model: Path, tmp_path: Path
) -> None:
    grey = Image.new("L", (SIZE, SIZE), 90)
    for name in ("shots.jpg/a.png", ".ipynb_checkpoints/a.png", "b.jfif", "film.mov"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        grey.save(tmp_path / name, "PNG")
    outcome = crackdet("predict", tmp_path, "--model", model)
    assert (outcome.code, outcome.out.count("\n")) == (0, 3)
    assert "1 file skipped: 1 .mov; 1 folder skipped: 1 .ipynb_checkpoints" in outcome.err


def test_what_is_no_patch_is_an_error_of_that_file(
    crackdet: Callable[..., Any], model: Path, tmp_path: Path
) -> None:
    Image.new("L", (1, 1)).save(tmp_path / "dot.png")
    Image.new("L", (5000, 2)).save(tmp_path / "line.png")
    os.mkfifo(tmp_path / "pipe.jpg")
    outcome = crackdet("predict", tmp_path, tmp_path / "pipe.jpg", "--model", model)
    assert outcome.code == 1
    for words in ("dot.png: 1x1 pixels are no patch", "line.png: 5000x2", "no regular file"):
        assert words in outcome.err


def test_16_bit_pictures_are_judged_in_the_light_of_all(
    crackdet: Callable[..., Any], model: Path, tmp_path: Path
) -> None:
    ramp = np.linspace(0, 4095, SIZE * SIZE).reshape(SIZE, SIZE)
    for name, largest in (("a", 4095), ("b", 1000)):
        Image.fromarray((ramp * largest / 4095).astype(np.uint16)).save(tmp_path / f"{name}.tif")
        pixels = (ramp * largest / 4095).astype(np.uint16) * 255.0 / 4095
        Image.fromarray(np.rint(pixels).astype(np.uint8)).save(tmp_path / f"{name}.png")
    outcome = crackdet("predict", tmp_path, "--model", model, "--json")
    assert "were read as of 12 bits" in outcome.err
    rows = {Path(row["file"]).name: row for row in json.loads(outcome.out)["images"]}
    for name in "ab":
        assert rows[f"{name}.tif"]["probability"] == rows[f"{name}.png"]["probability"]


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["lines", "json"])
def test_names_that_a_terminal_cannot_print_stop_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: tuple[str, ...]
) -> None:
    """As with PYTHONIOENCODING=ascii, where a name in UTF-8 was as bad as one in none."""
    names = [b"Ma\xdfe.png", "Maße.png".encode(), b"a\nb.png"]
    for name in names:
        Image.new("L", (SIZE, SIZE), 90).save(tmp_path / os.fsdecode(name))
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii", write_through=True))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), "ascii"))
    assert main(["predict", str(tmp_path), "--model", str(model), *form]) == 0
    text = written.getvalue().decode("ascii")
    if form:
        files = [os.fsencode(row["file"]) for row in json.loads(text)["images"]]
        assert {os.path.basename(file) for file in files} == set(names)
    else:
        lines = text.splitlines()
        assert len(lines) == 4
        assert [line.rpartition("/")[2] for line in lines[1:]] == [
            *(r"Ma\xdfe.png", r"Ma\udcdfe.png", r"a\nb.png")
        ]


def test_a_photo_of_a_wall_is_judged_with_a_warning(
    crackdet: Callable[..., Any], model: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (10 * SIZE, 8 * SIZE), "grey").save(tmp_path / "wall.png")
    outcome = crackdet("predict", tmp_path / "wall.png", "--model", model)
    assert outcome.code == 0
    assert "wall.png" in outcome.err
    assert "judged as one patch" in outcome.err
    Image.new("RGB", (10 * SIZE, SIZE), "grey").save(tmp_path / "strip.png")
    assert "strip.png" in crackdet("predict", tmp_path / "strip.png", "--model", model).err
    Image.new("RGB", (2 * SIZE, 2 * SIZE), "grey").save(tmp_path / "patch.png")
    assert crackdet("predict", tmp_path / "patch.png", "--model", model).err == ""


def test_patterns_are_matched_where_no_shell_did(
    crackdet: Callable[..., Any], model: Path, tmp_path: Path
) -> None:
    grey = Image.new("L", (SIZE, SIZE), 90)
    for name in ("a.png", "b.png", "c.jpg", "north/d.png", "north/deep/e.png", "odd[1].png"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        grey.save(tmp_path / name)

    def judged(pattern: str) -> list[str]:
        outcome = crackdet("predict", tmp_path / pattern, "--model", model, "--json")
        rows = json.loads(outcome.out)["images"]
        return [str(Path(row["file"]).relative_to(tmp_path)) for row in rows]

    assert judged("*.png") == ["a.png", "b.png", "odd[1].png"]
    assert judged("**/*.png") == [
        *("a.png", "b.png", "north/d.png", "north/deep/e.png", "odd[1].png")
    ]
    assert judged("n*") == ["north/d.png", "north/deep/e.png"]
    assert judged("odd[1].png") == ["odd[1].png"]


def test_a_table_holds_every_row_and_the_classes_own_names(
    crackdet: Callable[..., Any], model: Path, tmp_path: Path
) -> None:
    Image.new("L", (SIZE, SIZE), 90).save(tmp_path / "wall.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    table = tmp_path / "rows.csv"
    outcome = crackdet("predict", tmp_path, "--model", model, "--json", "--csv", table)
    assert outcome.code == 1
    written = {Path(row["file"]).name: row for row in read_csv(table)}
    rows = {Path(row["file"]).name: row for row in json.loads(outcome.out)["images"]}
    assert written.keys() == rows.keys() == {"wall.png", "broken.png"}
    wall = rows["wall.png"]
    assert written["wall.png"]["label"] == wall["label"]
    assert wall["label"] == ("positive" if wall["cracked"] else "negative")
    assert written["wall.png"]["cracked"] == str(wall["cracked"]).lower()
    assert float(written["wall.png"]["probability"]) == pytest.approx(wall["probability"])
    assert wall["unsure"] is False
    assert written["broken.png"]["error"] == rows["broken.png"]["error"] != ""
    assert written["broken.png"]["label"] == ""


def test_the_threshold_of_a_run_is_the_one_it_chose(
    crackdet: Callable[..., Any], model: Path, folder: Path, tmp_path: Path
) -> None:
    image = list_pictures(folder).paths[0]
    probability = expected_probability(model, image)
    (tmp_path / "model.keras").write_bytes(model.read_bytes())
    for threshold, label in ((probability - 1e-3, "cracked"), (probability + 1e-3, "sound")):
        write_record(tmp_path / "model.keras", ModelRecord(("sound", "cracked"), threshold))
        for name in (tmp_path, tmp_path / "model.keras"):
            answer = json.loads(crackdet("predict", image, "--model", name, "--json").out)
            assert answer["images"][0]["label"] == label
            assert answer["threshold_from"] == str(tmp_path / "model.json")
    answer = json.loads(
        crackdet("predict", image, "--model", tmp_path, "--threshold", "0", "--json").out
    )
    assert (answer["threshold"], answer["threshold_from"]) == (0.0, "--threshold")
    assert answer["images"][0]["label"] == "cracked"


@pytest.mark.slow
@pytest.mark.parametrize("name", preset_names())
def test_a_shipped_preset_judges_with_the_threshold_of_its_card(
    crackdet: Callable[..., Any], folder: Path, name: str
) -> None:
    images = list_pictures(folder).paths
    outcome = crackdet("predict", *images, "--model", name, "--json")
    answer = json.loads(outcome.out)
    assert preset_card(name)["limits"] in outcome.err
    assert answer["threshold"] == preset_card(name)["threshold"]
    assert answer["threshold_from"] == f"the card of the preset {name}"
    right = [Path(row["file"]).parent.name == row["label"] for row in answer["images"]]
    # Procedural concrete is no photograph, but a preset that guesses has lost its weights.
    assert np.mean(right) > 0.6


def test_a_model_with_other_outputs_is_refused(
    crackdet: Callable[..., Any], tmp_path: Path, folder: Path
) -> None:
    path = tmp_path / "three.keras"
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]).save(
        path
    )
    outcome = crackdet("predict", folder, "--model", path)
    assert outcome.code == 1
    assert "to 3 outputs" in outcome.err
