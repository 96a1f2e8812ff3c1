"""Both file formats in one folder: who can read it, from where, and what earlier versions left."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core.file_adapters import FileFormat

from tfds_builder.concrete_cracks import Builder, DataSourceError, disk, formats, prepare
from tfds_builder.concrete_cracks import concrete_cracks_dataset_builder as builder_module

Reader = Callable[[Any], dict[str, list[Any]]]
BOTH = ["tfrecord", "array_record"]


def listed(folder: Path) -> list[str]:
    """The formats that dataset_info.json names, the first being the one that TFDS reads unasked."""
    info = json.loads((folder / "dataset_info.json").read_text())
    return [info["fileFormat"], *info.get("alternativeFileFormats", [])]


def found(folder: Path) -> list[str]:
    """The formats whose files stand there, and nothing half-written beside them."""
    assert not list(folder.glob(".*"))
    return [name for name in BOTH if len(list(folder.glob(f"*.{name}-*"))) == 3]


@pytest.fixture
def without_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_has_tensorflow", lambda: False)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data_dir with a demo of ten photos in both formats; only to be read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder_module, "DEMO_IMAGES", 40)
        data_dir = tmp_path_factory.mktemp("built")
        prepare("demo", data_dir=data_dir)
        yield data_dir


@pytest.fixture
def older(built: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Makes a data_dir of one format, as an earlier version did; returns the demo's folder."""

    def make(name: str) -> Path:
        shutil.copytree(built, tmp_path / "older")
        (folder,) = (tmp_path / "older").glob("concrete_cracks/demo/*")
        info = json.loads((folder / "dataset_info.json").read_text())
        info["fileFormat"] = name
        del info["alternativeFileFormats"]
        (folder / "dataset_info.json").write_text(json.dumps(info))
        for path in folder.glob(f"*.{BOTH[1 - BOTH.index(name)]}-*"):
            path.unlink()
        return folder

    return make


def test_a_build_holds_the_same_records_in_both_formats(built: Path, read_records: Reader) -> None:
    builder = prepare("demo", data_dir=built)
    folder = Path(builder.data_dir)
    assert listed(folder) == found(folder) == BOTH
    for split, expected in read_records(builder).items():
        (path,) = folder.glob(f"*-{split}.tfrecord-*")
        assert list(formats._read_records(path, FileFormat.TFRECORD)) == expected


def test_without_tensorflow_array_record_stands_alone(
    small_demo: int, without_tensorflow: None, tmp_path: Path
) -> None:
    folder = Path(prepare("demo", data_dir=tmp_path).data_dir)
    assert listed(folder) == found(folder) == ["array_record"]
    with pytest.raises(DataSourceError, match=r"has no tfrecord files, .* TensorFlow is needed"):
        Builder(config="demo", data_dir=tmp_path).as_dataset(split="test")


def test_without_tensorflow_nothing_imports_it(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from importlib.machinery import PathFinder\n"
        "class Hidden(PathFinder):\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        "        hidden = name.partition('.')[0] == 'tensorflow'\n"
        "        return None if hidden else super().find_spec(name, path, target)\n"
        "sys.meta_path[sys.meta_path.index(PathFinder)] = Hidden\n"
        "from tfds_builder.concrete_cracks import concrete_cracks_dataset_builder, prepare\n"
        "concrete_cracks_dataset_builder.DEMO_IMAGES = 40\n"
        "source = prepare('demo', data_dir=sys.argv[1]).as_data_source('train')\n"
        "print(len(source), source[0]['image'].shape, 'tensorflow' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "32 (227, 227, 3) False"


def test_a_program_that_does_not_know_the_builder_reads_the_folder(built: Path) -> None:
    """With `tfds.load`, `tfds.data_source` and `builder_from_directory`; it finds the config."""
    (folder,) = built.glob("concrete_cracks/demo/*")
    script = (
        "import sys, tensorflow_datasets as tfds\n"
        "data_dir, folder = sys.argv[1:]\n"
        "loaded = tfds.load('concrete_cracks/demo', data_dir=data_dir, split='train')\n"
        "same = tfds.builder_from_directory(folder).as_dataset(split='train')\n"
        "source = tfds.data_source('concrete_cracks/demo', data_dir=data_dir, split='train')\n"
        "first = [next(iter(tfds.as_numpy(each)))['filename'] for each in (loaded, same)]\n"
        "print(len(loaded), len(same), len(source), {*first, source[0]['filename']})\n"
        "print({'crackdet', 'tfds_builder', 'tuning'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(built), str(folder)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    counts, known = result.stdout.splitlines()[-2:]
    assert counts.startswith("32 32 32 {b'")
    assert counts.count("b'") == 1
    assert known == "set()"


def test_reading_writes_nothing(built: Path, read_examples: Reader) -> None:
    """So that it works from a folder that may only be read, in either way, in any order."""

    def state() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in built.rglob("*")}

    before = state()
    loaded = tfds.load("concrete_cracks/demo", data_dir=built)
    by_index = read_examples(prepare("demo", data_dir=built))
    builder = Builder(config="demo", data_dir=built)
    assert len(builder.as_data_source("test")) == len(list(builder.as_dataset("test"))) == 4
    assert len(builder.as_data_source("test")) == 4
    assert len(tfds.data_source("concrete_cracks/demo", data_dir=built, split="test")) == 4
    assert state() == before
    for split, expected in by_index.items():
        examples = list(tfds.as_numpy(loaded[split]))
        for name in ("filename", "group", "label"):
            assert [e[name] for e in examples] == [e[name] for e in expected]
        pixels = [np.stack([e["image"] for e in each]) for each in (examples, expected)]
        assert np.abs(pixels[0].astype(int) - pixels[1]).mean() < 2  # Two JPEG decoders.


@pytest.mark.parametrize("first", BOTH)
def test_what_an_earlier_version_built_is_read_and_completed(
    first: str, older: Callable[[str], Path], built: Path, read_records: Reader
) -> None:
    folder = older(first)
    assert found(folder) == [first]
    builder = prepare("demo", data_dir=folder.parents[2])
    assert listed(folder) == found(folder) == BOTH
    assert read_records(builder) == read_records(prepare("demo", data_dir=built))
    assert len(list(tfds.builder_from_directory(folder).as_dataset(split="test"))) == 4


def test_what_an_earlier_version_had_copied_is_only_named_first(
    older: Callable[[str], Path], built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It left array_record first even where `as_dataset` had added tfrecord."""
    folder = older("array_record")
    info = json.loads((folder / "dataset_info.json").read_text())
    info["alternativeFileFormats"] = ["tfrecord"]
    (folder / "dataset_info.json").write_text(json.dumps(info))
    for path in built.glob("concrete_cracks/demo/*/*.tfrecord-*"):
        shutil.copy(path, folder)
    monkeypatch.setattr(formats, "_copy_records", lambda *_: pytest.fail("copied again"))
    prepare("demo", data_dir=folder.parents[2])
    assert listed(folder) == BOTH


def test_tfds_load_completes_what_an_earlier_version_built(older: Callable[[str], Path]) -> None:
    folder = older("array_record")
    dataset = tfds.load("concrete_cracks/demo", data_dir=folder.parents[2], split="test")
    assert len(list(dataset)) == 4
    assert listed(folder) == found(folder) == BOTH


class PermissionDeniedError(Exception):
    """TensorFlow's is no OSError."""


@pytest.mark.parametrize("error", [PermissionError(13, "denied"), PermissionDeniedError("denied")])
def test_a_folder_of_one_format_that_may_only_be_read_is_read(
    error: Exception, older: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = older("array_record")

    def refuse(path: Any, iterator: Any) -> None:
        raise error

    monkeypatch.setattr(formats.file_adapters.TfRecordFileAdapter, "write_examples", refuse)
    builder = prepare("demo", data_dir=folder.parents[2])
    assert len(builder.as_data_source("test")) == 4
    with pytest.raises(DataSourceError, match=r"holds array_record alone and cannot be written"):
        builder.as_dataset(split="test")
    assert listed(folder) == found(folder) == ["array_record"]


def test_a_disk_without_room_for_the_second_format_is_no_obstacle(
    older: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = older("array_record")
    usage = shutil.disk_usage(folder)._replace(free=1000)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage)
    assert len(prepare("demo", data_dir=folder.parents[2]).as_data_source("test")) == 4
    assert found(folder) == ["array_record"]


def test_a_kill_while_the_second_format_is_copied_leaves_what_is_read_as_before(
    older: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = older("array_record")
    write = formats.file_adapters.TfRecordFileAdapter.write_examples

    def stop(path: Path, records: Any) -> Any:
        if "train" in path.name:
            raise KeyboardInterrupt
        return write(path, records)

    with monkeypatch.context() as patch:
        patch.setattr(formats.file_adapters.TfRecordFileAdapter, "write_examples", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare("demo", data_dir=folder.parents[2])
    assert listed(folder) == ["array_record"]
    prepare("demo", data_dir=folder.parents[2])
    assert listed(folder) == found(folder) == BOTH


def test_two_callers_complete_a_data_set_at_once(older: Callable[[str], Path]) -> None:
    folder = older("array_record")
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: prepare("demo", data_dir=folder.parents[2]), range(2)))
    assert [len(builder.as_data_source("test")) for builder in both] == [4, 4]
    assert listed(folder) == found(folder) == BOTH


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"one of tfrecord, array_record, .*Received: riegeli"):
        tfds.load(
            "concrete_cracks/demo", data_dir=tmp_path, builder_kwargs={"file_format": "riegeli"}
        )
    with pytest.raises(ValueError, match="Received: parquet"):
        Builder(config="demo", data_dir=tmp_path).download_and_prepare(file_format="parquet")
    assert os.listdir(tmp_path) == []
