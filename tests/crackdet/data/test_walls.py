"""What splits know of each other: copies, twins, overlapping crops, given groups."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from crackdet import load_data
from crackdet.data import CrackData
from crackdet.data.labelled_folder import CutError
from crackdet.data.walls import Leakage, Walls
from crackdet.errors import CrackdetError
from tfds_builder import concrete_cracks

MakeFolder = Callable[..., Path]
OWN = {  # flat pictures, each of its own grey
    f"{split}/{label}/{i}.png": 60 * s + 20 * c + i
    for s, split in enumerate(("train", "val", "test"))
    for c, label in enumerate(("crack", "no_crack"))
    for i in range(3)
}


def load(folder: Path, **options: object) -> CrackData:
    return load_data(folder, image_size=8, verbose=0, **options)  # type: ignore[arg-type]


def test_a_copy_stops_nothing_and_stays_with_its_original(make_folder: MakeFolder) -> None:
    """Content keys had to be distinct, so that one copied file stopped every command."""
    files = {f"{label}/{i}.png": 20 * i + c for c, label in enumerate(("crack", "no_crack"))
             for i in range(8)}  # fmt: skip
    folder = make_folder({**files, "crack/3 (copy).png": 60, "crack/deeper/3.png": 60})
    for seed in range(6):
        data = load(folder, seed=seed)
        assert sum(split.num_images for split in data.splits.values()) == 18
        (held,) = [
            s for s in data.splits.values() if any("3" in key and "no" not in key for key in s.keys)
        ]
        copies = [i for i, key in enumerate(held.keys) if key.startswith("crack/") and "3" in key]
        assert len(copies) == 3
        assert len(set(held.groups[copies])) == 1
        assert data.leakage.leaks is False


def test_copies_under_both_classes_are_left_out_by_name(make_folder: MakeFolder) -> None:
    folder = make_folder({**OWN, "test/crack/x.png": 250, "train/no_crack/y.png": 250})
    with pytest.warns(
        UserWarning, match=r"of 2 pictures contradict .*\(test/crack/x.png = train/no_crack/y.png\)"
    ):
        data = load(folder)
    assert "contradict each other" in data.notes
    assert "test/crack/x.png" not in data.test.keys
    assert data.train.num_images == data.test.num_images == 6
    with pytest.raises(CrackdetError, match=r"test/crack/x.png.*--strict"):
        load(folder, strict=True)


def test_copies_across_own_splits_are_counted_without_any_comparison(
    make_folder: MakeFolder,
) -> None:
    """A test folder of byte copies was reported as clean, every image a group of its own."""
    folder = make_folder(OWN)
    for number, name in enumerate(("crack/0", "no_crack/1")):
        shutil.copy(folder / f"train/{name}.png", folder / f"test/{name[:-2]}/copy{number}.png")
    shutil.copy(folder / "val/crack/0.png", folder / "test/crack/from val.png")
    data = load(folder, audit=False)
    facts = data.facts()["leakage"]
    assert facts["leaks"] is True
    assert facts["test_in_train"] == {
        "images": 9, "known": 2, "copy": 2, "twin": None, "overlap": None, "group": 0
    }  # fmt: skip
    assert facts["test_in_validation"]["copy"] == 1
    assert facts["validation_in_train"]["known"] == 0
    assert "2 of 9 test images are known from train: 2 as exact copies." in data.notes
    assert "1 of 9 test images is known from validation" in data.notes
    assert "were not looked for" in data.notes
    shared = set(data.train.groups) & set(data.test.groups)
    assert len(shared) == 2
    with pytest.raises(CrackdetError, match="2 of 9 test images"):
        load(folder, audit=False, strict=True)


def test_without_the_audit_of_own_splits_nobody_knows_whether_they_leak(
    make_folder: MakeFolder,
) -> None:
    folder = make_folder(OWN)
    assert load(folder, audit=False, strict=True).facts()["leakage"]["leaks"] is None
    audited = load(folder, strict=True)
    assert audited.facts()["leakage"]["leaks"] is False
    assert audited.notes.endswith("None of 6 test images is known from train.")


def test_photos_that_the_user_names_are_known_across_own_splits(make_folder: MakeFolder) -> None:
    folder = make_folder(OWN)
    data = load(folder, group_by=r"(?:train/crack|test/no_crack)/([01])")
    assert data.facts()["leakage"]["test_in_train"] == {
        "images": 6, "known": 2, "copy": 0, "twin": 0, "overlap": 0, "group": 2
    }  # fmt: skip
    assert data.leakage.words() == "2 of 6 test images are known from train: 2 by their group."


def test_each_picture_is_counted_once_by_the_closest_way() -> None:
    # Train 0..3. In test: 4 a copy of 0; 5 a twin of 1; 6 overlaps 2; 7 a twin of what overlaps 2;
    # 8 of 3's group; 9 alone.
    walls = Walls(
        contents=np.array([0, 1, 2, 3, 0, 5, 6, 7, 8, 9]),
        crops=np.array([0, 1, 2, 3, 0, 1, 6, 6, 8, 9]),
        overlaps=np.array([[2, 6], [8, 9]]),
        groups=np.array([0, 1, 2, 3, 0, 1, 2, 2, 3, 9]),
        compared=True,
    )
    leakage = Leakage.between(walls, np.array(["train"] * 4 + ["test"] * 6))
    assert leakage.known == {
        "test_in_train": {
            "images": 6, "known": 5, "copy": 1, "twin": 1, "overlap": 2, "group": 1
        }
    }  # fmt: skip
    assert leakage.words() == (
        "5 of 6 test images are known from train: 1 as exact copies, 1 as twins (mirrored, rotated "
        "or compressed again), 2 as overlapping crops, 1 by their group."
    )


def test_equal_arrays_share_a_group_in_whatever_part_they_stand() -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)
    images[3] = images[0]
    labels = np.array([0, 1, 0, 0, 1, 1])
    data = CrackData.from_arrays(
        train=(images, labels, [4, 5, 5, 6, 6, 7]),
        validation=(images[1:3] ^ 1, labels[1:3]),
        test=(images[4:6] ^ np.array([0, 1], np.uint8)[:, None, None, None], labels[4:6]),
    )
    groups = data.train.groups
    assert groups[0] == groups[3] == groups[4]  # 4 and 6 are joined by the copy
    assert groups[1] == groups[2] != groups[0]
    assert data.test.groups[0] == groups[4]
    assert not {*groups} & {*data.validation.groups, data.test.groups[1]}
    assert data.facts()["leakage"]["test_in_train"]["copy"] == 1
    assert data.leakage.leaks is True


def test_arrays_leak_by_the_groups_that_they_bring() -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)
    parts = {
        name: (images[2 * i : 2 * i + 2], [0, 1], [i, 7])
        for i, name in enumerate(("train", "validation", "test"))
    }
    assert CrackData.from_arrays(**parts).leakage.known["test_in_train"]["group"] == 1
    apart = {name: (*part[:2], [i, i]) for i, (name, part) in enumerate(parts.items())}
    assert CrackData.from_arrays(**apart).leakage.leaks is False
    bare = {name: part[:2] for name, part in parts.items()}
    assert CrackData.from_arrays(**bare).leakage.leaks is None


def test_groups_can_be_given_to_data_that_is_loaded() -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)
    data = CrackData.from_arrays(
        **{name: (images[i : i + 2], [0, 1], [i, i + 1])
           for i, name in zip((0, 2, 4), ("train", "validation", "test"), strict=True)}
    )  # fmt: skip
    assert data.leakage.leaks is False
    joined = load_data(data, group_by=r"(?:train|test)/00000(0)")
    assert joined.test.groups[0] == joined.train.groups[0]
    assert joined.leakage.known["test_in_train"]["group"] == 1
    assert joined.fingerprint == data.fingerprint
    assert joined.test.image(0).tolist() == data.test.image(0).tolist()


@pytest.mark.parametrize(("config", "leaks"), [("grouped", False), ("random", True)])
def test_tfds_configs_that_leak_carry_the_flag(
    monkeypatch: pytest.MonkeyPatch, config: str, leaks: bool
) -> None:
    def rows(split: str, decoders: object) -> list[dict]:
        first = ("train", "validation", "test").index(split) * 10
        groups = (1, 2) if config == "random" else (first, first + 1)
        return [
            {
                "image": bytes([first + i]),
                "label": i,
                "filename": f"{first + i}.jpg",
                "group": group,
            }
            for i, group in enumerate(groups)
        ]

    builder = SimpleNamespace(
        as_data_source=rows, builder_config=SimpleNamespace(description="For comparison only.")
    )
    monkeypatch.setattr(concrete_cracks, "prepare", lambda *_, **__: builder)
    data = load_data(f"concrete_cracks/{config}")
    facts = data.facts()["leakage"]
    assert facts["leaks"] is leaks
    assert facts["test_in_train"]["known"] == (2 if leaks else 0)
    if leaks:
        with pytest.raises(CrackdetError, match="2 of 2 test images are known from train"):
            load_data(f"concrete_cracks/{config}", strict=True)


def test_a_class_of_one_group_cannot_be_cut(make_folder: MakeFolder) -> None:
    files = {f"no_crack/{7001}-{n}.png": n for n in range(1, 20)}
    files |= {f"crack/{photo}-{n}.png": 40 * (photo - 7001) + n + 20
              for photo in range(7001, 7006) for n in range(1, 9)}  # fmt: skip
    folder = make_folder(files)
    with pytest.raises(CutError, match=r"class 'negative' it has 19 pictures in 1 group\. Add"):
        load(folder)
    whole = load(folder, cut=False)
    assert (whole.test.num_images, len(set(whole.test.groups))) == (59, 5)
    assert load(folder, group_by="(.+)").leakage.leaks is False


def test_a_group_too_large_for_the_splits_asked_for_is_told(make_folder: MakeFolder) -> None:
    files = {
        f"{label}/a{n}.png": 2 * n + c
        for n in range(60)
        for c, label in enumerate(("crack", "sound"))
    }
    files |= {
        f"{label}/{n}.png": 200 + 2 * n + c
        for n in range(4)
        for c, label in enumerate(("crack", "sound"))
    }
    data = load(make_folder(files), group_by="/(a)", validation_fraction=0.2, test_fraction=0.2)
    assert "The largest of 9 groups holds 120 of 128 pictures" in data.notes
    assert all({0, 1} == set(split.labels) for split in data.splits.values())
