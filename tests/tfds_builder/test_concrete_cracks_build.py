"""What is built: the same records from any source, in both formats, and what a wheel holds."""

import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tfds_builder.concrete_cracks import prepare, sources
from tfds_builder.concrete_cracks.make_dummy_data import dummy_images

DUMMY_DATA = Path(sources.__file__).with_name("dummy_data")
Members = dict[str, bytes]
Reader = Callable[[Any], dict[str, list[Any]]]
RarWriter = Callable[[Path, Iterable[tuple[str, bytes]]], Path]


def without_names(examples: dict[str, list[dict[str, Any]]]) -> dict[str, list[tuple]]:
    return {
        split: [(e["image"].tobytes(), int(e["label"]), int(e["group"])) for e in found]
        for split, found in examples.items()
    }


# --- The same records from anywhere


@pytest.mark.parametrize("config", ["grouped", "twins", "random"])
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


def test_importing_the_package_registers_the_data_set() -> None:
    script = (
        "import tensorflow_datasets as tfds, tfds_builder.concrete_cracks\n"
        "print(sorted(tfds.builder_cls('concrete_cracks').builder_configs))\n"
        "print(tfds.builder_cls('concrete_cracks').default_builder_config.name)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines() == ["['demo', 'grouped', 'random', 'twins']", "grouped"]


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
