"""What runs trials: processes on this machine, one a core or one a GPU, or a Ray cluster.

Each is a `concurrent.futures.Executor`. Nothing here imports Keras.
"""

import importlib
from concurrent.futures import Executor
from typing import Any

_HOMES = {
    "GpuProcesses": "tuning.executors.gpu_processes",
    "TrialProcesses": "tuning.executors.processes",
    "ray_executor": "tuning.executors.ray_tasks",
}

__all__ = ["local_executor", *_HOMES]


def local_executor() -> Executor:
    """Returns what runs trials on this machine: a process a GPU, or without any one a trial."""
    from crackdet.devices import has_gpu

    name = "GpuProcesses" if has_gpu() else "TrialProcesses"
    return __getattr__(name)()


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tuning.executors' has no attribute {name!r}")
