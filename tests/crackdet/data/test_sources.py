"""load_data: names, folders with and without splits, and clear refusals."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from crackdet import load_data
from crackdet.data import CrackData
from crackdet.errors import CrackdetError
from tfds_builder.concrete_cracks import concrete_cracks_dataset_builder

MakeFolder = Callable[..., Path]


def wall(seed: int, size: int = 400) -> Image.Image:
    """A rough surface, another one for each seed."""
    noise = np.random.default_rng(seed).integers(0, 256, (size, size), dtype=np.uint8)
    return Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2))


def save_crops(folder: Path, walls: int, size: int = 160) -> None:
    """Three overlapping crops of each wall, the last one mirrored; every second wall is cracked."""
    for number in range(walls):
        surface = wall(number)
        label = ("no_crack", "crack")[number % 2]
        for corner in (0, 40, 60):
            crop = surface.crop((corner, corner, corner + size, corner + size))
            if corner == 60:
                crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            path = folder / label / f"{number:02d}-{corner}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            crop.convert("RGB").save(path, quality=92)


@pytest.fixture(scope="session")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crops")
    save_crops(folder, walls=20)
    return folder


def test_crops_of_one_wall_stay_in_one_split(crops: Path) -> None:
    data = load_data(crops, image_size=32, verbose=0)
    where: dict[str, set[tuple[str, int]]] = {}
    for name, split in data.splits.items():
        assert set(split.labels) == {0, 1}
        for key, group in zip(split.keys, split.groups, strict=True):
            where.setdefault(Path(key).name[:2], set()).add((name, int(group)))
    assert len(where) == 20
    assert all(len(places) == 1 for places in where.values()), "one split and one group a wall"
    assert len({group for places in where.values() for _, group in places}) == 20
    counts = [split.num_images for split in data.splits.values()]
    assert sum(counts) == 60
    assert counts[0] >= 36
    assert "crops of one wall together" in data.notes
    assert data.name == crops.name


def test_splits_do_not_depend_on_file_names(crops: Path, tmp_path: Path) -> None:
    for path in crops.glob("*/*.jpg"):
        content = path.read_bytes()
        name = hashlib.md5(content).hexdigest()
        copy = tmp_path / "renamed" / path.parent.name / f"{name}.jpg"
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
    first, second = (
        load_data(folder, image_size=32, verbose=0) for folder in (crops, tmp_path / "renamed")
    )
    assert first.fingerprint == second.fingerprint
    for name in first.splits:
        assert set(first.splits[name].digests) == set(second.splits[name].digests)


def test_only_missing_splits_are_cut_from_train(
    crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(crops, tmp_path / "data" / "train")
    save_crops(tmp_path / "data" / "test", walls=2, size=150)
    data = load_data(tmp_path / "data", image_size=32, validation_fraction=0.2)
    assert all(key.startswith("test/") for key in data.test.keys)
    assert data.test.num_images == 6
    assert data.train.num_images + data.validation.num_images == 60
    assert 6 <= data.validation.num_images <= 18
    assert not set(data.train.groups) & set(data.validation.groups)
    assert "Cut validation from the folder" in data.notes
    assert "66 pictures" in capsys.readouterr().out


def test_own_splits_are_kept(make_folder: MakeFolder) -> None:
    files = {
        f"{split}/{label}/{i}.png": 40 * i + j
        for i, split in enumerate(("train", "val", "test"))
        for j, label in enumerate(("negative", "positive"))
    }
    data = load_data(make_folder(files), image_size=(6, 10), batch_size=1, seed=5)
    assert [split.num_images for split in data.splits.values()] == [2, 2, 2]
    assert data.validation[1][0].shape == (1, 6, 10, 3)
    assert data.validation[1][1].tolist() == [1]
    assert (data.train.shuffle, data.train.seed) == (True, 5)
    assert not data.validation.shuffle
    assert "The splits are the folder's own. None of 2 test images is known" in data.notes


def test_unreadable_pictures_are_warned_of_by_name(make_folder: MakeFolder) -> None:
    files = {f"{s}/{c}/a.png": n for n, (s, c) in enumerate(
        (s, c) for s in ("train", "val", "test") for c in ("crack", "no_crack")
    )}  # fmt: skip
    folder = make_folder(files)
    for number in range(12):
        (folder / "train" / "crack" / f"bad{number:02d}.jpg").write_bytes(b"x")
    with pytest.warns(UserWarning, match=r"12 pictures were left out\..*bad00\.jpg.*And 2 more"):
        data = load_data(folder, image_size=8)
    assert "bad09.jpg" in data.notes
    assert data.train.num_images == 2


def test_a_split_without_a_class_is_refused(make_folder: MakeFolder) -> None:
    files = {"train/crack/a.png": 1, "train/no_crack/b.png": 2, "val/crack/c.png": 3}
    folder = make_folder({**files, "test/crack/d.png": 4, "test/no_crack/e.png": 5})
    with pytest.raises(CrackdetError, match=r"validation split .* has 1 pictures"):
        load_data(folder)


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.0, 0.1), (0.1, -0.1)])
def test_fractions_must_leave_something(crops: Path, fractions: tuple[float, float]) -> None:
    with pytest.raises(CrackdetError, match="above 0 and leave something"):
        load_data(crops, validation_fraction=fractions[0], test_fraction=fractions[1], verbose=0)


@pytest.mark.parametrize("source", ["nowhere/at/all", "concrete_crack", Path("none")])
def test_unknown_sources_are_refused(source: str | Path) -> None:
    with pytest.raises(CrackdetError, match="Cannot find the data"):
        load_data(source)


def test_unknown_configs_and_missing_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CrackdetError, match="config 'grupped'"):
        load_data("concrete_cracks/grupped", data_dir=tmp_path)
    with pytest.raises(CrackdetError, match="manual"):
        load_data("concrete_cracks", data_dir=tmp_path, manual_dir=tmp_path / "nothing")


def test_official_images_in_a_folder_take_the_shipped_groups(
    crops: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tfds_builder.concrete_cracks import splits

    keys = [hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in crops.glob("*/*.jpg")]
    table = {
        key: {"twin_group": number, "group": number // 6} for number, key in enumerate(sorted(keys))
    }
    monkeypatch.setattr(splits, "shipped_table", lambda: table)
    data = load_data(crops, image_size=32, verbose=0)
    pairs = {
        (int(group), table[digest]["group"])
        for split in data.splits.values()
        for digest, group in zip(split.digests, split.groups, strict=True)
    }
    assert len(pairs) == len({group for group, _ in pairs}) == len({known for _, known in pairs})
    assert data.facts()["leakage"]["leaks"] is False


def test_walls_are_told_apart_in_any_format(tmp_path: Path) -> None:
    """OpenCV reads no ICO, and 16-bit files of 12 bits as nearly black."""
    folder = tmp_path / "mixed"
    for number in range(8):
        label = ("no_crack", "crack")[number % 2]
        (folder / label).mkdir(parents=True, exist_ok=True)
        for corner, form in ((0, "ICO"), (40, "TIFF"), (60, "PNG")):
            crop = wall(number).crop((corner, corner, corner + 160, corner + 160))
            deep = Image.fromarray(np.asarray(crop, np.uint16) * 16)
            name = folder / label / f"{number}-{corner}.{'jpg' if form == 'ICO' else form.lower()}"
            options = {"sizes": [(160, 160)]} if form == "ICO" else {}
            (crop if form == "ICO" else deep).save(name, form, **options)
    data = load_data(folder, image_size=32, verbose=0, validation_fraction=0.25, test_fraction=0.25)
    groups: dict[str, set[int]] = {}
    for split in data.splits.values():
        for key, group in zip(split.keys, split.groups, strict=True):
            groups.setdefault(Path(key).name[0], set()).add(int(group))
    assert [len(found) for found in groups.values()] == [1] * 8
    assert len(set.union(*groups.values())) == 8
    assert "were read as of 12 bits" in data.notes


def test_what_a_folder_holds_besides_pictures_is_said(make_folder: MakeFolder) -> None:
    files = {
        f"{split}/{label}/{i}.png": 90 + i
        for split in ("train", "val", "test")
        for i, label in enumerate(("crack", "no_crack"))
    }
    folder = make_folder(files)
    (folder / "train" / "film.mov").touch()
    (folder / ".DS_Store").touch()
    with pytest.warns(UserWarning, match=r"2 files skipped: 1 \.mov, 1 hidden"):
        data = load_data(folder, image_size=32, verbose=0)
    assert "2 files skipped: 1 .mov, 1 hidden." in data.notes
    for path in folder.rglob("*.png"):
        path.rename(path.with_suffix(".mov"))
    with pytest.raises(CrackdetError, match=r"no pictures in .* \(8 files skipped: 7 \.mov"):
        load_data(folder)


def test_the_demo_comes_from_tfds_undecoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concrete_cracks_dataset_builder, "DEMO_IMAGES", 40)
    data = load_data("demo", image_size=64, data_dir=tmp_path)
    again = load_data("concrete_cracks/demo", image_size=64, data_dir=tmp_path)
    assert isinstance(data, CrackData)
    assert data.name == "concrete_cracks/demo"
    assert data.fingerprint == again.fingerprint
    assert sum(split.num_images for split in data.splits.values()) == 40
    assert "procedural" in data.notes
    assert isinstance(data.train.encoded(0), bytes)
    assert data.train.original(0).shape == (227, 227, 3)
    assert data.train[0][0].shape == (32, 64, 64, 3)
    assert data.train.keys[0].endswith(".jpg")
    groups = [set(split.groups) for split in data.splits.values()]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]


def test_a_folder_that_is_only_measured_is_not_cut(make_folder: MakeFolder) -> None:
    folder = make_folder(
        {f"{name}/{i}.png": 40 * i for i, name in enumerate(("crack", "no_crack"))}
    )
    data = load_data(folder, cut=False, image_size=8, verbose=0)
    assert [split.num_images for split in data.splits.values()] == [0, 0, 2]
    assert (data.cut, data.notes) == ((), "")
    whole = data.whole()
    assert whole.keys == ["crack/0.png", "no_crack/1.png"]
    assert whole.labels.tolist() == [1, 0]
    assert whole.images([1])[0, 0, 0].tolist() == [40, 40, 40]


def test_crops_of_a_folder_that_is_not_cut_share_groups(crops: Path) -> None:
    whole = load_data(crops, cut=False, image_size=32, verbose=0).whole()
    assert (whole.num_images, len(set(whole.groups))) == (60, 20)


def test_one_class_or_one_picture_is_enough_to_measure(make_folder: MakeFolder) -> None:
    one = make_folder({"crack/a.png": 10}, "one")  # which cannot be compared with any other
    assert load_data(one, cut=False, verbose=0).counts()["test"] == {"negative": 0, "positive": 1}
    test_alone = make_folder({"test/crack/a.png": 10, "test/no_crack/b.png": 20}, "test_alone")
    assert load_data(test_alone, cut=False, verbose=0).test.num_images == 2
    with pytest.raises(CrackdetError, match="no readable picture of the class 'negative'"):
        load_data(one, verbose=0)
    with pytest.raises(CrackdetError, match="nothing to train on"):
        load_data(test_alone, verbose=0)


def test_own_splits_stay_where_they_are_and_cut_ones_are_named(
    crops: Path, make_folder: MakeFolder
) -> None:
    own = make_folder(
        {
            f"{s}/{c}.png": i
            for i, (s, c) in enumerate(
                (s, c) for s in ("train/crack", "train/no_crack", "test/crack") for c in "ab"
            )
        }
    )
    data = load_data(own, cut=False, verbose=0)
    assert [split.num_images for split in data.splits.values()] == [4, 0, 2]
    assert load_data(crops, image_size=32, verbose=0).cut == ("train", "validation", "test")
