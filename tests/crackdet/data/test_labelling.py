"""Class and split of each picture, from where it stands. No file is read: the paths say all."""

import re
from pathlib import Path

import pytest

from crackdet.data.class_names import Labels
from crackdet.data.labelling import label_pictures
from crackdet.errors import CrackdetError

FOLDER = Path("photos")


def label(*files: str, positive: str | None = None) -> Labels:
    return label_pictures(FOLDER, [FOLDER / file for file in files], positive=positive)[1]


def splits(*files: str) -> tuple[str, ...]:
    return label_pictures(FOLDER, [FOLDER / file for file in files])[0]


@pytest.mark.parametrize(
    ("files", "labels"),
    [
        (("Cracks/a.png", "Non-Cracks/b.png"), (1, 0)),
        # At any depth, below one folder that holds all, and with folders inside a class.
        (("bridge/crack/a.png", "bridge/sound/b.png", "pier/crack/c.png"), (1, 0, 1)),
        (("crack_dataset/positive/a.png", "crack_dataset/negative/b.png"), (1, 0)),
        (("cracked/up/a.png", "uncracked/up/b.png", "uncracked/down/c.png"), (1, 0, 0)),
        # SDNET2018 as it is unpacked, and its six folders side by side.
        (("D/CD/a.png", "D/UD/b.png", "P/CP/c.png", "P/UP/sub/d.png"), (1, 0, 1, 0)),
        (("CD/a.png", "UD/b.png", "CW/c.png", "UW/d.png"), (1, 0, 1, 0)),
        # One class alone.
        (("crack/a.png",), (1,)),
        (("D/CD/a.png",), (1,)),
        (("bridge/sound/a.png", "pier/intact/b.png"), (0, 0)),
        # Several names of each side.
        (("cracks/a.png", "fissures/b.png", "no_crack/c.png", "good/d.png"), (1, 1, 0, 0)),
        (("spalling/a.png", "no_spalling/b.png"), (1, 0)),
    ],
)
def test_classes_that_are_understood(files: tuple[str, ...], labels: tuple[int, ...]) -> None:
    labelling = label(*files)
    assert labelling.labels == labels
    assert labelling.class_names == ("negative", "positive")
    assert set(splits(*files)) == {""}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (("pears/a.png", "apples/b.png"), ["'apples' and 'pears'", "--positive", "positive="]),
        (("crack/a.png", "other/b.png"), ["'crack' and 'other'", "--positive"]),
        (("cracked/up/a.png", "rest/up/b.png"), ["'cracked' and 'rest'", "--positive"]),
        (("crack/a.png", "fissure/b.png"), ["both read as cracked", "--positive"]),
        (("good/a.png", "intact/b.png"), ["both read as sound", "--positive"]),
        (("CD/a.png", "UP/b.png"), ["'CD' and 'UP'", "--positive"]),
        (("a/crack/1.png", "a/rest/2.png", "b/crack/3.png"), ["'crack' and 'rest'"]),
        (("wrap/one/1.png", "wrap/two/2.png"), ["'one' and 'two'"]),
        (("one/a.png",), ["one class folder, 'one'", "--positive"]),
        (("one/a.png", "two/a.png", "three/a.png"), ["3 classes, 'one', 'three' and 'two'"]),
        (("crack/a.png", "sound/a.png", "damaged/a.png"), ["3 classes", "--labels"]),
        (("positive/no_crack/a.png", "negative/b.png"), ["names both sides", "positive/no_crack"]),
    ],
)
def test_doubt_is_a_question_that_shows_the_names(files: tuple[str, ...], words: list[str]) -> None:
    with pytest.raises(CrackdetError) as caught:
        label(*files)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("files", "positive", "labels", "names"),
    [
        (("apples/a.png", "pears/b.png"), "apples", (1, 0), ("pears", "apples")),
        (("apples/a.png", "pears/b.png"), "PEARS", (0, 1), ("apples", "pears")),
        # What the user says counts more than what the names say.
        (("crack/a.png", "sound/b.png"), "sound", (0, 1), ("crack", "sound")),
        (("a/x/1.png", "a/y/2.png", "b/x/3.png", "c/y/4.png"), "y", (0, 1, 0, 1), ("x", "y")),
        (("x/x/1.png", "x/y/2.png"), "x", (1, 0), ("y", "x")),
        (("train/Rot/1.png", "test/rot/2.png", "train/ok/3.png"), "rot", (1, 1, 0), ("ok", "Rot")),
        (("rot/1.png", "ok/2.png", "good/3.png"), "rot", (1, 0, 0), ("negative", "rot")),
        (("Re\u0301/1.png", "la/2.png"), "ré", (1, 0), ("la", "Re\u0301")),
        (("rot/1.png", "Rot/2.png"), "rot", (1, 0), ("Rot", "rot")),
        (("rot/1.png",), "rot", (1,), ("negative", "rot")),
    ],
)
def test_positive_says_which_class_is_the_crack(
    files: tuple[str, ...], positive: str, labels: tuple[int, ...], names: tuple[str, str]
) -> None:
    labelling = label(*files, positive=positive)
    assert labelling.labels == labels
    assert labelling.class_names == names
    assert f"cracked: folder {names[1]!r}" in labelling.in_words or len(files) > 2


@pytest.mark.parametrize(
    ("files", "positive", "message"),
    [
        (("apples/a.png", "pears/b.png"), "plums", "no class folder 'plums'.*'apples' and 'pears'"),
        (("a/1.png", "b/2.png", "c/3.png"), "a", "3 classes, 'a', 'b' and 'c'"),
        (("Rot/1.png", "rot/2.png"), "ROT", "fits several"),
        (("x/1.png", "y/2.png", "4.png"), "x", "1 pictures .* no class folder.*4.png"),
    ],
)
def test_a_positive_that_is_no_class_is_refused(
    files: tuple[str, ...], positive: str, message: str
) -> None:
    with pytest.raises(CrackdetError, match=message):
        label(*files, positive=positive)


@pytest.mark.parametrize("pattern", ["{split}/{name}", "{name}/{split}", "set/{split}/{name}"])
@pytest.mark.parametrize(
    "names",
    [
        ("train", "validation", "test"),
        ("Training", "valid", "TEST"),
        ("train_set", "val_set", "test_set"),
        ("Training Images", "Validation", "Testing Images"),
    ],
)
def test_split_folders_stand_above_or_below_classes(pattern: str, names: tuple[str, ...]) -> None:
    files = [
        pattern.format(split=split, name=name) + "/1.png"
        for split in names
        for name in ("crack", "no_crack")
    ]
    assert label(*files).labels == (1, 0) * 3
    assert splits(*files) == ("train", "train", "validation", "validation", "test", "test")


def test_a_test_folder_alone_is_no_class() -> None:
    files = ("test/crack/a.png", "test/no_crack/b.png")
    assert label(*files).labels == (1, 0)
    assert splits(*files) == ("test", "test")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("train/crack/a.png", "other/b.png"), "mixes split folders .train. with .*other/b.png"),
        (("train/crack/test/a.png",), "two splits .test and train."),
    ],
)
def test_splits_that_contradict_each_other_are_refused(
    files: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CrackdetError, match=message):
        label(*files)


@pytest.mark.parametrize("loose", ["a.png", "D/a.png"])
def test_unlabelled_pictures_are_not_to_be_moved_into_a_class(loose: str) -> None:
    with pytest.raises(CrackdetError) as caught:
        label("D/CD/1.png", "D/UD/2.png", "P/CP/3.png", "P/UP/4.png", loose)
    sentence = str(caught.value)
    assert loose in sentence
    assert "carry no label" in sentence
    assert "crackdet predict" in sentence
    assert not re.search("into (one|a class)|move it into", sentence)


def test_pictures_without_any_class_folder_are_told_what_is_needed() -> None:
    with pytest.raises(CrackdetError, match=r"no class folders.*negative/.*--labels.*predict"):
        label("1.png", "2.png")
