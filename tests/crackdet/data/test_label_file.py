"""A CSV of path and label instead of the folders' labels."""

from collections.abc import Callable
from pathlib import Path

import pytest

from crackdet.data import load_data
from crackdet.data.class_names import Labels
from crackdet.data.labelling import label_pictures
from crackdet.errors import CrackdetError

FILES = ("CD/1.png", "CD/2.png", "UD/3.png", "UD/4.png")


def label(
    folder: Path, text: str, positive: str | None = None, files: tuple[str, ...] = FILES
) -> Labels:
    file = folder / "labels.csv"
    file.write_text(text, "utf-8")
    paths = [folder / name for name in files]
    return label_pictures(folder, paths, positive=positive, labels=file)[1]


@pytest.mark.parametrize(
    "text",
    [
        "path,label\nCD/1.png,1\nCD/2.png,0\nUD/3.png,0\nUD/4.png,1\n",
        "path,original,corrected\nCD/1.png,0,1\nCD/2.png,1,0\nUD/3.png,0,0\nUD/4.png,0,1\n",
        "\ufeffFile Name;Class\n1.png;Riss\n2.png;rissfrei\n3.png;rissfrei\n4.png;Riss\n",
        "label\tfile\ncrack\t./CD/1.png\nnone\tCD\\2.png\nnone\tUD/3.png\ncrack\tUD/x/../4.png\n",
        "image,cracks?\r\nCD/1.png,1.0\r\nCD/2.png,0.0\r\nUD/3.png,0.0\r\nUD/4.png,1.0\r\n",
        "key,split,label,group\n1.png,test,positive,1\n2.png,test,negative,2\n"
        "3.png,train,negative,3\n4.png,train,positive,4\n",
    ],
    ids=["plain", "corrected", "excel", "tabs", "pandas", "group table"],
)
def test_labels_come_from_the_file(tmp_path: Path, text: str) -> None:
    labelling = label(tmp_path, text)
    assert labelling.labels == (1, 0, 0, 1)
    assert labelling.class_names == ("negative", "positive")
    assert len(labelling.remarks) == 1
    assert "labels.csv, column" in labelling.remarks[0]


def test_paths_may_be_absolute_or_relative_to_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "deck"
    paths = [folder / name for name in FILES]
    file = tmp_path / "labels.csv"
    file.write_text(f"path,label\n{paths[0]},1\ndeck/CD/2.png,0\nUD/3.png,0\n4.png,1\n", "utf-8")
    assert label_pictures(folder, paths, labels=file)[1].labels == (1, 0, 0, 1)


def test_what_the_file_leaves_out_is_counted_and_named(tmp_path: Path) -> None:
    labelling = label(
        tmp_path, "path,label\nCD/1.png,1\nCD/2.png,dropped\nUD/3.png,0\ngone/9.png,1\n"
    )
    assert labelling.labels == (1, None, 0, None)
    _, dropped = labelling.remarks
    without, lost = labelling.findings
    assert dropped == "1 pictures labelled 'dropped' were left out: CD/2.png."
    assert without == "1 pictures without a row in labels.csv were left out: UD/4.png."
    assert lost == "1 rows of labels.csv name no picture of the folder: gone/9.png."
    assert labelling.in_words == "Counts as cracked: label '1'; as sound: label '0'."


@pytest.mark.parametrize(
    ("values", "positive", "labels", "names"),
    [
        ("rot ok ok rot", "rot", (1, 0, 0, 1), ("ok", "rot")),
        ("rot Rot blue blue", "ROT", (1, 1, 0, 0), ("blue", "Rot")),
        ("rot ok maybe good", "rot", (1, 0, None, 0), ("negative", "rot")),
        ("0 1 1 ?", "0", (1, 0, 0, None), ("1", "0")),
    ],
)
def test_positive_names_a_label(
    tmp_path: Path,
    values: str,
    positive: str,
    labels: tuple[int | None, ...],
    names: tuple[str, str],
) -> None:
    rows = [f"{name},{value}" for name, value in zip(FILES, values.split(), strict=True)]
    labelling = label(tmp_path, "path,label\n" + "\n".join(rows), positive)
    assert labelling.labels == labels
    assert labelling.class_names == names


@pytest.mark.parametrize(
    ("text", "positive", "message"),
    [
        ("path,label\nCD/1.png,cat\nCD/2.png,dog\n", None, "'cat' and 'dog'.*--positive"),
        ("path,label\nCD/1.png,crack\nCD/2.png,dog\n", None, "'crack' and 'dog'.*--positive"),
        ("path,label\nCD/1.png,cat\nCD/2.png,dog\n", "cow", "no label 'cow'.*'cat' and 'dog'"),
        ("path,label\n1.png,cat\n2.png,dog\n3.png,cow\n", "cow", "more labels than two"),
        ("path,label\nCD/1.png,1\n1.png,0\n", None, "labels 1.png as '1' and as '0'"),
        ("path,label\nx/1.png,1\n", None, "No row of .*x/1.png"),
        ("path,first,second\nCD/1.png,1,0\n", None, "Which column .*first, second.*'label'"),
        ("CD/1.png,1\nCD/2.png,0\n", None, "no column of paths.*path,label.*CD/1.png,1"),
        ("path,label\nCD/1.png\n", None, "row 2 has too few columns"),
        ("path,label\n", None, "holds no labels"),
        ("", None, "no column of paths"),
    ],
)
def test_label_files_that_leave_doubt_are_refused(
    tmp_path: Path, text: str, positive: str | None, message: str
) -> None:
    with pytest.raises(CrackdetError, match=message):
        label(tmp_path, text, positive)


def test_an_absent_label_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CrackdetError, match=r"nowhere\.csv: No such file"):
        label_pictures(tmp_path, [tmp_path / "1.png"], labels=tmp_path / "nowhere.csv")


def test_load_data_takes_labels_and_says_so(make_folder: Callable[..., Path]) -> None:
    names = {
        f"{split}/{i}.png": 40 * n + 9 * i
        for n, split in enumerate(("train", "val", "test"))
        for i in range(3)
    }
    folder = make_folder(names)
    file = folder / "labels.csv"
    rows = [f"{name},{('crack', 'sound', 'unsure')[int(name[-5])]}" for name in names]
    file.write_text("path,label\n" + "\n".join(rows), "utf-8")
    data = load_data(folder, labels=file, image_size=8, verbose=0)
    assert "skipped" not in data.notes
    assert [split.labels.tolist() for split in data.splits.values()] == [[1, 0]] * 3
    assert "3 pictures labelled 'unsure' were left out: test/2.png" in data.notes
    assert data.facts()["classes"] == "Counts as cracked: label 'crack'; as sound: label 'sound'."


def test_other_sources_have_their_labels() -> None:
    for option in ({"positive": "positive"}, {"labels": "labels.csv"}):
        with pytest.raises(CrackdetError, match="are for folders of pictures"):
            load_data("demo", **option)  # type: ignore[arg-type]
