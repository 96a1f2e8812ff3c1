"""Builds that fail: one sentence, and nothing half-built is left behind."""

import errno
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tensorflow_datasets as tfds

from tfds_builder.concrete_cracks import (
    Builder,
    DataSourceError,
    disk,
    download,
    formats,
    prepare,
    sources,
)
from tfds_builder.concrete_cracks import concrete_cracks_dataset_builder as builder_module

DUMMY_DATA = Path(sources.__file__).with_name("dummy_data")
Members = dict[str, bytes]
RarWriter = Callable[[Path, Iterable[tuple[str, bytes]]], Path]


def built_folders(data_dir: Path) -> list[str]:
    """What a reader could take for a data set, or a killed build for its own."""
    return sorted(path.name for path in data_dir.glob("concrete_cracks/[!.]*/*"))


# --- What goes wrong


def test_an_unknown_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataSourceError, match="use grouped, random, twins, demo"):
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


@pytest.mark.parametrize("adapter_name", ["ArrayRecordFileAdapter", "TfRecordFileAdapter"])
@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("No space left on device")],
)
def test_a_disk_that_fills_up_leaves_nothing_behind(
    error: Exception,
    adapter_name: str,
    small_demo: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fill(path: Any, iterator: Any) -> None:
        Path(path).write_bytes(b"half a shard")
        raise error

    adapter = getattr(formats.file_adapters, adapter_name)
    monkeypatch.setattr(adapter, "write_examples", fill)
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
