"""What is built: the same records from any source, no leak, both formats, nothing half-built."""

import errno
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from tfds_builder.concrete_cracks import (
    Builder,
    DataSourceError,
    disk,
    download,
    formats,
    prepare,
    sources,
    splits,
)
from tfds_builder.concrete_cracks import concrete_cracks_dataset_builder as builder_module
from tfds_builder.concrete_cracks.make_dummy_data import dummy_images

DUMMY_DATA = Path(sources.__file__).with_name("dummy_data")
Members = dict[str, bytes]
Reader = Callable[[Any], dict[str, list[Any]]]
RarWriter = Callable[[Path, Iterable[tuple[str, bytes]]], Path]


def built_folders(data_dir: Path) -> list[str]:
    """What a reader could take for a data set, or a killed build for its own."""
    return sorted(path.name for path in data_dir.glob("concrete_cracks/[!.]*/*"))


def without_names(examples: dict[str, list[dict[str, Any]]]) -> dict[str, list[tuple]]:
    return {
        split: [(e["image"].tobytes(), int(e["label"]), int(e["group"])) for e in found]
        for split, found in examples.items()
    }


# --- The same records from anywhere


@pytest.mark.parametrize("config", ["grouped", "random"])
def test_source_and_order_do_not_change_a_record(
    config: str,
    small: None,
    tmp_path: Path,
    dummy_members: Members,
    read_records: Reader,
    write_rar: RarWriter,
) -> None:
    first = read_records(prepare(config, data_dir=tmp_path / "1", manual_dir=DUMMY_DATA))
    again = read_records(prepare(config, data_dir=tmp_path / "2", manual_dir=DUMMY_DATA))
    assert first == again

    shuffled = list(dummy_members.items())
    np.random.default_rng(0).shuffle(shuffled)
    (tmp_path / "zip").mkdir()
    with zipfile.ZipFile(tmp_path / "zip" / "a.zip", "w") as archive:
        for name, content in shuffled:
            archive.writestr(name, content)
    assert first == read_records(
        prepare(config, data_dir=tmp_path / "3", manual_dir=tmp_path / "zip")
    )
    (tmp_path / "rar").mkdir()
    write_rar(tmp_path / "rar" / sources.ARCHIVE_NAME, reversed(shuffled))
    assert first == read_records(
        prepare(config, data_dir=tmp_path / "4", manual_dir=tmp_path / "rar")
    )


@pytest.mark.parametrize("config", ["grouped", "random"])
def test_renaming_changes_nothing_but_the_names(
    config: str,
    small: None,
    tmp_path: Path,
    dummy_members: Members,
    write_folder: Callable[[Path, Members], Path],
    read_examples: Reader,
) -> None:
    renamed = {
        f"{name.split('/')[0]}/{99999 - 7 * i}_1.jpg": jpeg
        for i, (name, jpeg) in enumerate(dummy_members.items())
    }
    write_folder(tmp_path / "renamed", renamed)
    one = prepare(config, data_dir=tmp_path / "1", manual_dir=DUMMY_DATA)
    two = prepare(config, data_dir=tmp_path / "2", manual_dir=tmp_path / "renamed")
    assert without_names(read_examples(one)) == without_names(read_examples(two))
    names = [e["filename"].decode() for found in read_examples(two).values() for e in found]
    assert sorted(names) == sorted(renamed)


def test_the_demo_repeats_to_the_bit(small_demo: int, tmp_path: Path, read_records: Reader) -> None:
    one = prepare("demo", data_dir=tmp_path / "1")
    two = prepare("demo", data_dir=tmp_path / "2")
    assert read_records(one) == read_records(two)


# --- Groups and splits


def test_groups_are_the_walls_and_stay_whole(
    small: None, tmp_path: Path, read_examples: Reader
) -> None:
    wall_of = {name: wall for name, _, _, wall in dummy_images()}
    examples = read_examples(prepare("grouped", data_dir=tmp_path, manual_dir=DUMMY_DATA))
    walls, splits_of = defaultdict(set), defaultdict(set)
    for split, found in examples.items():
        assert Counter(int(e["label"]) for e in found)[0] == len(found) / 2
        for e in found:
            walls[int(e["group"])].add(wall_of[e["filename"].decode()])
            splits_of[int(e["group"])].add(split)
    assert sorted(map(tuple, walls.values())) == [(wall,) for wall in range(20)]
    assert all(len(found) == 1 for found in splits_of.values())


def test_random_is_stratified_and_divides_groups(
    small: None, tmp_path: Path, read_examples: Reader
) -> None:
    examples = read_examples(prepare("random", data_dir=tmp_path, manual_dir=DUMMY_DATA))
    splits_of = defaultdict(set)
    for split, found in examples.items():
        assert Counter(int(e["label"]) for e in found)[0] == len(found) / 2
        for e in found:
            splits_of[int(e["group"])].add(split)
    assert any(len(found) > 1 for found in splits_of.values())


def test_demo_groups_are_photos_and_stay_whole(
    small_demo: int, tmp_path: Path, read_examples: Reader
) -> None:
    examples = read_examples(prepare("demo", data_dir=tmp_path))
    groups = {split: {int(e["group"]) for e in found} for split, found in examples.items()}
    assert groups == {"train": set(range(8)), "validation": {8}, "test": {9}}
    for found in examples.values():
        assert Counter(int(e["label"]) for e in found)[0] == len(found) / 2


def test_the_whole_demo_is_split_80_10_10(monkeypatch: pytest.MonkeyPatch) -> None:
    blank = np.zeros((8, 8, 3), np.uint8)
    monkeypatch.setattr(builder_module.procedural, "demo_image", lambda i: (blank, i % 2))
    counts = Counter()
    for split in splits.SPLITS:
        for _, example in builder_module._demo_examples(split):
            counts[split, example["label"]] += 1
    assert counts == {
        ("train", 0): 480,
        ("train", 1): 480,
        ("validation", 0): 60,
        ("validation", 1): 60,
        ("test", 0): 60,
        ("test", 1): 60,
    }


def source_images(members: Members) -> list[sources.SourceImage]:
    return [
        sources.SourceImage(name, int(name.startswith("P")), jpeg, sources.content_key(jpeg))
        for name, jpeg in members.items()
    ]


def test_the_shipped_table_decides_when_it_knows_every_image(
    dummy_members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = source_images(dummy_members)
    table = {image.key: {"group": 7, "split_grouped": "validation"} for image in images}
    monkeypatch.setattr(splits, "shipped_table", lambda: table)
    placements = splits.place(images, "grouped")
    assert {(placement.split, placement.group) for placement in placements} == {("validation", 7)}
    assert len({placement.name for placement in placements}) == len(images)
    assert {placement.group for placement in splits.place(images, "random")} == {7}
    assert {p.split for p in splits.place(images, "random")} == set(splits.SPLITS)

    table.popitem()
    assert len({placement.group for placement in splits.place(images, "grouped")}) == 20


def test_the_random_config_tells_its_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "shipped_leakage", dict)
    assert "leaks" in builder_module._random_description()
    assert "%" not in builder_module._random_description()
    leak = {"random": {"twin": 0.361, "twin_or_overlap": 0.5432}}
    monkeypatch.setattr(splits, "shipped_leakage", lambda: leak)
    assert "36.1% of the test images" in builder_module._random_description()
    assert "54.3% a twin or an overlapping crop" in builder_module._random_description()


def test_shipped_leakage_stands_in_the_description() -> None:
    path = DUMMY_DATA.with_name("leakage.json")
    if not path.exists():
        pytest.skip("leakage.json is not made yet")
    leak = json.loads(path.read_text("utf-8"))["random"]
    description = Builder.builder_configs["random"].description
    assert f"{leak['twin_or_overlap']:.1%}" in description


# --- Reading


def test_features_are_the_public_interface(small_demo: int, tmp_path: Path) -> None:
    builder = prepare("demo", data_dir=tmp_path)
    assert builder.info.features["label"].names == ["negative", "positive"]
    assert builder.info.supervised_keys == ("image", "label")
    example = builder.as_data_source("train")[0]
    assert example["image"].shape == (227, 227, 3)
    assert example["image"].dtype == np.uint8
    assert builder.info.features["group"].dtype == np.int64
    folder, name = example["filename"].decode().split("/")
    assert folder == ("Negative", "Positive")[int(example["label"])]
    assert name.endswith(".jpg")


@pytest.mark.parametrize("first", ["array_record", "tfrecord"])
def test_both_formats_read_whichever_was_built(
    first: str, small: None, tmp_path: Path, read_examples: Reader
) -> None:
    builder = prepare("grouped", data_dir=tmp_path, manual_dir=DUMMY_DATA, file_format=first)
    assert builder.info.file_format.value == first
    by_index = read_examples(builder)
    loaded = tfds.load("concrete_cracks", data_dir=tmp_path)
    for split, expected in by_index.items():
        found = list(tfds.as_numpy(loaded[split]))
        assert [e["filename"] for e in found] == [e["filename"] for e in expected]
        assert [int(e["group"]) for e in found] == [int(e["group"]) for e in expected]
        difference = np.abs(
            np.stack([e["image"] for e in found]).astype(int)
            - np.stack([e["image"] for e in expected])
        )
        assert difference.mean() < 2  # Two JPEG decoders.
    source = tfds.data_source("concrete_cracks", data_dir=tmp_path, split="test")
    assert len(source) == len(by_index["test"])


def test_the_second_format_is_copied_once(
    small_demo: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare("demo", data_dir=tmp_path).as_dataset(split="test")

    def refuse(*arguments: Any) -> None:
        raise AssertionError("copied again")

    monkeypatch.setattr(formats, "_copy_records", refuse)
    assert len(list(Builder(config="demo", data_dir=tmp_path).as_dataset(split="test"))) == 4
    assert len(prepare("demo", data_dir=tmp_path).as_data_source("test")) == 4


def test_array_record_needs_no_tensorflow(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from tfds_builder.concrete_cracks import concrete_cracks_dataset_builder, prepare\n"
        "concrete_cracks_dataset_builder.DEMO_IMAGES = 40\n"
        "source = prepare('demo', data_dir=sys.argv[1]).as_data_source('train')\n"
        "print(len(source), source[0]['image'].shape, 'tensorflow' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "32 (227, 227, 3) False"


def test_importing_the_package_registers_the_data_set() -> None:
    script = (
        "import tensorflow_datasets as tfds, tfds_builder.concrete_cracks\n"
        "print(sorted(tfds.builder_cls('concrete_cracks').builder_configs))\n"
        "print(tfds.builder_cls('concrete_cracks').default_builder_config.name)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines() == ["['demo', 'grouped', 'random']", "grouped"]


# --- What goes wrong


def test_an_unknown_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataSourceError, match="use grouped, random, demo"):
        prepare("grouepd", data_dir=tmp_path)


def test_a_wrong_count_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(DataSourceError, match="16 images in Negative/"):
        prepare("grouped", data_dir=tmp_path, manual_dir=DUMMY_DATA)
    assert built_folders(tmp_path) == []


def test_a_full_disk_is_noticed_before_the_build(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataSourceError, match="the disk has 0 MB left"):
        prepare("grouped", data_dir=tmp_path, manual_dir=DUMMY_DATA)
    assert built_folders(tmp_path) == []


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("No space left on device")],
)
def test_a_disk_that_fills_up_leaves_nothing_behind(
    error: Exception, small_demo: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(path: Any, iterator: Any) -> None:
        Path(path).write_bytes(b"half a shard")
        raise error

    monkeypatch.setattr(formats.file_adapters.ArrayRecordFileAdapter, "write_examples", fill)
    with pytest.raises(DataSourceError, match=r"is full: free some space"):
        prepare("demo", data_dir=tmp_path)
    assert built_folders(tmp_path) == []


def test_other_errors_keep_their_name(
    small_demo: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(builder_module.procedural, "demo_image", fail)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        prepare("demo", data_dir=tmp_path)
    assert built_folders(tmp_path) == []


def test_leftovers_of_a_killed_build_are_removed(small_demo: int, tmp_path: Path) -> None:
    killed = tmp_path / "concrete_cracks" / "demo" / "incomplete.ABCDEF_1.0.0"
    killed.mkdir(parents=True)
    (killed / "shard").write_bytes(b"half")
    prepare("demo", data_dir=tmp_path)
    assert built_folders(tmp_path) == ["1.0.0"]


def test_two_callers_build_once(
    small_demo: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    original = builder_module.procedural.demo_image
    monkeypatch.setattr(
        builder_module.procedural, "demo_image", lambda i: made.append(i) or original(i)
    )
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: prepare("demo", data_dir=tmp_path), range(2)))
    assert [len(builder.as_data_source("train")) for builder in both] == [32, 32]
    assert len(made) == small_demo


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataSourceError, match="choose another data_dir"):
        prepare("demo", data_dir=tmp_path / "file")


# --- The download


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the server look within reach."""
    monkeypatch.setattr(download, "_check_reachable", lambda url: None)


def test_the_download_is_read_when_nothing_is_there(
    online: None,
    small: None,
    tmp_path: Path,
    dummy_members: Members,
    write_rar: RarWriter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def fetch(_: Any, url: str) -> Path:
        asked.append(url)
        return write_rar(tmp_path / "8a70d8a5.rar", dummy_members.items())

    monkeypatch.setattr(tfds.download.DownloadManager, "download", fetch)
    builder = prepare("grouped", data_dir=tmp_path / "data")
    assert asked == [sources.URL]
    assert builder.info.splits.total_num_examples == 32


def test_the_checksum_is_registered() -> None:
    info = Builder.url_infos[sources.URL]
    assert info.size == 241_363_336
    assert info.checksum == "08d7dc505a4f5a0330cee2fa2a1ae4b5b4f98bcffd0549b774caf7959bb1f02f"
    assert info.filename == sources.ARCHIVE_NAME


def test_a_failed_download_says_what_to_do(
    online: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise tfds.download.DownloadError("Failed to get url. HTTP code: 403.")

    monkeypatch.setattr(tfds.download.DownloadManager, "download", refuse)
    with pytest.raises(DataSourceError) as caught:
        prepare("grouped", data_dir=tmp_path)
    told = str(caught.value)
    assert "HTTP code: 403" in told
    assert sources.HOMEPAGE in told
    assert str(tmp_path / "downloads" / "manual") in told
    assert built_folders(tmp_path) == []


def test_without_the_internet_the_build_fails_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr(download.urllib.request, "getproxies", dict)
    monkeypatch.setattr(download.socket, "create_connection", refuse)
    monkeypatch.setattr(tfds.download.DownloadManager, "download", lambda *_: pytest.fail("asked"))
    with pytest.raises(DataSourceError, match=r"could not be downloaded .*Name or service"):
        prepare("grouped", data_dir=tmp_path)


def test_behind_a_proxy_the_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download.urllib.request, "getproxies", lambda: {"https": "http://proxy"})
    monkeypatch.setattr(download.socket, "create_connection", lambda *_: pytest.fail("asked"))
    download._check_reachable(sources.URL)


# --- What is shipped


def test_dummy_data_are_what_the_script_makes(dummy_members: Members) -> None:
    made = {name: pixels for name, pixels, _, _ in dummy_images()}
    assert made.keys() == dummy_members.keys()
    for name, pixels in made.items():
        stored = np.asarray(Image.open(io.BytesIO(dummy_members[name])))
        assert np.abs(stored.astype(int) - pixels).mean() < 6  # Lost to JPEG.


@pytest.mark.slow
def test_a_wheel_holds_everything_the_builder_reads(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77", reason="needs setuptools 77 or later")
    copy = tmp_path / "project"
    for name in ("crackdet", "tfds_builder", "tuning"):
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(root / name, copy)
    script = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=copy, check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    package = root / "tfds_builder" / "concrete_cracks"
    for path in package.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.relative_to(root).as_posix() in held

    # Installed means unpacked somewhere else: the description and the images come from there.
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = (
        "import tfds_builder.concrete_cracks as c; print(c.__file__);"
        "b = c.Builder(data_dir='nowhere'); print(b.info.citation != '', len(b.url_infos))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    where, facts = result.stdout.splitlines()
    assert where.startswith(str(tmp_path))
    assert facts == "True 1"


# --- The real images


def test_a_sample_of_the_real_images_builds(
    shared: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    read_examples: Reader,
) -> None:
    data = shared("data/concrete_cracks")
    for folder in sources.CLASS_FOLDERS:
        (tmp_path / "manual" / folder).mkdir(parents=True)
        for path in sorted((data / folder).iterdir())[::100]:
            (tmp_path / "manual" / folder / path.name).symlink_to(path)
    monkeypatch.setattr(sources, "IMAGES_PER_CLASS", 200)
    builder = prepare("grouped", data_dir=tmp_path / "data", manual_dir=tmp_path / "manual")
    examples = read_examples(builder)
    assert sum(map(len, examples.values())) == 400
    groups = {split: {int(e["group"]) for e in found} for split, found in examples.items()}
    assert not groups["train"] & (groups["validation"] | groups["test"])
    assert not groups["validation"] & groups["test"]
    assert len(examples["train"]) > 280
    for found in examples.values():
        for e in found:
            assert e["filename"].decode().startswith(("Negative", "Positive")[int(e["label"])])
