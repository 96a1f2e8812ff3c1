"""What this machine computes with: processors, memory, GPUs, and when compiling pays."""

import os
import sys
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
CGROUP_OF_PROCESS = Path("/proc/self/cgroup")
MEMORY_INFO = Path("/proc/meminfo")


def share_gpu_memory() -> None:
    """Keeps TensorFlow and JAX from taking all of a GPU's memory at once, unless told otherwise.

    The process that computes features and those that train share a GPU. Backends read this when
    they first use one, so that it may still be said after they were imported.
    """
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def gpu_count() -> int:
    """Returns how many GPUs the backend sees."""
    import keras

    if keras.backend.backend() == "torch":  # whose devices `keras.distribution` does not list
        return int(sys.modules["torch"].cuda.device_count())
    try:
        return len(keras.distribution.list_devices("gpu"))
    except RuntimeError:  # JAX's answer where there is none
        return 0


def has_gpu() -> bool:
    """Returns whether the backend computes on a GPU."""
    import keras

    if keras.backend.backend() == "torch":  # on Apple's too, which are no CUDA devices
        return keras.ops.zeros(()).device.type != "cpu"
    return gpu_count() > 0


def jit_compile() -> bool | str:
    """Returns what a model's `jit_compile` should be.

    XLA slows TensorFlow's CPU down tenfold. With PyTorch, Keras compiles a model whose
    `jit_compile` is set to "auto", and that takes longer than a search takes without.
    """
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        return "auto" if has_gpu() else False
    return False if backend == "torch" else "auto"


def available_cores() -> int:
    """Returns how many processors this process may use, its cgroup's quota counted."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        cores = os.cpu_count() or 1
    quotas = [_quota(folder) for folder in _cgroups()]
    return max(1, min([cores, *(int(quota) for quota in quotas if quota is not None)]))


def available_memory() -> int | None:
    """Returns the bytes that programs can have, the cgroup's limit counted; None if unknown.

    Files that the system keeps in memory count as available.
    """
    known = [_free_of_system(), *(_free_of_cgroup(folder) for folder in _cgroups())]
    return min((each for each in known if each is not None), default=None)


def _free_of_system() -> int | None:
    try:
        lines = MEMORY_INFO.read_text("ascii").splitlines()
    except OSError:  # not on macOS
        return None
    sizes = dict(line.split(":", 1) for line in lines if ":" in line)
    return 1024 * int(sizes["MemAvailable"].split()[0]) if "MemAvailable" in sizes else None


def _cgroups() -> list[Path]:
    """Returns the process's cgroup and those around it (version 2), each of which may limit it."""
    try:
        lines = CGROUP_OF_PROCESS.read_text().splitlines()
    except OSError:
        return []
    own = next((line[3:] for line in lines if line.startswith("0::")), None)
    if own is None:
        return []
    folder = CGROUP / own.lstrip("/")
    return [each for each in (folder, *folder.parents) if each.is_relative_to(CGROUP)]


def _quota(cgroup: Path) -> float | None:
    """Returns the processors that a cgroup may use, or None where it has no limit."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _free_of_cgroup(cgroup: Path) -> int | None:
    """Returns the bytes that a cgroup has left, or None where it has no limit."""
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        used = int((cgroup / "memory.current").read_text())
        statistics = (cgroup / "memory.stat").read_text()
    except (OSError, ValueError):
        return None
    if limit == "max":
        return None
    # Files that were read lately count as used, and are dropped for whoever needs their memory.
    sizes = dict(line.split() for line in statistics.splitlines())
    return max(0, int(limit) - used + int(sizes.get("inactive_file", 0)))
