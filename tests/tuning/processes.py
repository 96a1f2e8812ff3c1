"""What tests ask of the system about processes: who is in a group, who its trials are."""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

if not Path("/proc/self/stat").exists():
    pytest.skip("needs /proc", allow_module_level=True)

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """A process as the system tells it."""

    pid: int
    parent: int
    group: int
    seconds: float  # of a processor
    command: str


def processes() -> dict[int, Process]:
    """Returns all processes that run, by their numbers."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent, group, *rest = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_text()
        except OSError:  # it has just ended
            continue
        if state not in "ZX":
            pid = int(folder.name)
            seconds = (int(rest[8]) + int(rest[9])) / TICK
            found[pid] = Process(pid, int(parent), int(group), seconds, command)
    return found


def members(group: int) -> list[Process]:
    """Returns the processes of a group: a session's leader and all that it started."""
    return [each for each in processes().values() if each.group == group]


def trials(root: int) -> list[Process]:
    """Returns the processes that run the trials of a search: children of its forkserver.

    Args:
        root: The process of the search. Those of other searches in the same group do not count.
    """
    found = processes()
    servers = {
        each.pid for each in found.values() if each.parent == root and "forkserver" in each.command
    }
    return [
        each for each in found.values() if each.parent in servers and "forkserver" in each.command
    ]


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Waits until something is true; fails when it does not become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def wait_until_gone(pids: Iterable[int], seconds: float = 10) -> None:
    """Waits until processes have ended."""
    left = set(pids)
    wait_for(lambda: not left & processes().keys(), seconds)
