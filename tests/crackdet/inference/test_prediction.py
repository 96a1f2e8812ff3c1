"""`crackdet.predict` takes pictures in any form, answers each in its place, refuses the rest."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import crackdet
from crackdet.errors import CrackdetError
from crackdet.files import read_csv
from crackdet.inference import Classifier, Prediction, find_pictures, judge, load_classifier

SHADES = {"black": 0, "grey": 150, "white": 255}


def patch(shade: int, height: int = 16, width: int = 16) -> np.ndarray:
    return np.full((height, width, 3), shade, np.uint8)


def probability(shade: int) -> float:
    """What the model of these tests says of a plain picture."""
    return float(1 / (1 + np.exp(-(6 * (1 - shade / 255) - 2))))


@pytest.fixture(scope="module")
def classifier(run: Path) -> Classifier:
    return load_classifier(run)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, shade in SHADES.items():
        Image.fromarray(patch(shade)).save(tmp_path / f"{name}.png")
    return tmp_path


def test_pictures_in_any_form_get_the_same_answers(folder: Path, classifier: Classifier) -> None:
    paths = sorted(folder.iterdir())
    arrays = [patch(shade) for shade in SHADES.values()]
    forms: dict[str, Any] = {
        "folder": folder,
        "its name": str(folder),
        "pattern": str(folder / "*.png"),
        "paths": paths,
        "column": np.array([str(path) for path in paths], object),
        "generator": (path for path in paths),
        "opened": [Image.open(path) for path in paths],
        "batch": np.stack(arrays),
        "floats": np.stack(arrays).astype(np.float32) + 0.2,
        "integers": np.stack(arrays).astype(np.int64),
        "tensor": keras.ops.convert_to_tensor(np.stack(arrays)),
        "batches": iter([np.stack(arrays[:2]), np.stack(arrays[2:])]),
        "mixed": [str(paths[0]), Image.fromarray(arrays[1]), arrays[2]],
    }
    expected = [probability(shade) for shade in SHADES.values()]
    for form, images in forms.items():
        rows = crackdet.predict(images, classifier)
        assert [row.probability for row in rows] == pytest.approx(expected, abs=1e-6), form
        assert [row.label for row in rows] == ["cracked", "sound", "sound"], form  # grey is 0.6155
        assert [row.cracked for row in rows] == [True, False, False], form
        assert not any(row.unsure or row.photo or row.error for row in rows), form
    (alone,) = crackdet.predict(arrays[0], classifier)
    assert alone == Prediction("image 0", "cracked", True, alone.probability)
    assert [row.file for row in crackdet.predict(forms["mixed"], classifier)] == [
        *(str(paths[0]), "image 1", "image 2")
    ]


def test_the_threshold_and_the_model_are_the_callers_choice(run: Path, folder: Path) -> None:
    assert crackdet.predict(folder / "grey.png", run, threshold=0.6)[0].cracked
    model = keras.saving.load_model(run / "model.keras")
    (row,) = crackdet.predict(folder / "grey.png", model)
    assert (row.label, row.cracked) == ("positive", True)  # of 0.6155 with the default, 0.5
    with pytest.raises(ValueError, match=r"Received: threshold=1\.5"):
        crackdet.predict(folder, run, threshold=1.5)
    with pytest.raises(ValueError, match="Received: batch_size=0"):
        crackdet.predict(folder, run, batch_size=0)


@given(st.lists(st.sampled_from(["array", "opened", "file", "missing", "broken"]), max_size=9))
@settings(max_examples=15, deadline=None)
def test_each_picture_has_a_row_in_its_place(
    tmp_path_factory: pytest.TempPathFactory, run: Path, kinds: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("pictures")
    images: list[Any] = []
    for number, kind in enumerate(kinds):
        path = folder / f"{number}.png"
        if kind in ("array", "opened"):
            images.append(patch(number) if kind == "array" else Image.fromarray(patch(number)))
            continue
        images.append(path)
        if kind == "file":
            Image.fromarray(patch(number)).save(path)
        elif kind == "broken":
            path.write_bytes(b"\x89PNG")
    rows = list(judge(find_pictures(images, print), load_classifier(run), batch_size=3))
    assert len(rows) == len(kinds)
    for number, (kind, row) in enumerate(zip(kinds, rows, strict=True)):
        if kind in ("missing", "broken"):
            assert row.as_dict() == {"file": str(images[number]), "error": row.error}
            assert f"{number}.png" in str(row.error)
            assert row.cracked is row.label is row.probability is None
        else:
            assert row.probability == pytest.approx(probability(number), abs=1e-6)


def test_a_generator_is_read_a_batch_at_a_time(classifier: Classifier) -> None:
    asked = []

    def frames() -> Iterator[np.ndarray]:
        for number in range(10):
            asked.append(number)
            yield patch(number)

    rows = judge(find_pictures(frames(), print), classifier, batch_size=4)
    assert asked == []
    assert next(rows).file == "image 0"
    assert asked == [0, 1, 2, 3]
    assert [row.file for row in rows] == [f"image {number}" for number in range(1, 10)]


def test_what_has_no_answer_is_counted_in_a_warning(folder: Path, classifier: Classifier) -> None:
    with pytest.warns(UserWarning, match=r"1 of 2 pictures have no answer\. .*missing\.png"):
        rows = crackdet.predict([folder / "missing.png", folder / "black.png"], classifier)
    assert [row.answer for row in rows] == ["unreadable", "cracked"]
    (folder / "notes.txt").touch()
    with pytest.warns(UserWarning, match=r"1 file skipped: 1 \.txt"):
        assert len(crackdet.predict(folder, classifier)) == 3
    (folder / "cut.png").write_bytes((folder / "grey.png").read_bytes()[:60])
    with Image.open(folder / "cut.png") as opened, pytest.warns(UserWarning, match="no answer"):
        assert "cut.png" in str(crackdet.predict(opened, classifier)[0].error)


@pytest.mark.parametrize(("height", "width"), [(41, 16), (16, 200), (100, 100)])
def test_a_photo_or_a_strip_is_judged_with_a_warning(
    classifier: Classifier, height: int, width: int
) -> None:
    """The model was trained from patches of 20 pixels, whatever it sees itself: 8."""
    with pytest.warns(UserWarning, match=r"1 of 2 images, image 1 first, .* patches of 20 pixels"):
        rows = crackdet.predict([patch(9), patch(9, height, width)], classifier)
    assert [row.photo for row in rows] == [False, True]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert not crackdet.predict(patch(9, 40, 40), classifier)[0].photo


REFUSED = {
    "scaled": (patch(150) / 255.0, "floats from 0.5882 to 0.5882, scaled"),
    "preprocessed": (patch(10) / 127.5 - 1, "floats from -0.9216 to -0.9216, scaled or prepro"),
    "black floats": (patch(0) * 0.0, "scaled or preprocessed already"),
    "other preprocessing": (patch(150).astype(np.float32) - 200, "values from -50 to -50"),
    "16 bits": (patch(150).astype(np.uint16) * 16, "values from 2400 to 2400"),
    "no number": (np.where(np.eye(16)[..., None], np.nan, patch(150)), "NaN"),
    "truth values": (patch(1).astype(bool), "holds bool"),
    "grey": (patch(150)[..., 0], r"shape \(16, 16\), expected .* np.stack"),
    "one channel": (patch(150)[..., :1], "a grey picture needs its channel three times"),
    "channels first": (np.moveaxis(patch(150, 20, 30), -1, 0), "np.moveaxis"),
    "four channels": (np.zeros((16, 16, 4), np.uint8), "leave out the fourth channel"),
    "videos": (np.zeros((1, 2, 16, 16, 3), np.uint8), "give one picture, or pictures of one size"),
    "numbers": ([3], "Image 0 is of type int: expected paths"),
    "pairs": ([(patch(150), 1)], "Image 0 is of type tuple"),
    "nothing": (None, "`images` is of type NoneType"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_picture_is_refused_in_one_sentence(classifier: Classifier, name: str) -> None:
    images, words = REFUSED[name]
    with pytest.raises(CrackdetError, match=words) as error:
        crackdet.predict(images, classifier)
    assert "\n" not in str(error.value)
    if isinstance(images, np.ndarray):
        with pytest.raises(CrackdetError, match=f"Image 1 .*{words}"):
            crackdet.predict(iter([patch(150), images]), classifier)


def test_black_pictures_and_none_at_all_are_fine(classifier: Classifier) -> None:
    for black in (patch(0), patch(0).astype(np.int32), Image.fromarray(patch(0))):
        assert crackdet.predict(black, classifier)[0].cracked
    for nothing in ([], np.zeros((0, 16, 16, 3), np.uint8), iter(())):
        assert crackdet.predict(nothing, classifier) == []


def test_an_opened_picture_is_read_as_its_file_would_be(classifier: Classifier) -> None:
    image = Image.fromarray(patch(255)).convert("RGBA")
    image.putalpha(0)
    image.paste((0, 0, 0, 255), (0, 0, 16, 8))
    over_white = np.concatenate([patch(0, 8), patch(255, 8)])
    rows = crackdet.predict([image, over_white], classifier)
    assert rows[0].probability == rows[1].probability
    with pytest.warns(UserWarning, match="mode I;16 does not say how many bits it uses"):
        assert crackdet.predict(Image.new("I;16", (16, 16)), classifier)[0].cracked is None


def test_rows_are_written_whole_and_shown_as_a_table(
    folder: Path, classifier: Classifier, tmp_path: Path
) -> None:
    odd = os.fsdecode(os.fsencode(folder) + b"/ma\xdfe, 1.png")
    Image.fromarray(patch(150)).save(odd)
    (folder / "broken.png").touch()
    with pytest.warns(UserWarning, match="no answer"):
        rows = crackdet.predict([odd, folder / "black.png", folder / "broken.png"], classifier)
    path = rows.to_csv(tmp_path / "out" / "rows.csv")
    assert [each.name for each in path.parent.iterdir()] == ["rows.csv"]
    first, second, third = read_csv(path)
    assert first["file"] == odd
    assert (first["label"], first["cracked"], first["unsure"]) == ("sound", "false", "false")
    assert np.float32(first["probability"]) == np.float32(rows[0].probability)
    assert (second["cracked"], second["error"]) == ("true", "")
    assert (third["label"], third["cracked"], third["probability"]) == ("", "", "")
    assert third["error"] == rows[2].error
    lines = repr(rows).splitlines()
    assert lines[0] == "3 pictures: 1 cracked, 1 sound, 1 unreadable"
    assert lines[1] == rf"sound  0.6155  {folder}/ma\udcdfe, 1.png"
    assert lines[3].startswith("unreadable  Cannot read")
    assert repr(crackdet.predict(np.stack([patch(0)] * 30), classifier)).endswith("... 10 more")
