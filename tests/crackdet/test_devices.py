"""Processors and memory as the system tells them, in files that tests write."""

import os
from collections.abc import Callable
from pathlib import Path

import keras
import pytest

from crackdet import devices

GIGABYTE = 2**30


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes what the system tells of eight processors: `system({"a/cpu.max": …}, cgroup="/a")`."""
    monkeypatch.setattr(devices, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(devices, "CGROUP_OF_PROCESS", tmp_path / "own")
    monkeypatch.setattr(devices, "MEMORY_INFO", tmp_path / "meminfo")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)

    def write(
        files: dict[str, str], *, cgroup: str | None = "/a/b", available: int | None = None
    ) -> None:
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        if cgroup is not None:
            (tmp_path / "own").write_text(f"1:cpu,memory:/of/version/1\n0::{cgroup}\n")
        if available is not None:
            text = f"MemTotal: 99 kB\nMemAvailable:    {available // 1024} kB\nHugePages: 0\n"
            (tmp_path / "meminfo").write_text(text)

    return write


def memory(folder: str, limit: int | str, used: int, files: int = 0) -> dict[str, str]:
    return {
        f"{folder}/memory.max": str(limit),
        f"{folder}/memory.current": str(used),
        f"{folder}/memory.stat": f"anon 1\ninactive_file {files}\nactive_file 7",
    }


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"a/b/cpu.max": "max 100000"}, 8),
        ({"a/b/cpu.max": "300000 100000"}, 3),
        ({"a/b/cpu.max": "350000 100000", "a/cpu.max": "max 100000"}, 3),
        ({"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"}, 2),  # one around it
        ({"a/b/cpu.max": "600000 100000", "cpu.max": "500000 100000"}, 5),
        ({"a/b/cpu.max": "50000 100000"}, 1),  # never none
        ({"a/b/cpu.max": "1600000 100000"}, 8),
        ({"a/b/c/cpu.max": "200000 100000", "d/cpu.max": "200000 100000"}, 8),  # not its own
        ({"a/b/cpu.max": "what?"}, 8),
    ],
)
def test_a_quota_of_the_cgroup_or_of_one_around_it_counts(
    system: Callable[..., None], files: dict[str, str], cores: int
) -> None:
    system(files)
    assert devices.available_cores() == cores


def test_processors_without_cgroups_are_those_that_the_process_may_use(
    system: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    system({"cpu.max": "200000 100000"}, cgroup=None)
    assert devices.available_cores() == 8
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert devices.available_cores() == 1


@pytest.mark.parametrize(
    ("files", "gigabytes"),
    [
        ({}, 10),
        (memory("a/b", "max", 3 * GIGABYTE), 10),
        (memory("a/b", 4 * GIGABYTE, GIGABYTE), 3),
        (memory("a", 4 * GIGABYTE, GIGABYTE) | memory("a/b", "max", 0), 3),
        (memory("a/b", 4 * GIGABYTE, 3 * GIGABYTE, files=2 * GIGABYTE), 3),  # files are dropped
        (memory("a/b", 4 * GIGABYTE, 5 * GIGABYTE), 0),
        (memory("a/b", 40 * GIGABYTE, GIGABYTE), 10),
        ({"a/b/memory.max": str(GIGABYTE)}, 10),  # of which nobody says what is used
    ],
)
def test_the_least_memory_of_the_system_and_its_cgroups_counts(
    system: Callable[..., None], files: dict[str, str], gigabytes: int
) -> None:
    system(files, available=10 * GIGABYTE)
    assert devices.available_memory() == gigabytes * GIGABYTE


def test_memory_that_nobody_tells_is_unknown(system: Callable[..., None]) -> None:
    system({})
    assert devices.available_memory() is None
    system(memory("a/b", 4 * GIGABYTE, GIGABYTE))
    assert devices.available_memory() == 3 * GIGABYTE


def test_this_machine_has_some_of_what_it_has() -> None:
    assert 1 <= devices.available_cores() <= (os.cpu_count() or 1)
    available = devices.available_memory()
    if available is not None:
        assert 0 < available <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("gpus", [0, 2])
def test_models_are_compiled_where_that_pays(monkeypatch: pytest.MonkeyPatch, gpus: int) -> None:
    monkeypatch.setattr(devices, "gpu_count", lambda: gpus)
    expected = {"tensorflow": "auto" if gpus else False, "jax": "auto", "torch": False}
    assert devices.jit_compile() == expected[keras.backend.backend()]


def test_a_backend_without_gpus_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(kind: str) -> list[str]:
        if keras.backend.backend() == "jax":
            raise RuntimeError("Unknown backend: gpu")
        return []

    monkeypatch.setattr(keras.distribution, "list_devices", none)
    if keras.backend.backend() == "torch":
        import torch

        monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert devices.gpu_count() == 0


def test_processes_share_a_gpu_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "false")
    monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE")
    devices.share_gpu_memory()
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "false"
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
