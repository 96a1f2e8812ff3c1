"""What the benchmarks share: the machine in words, a free place, results kept as they come."""

import contextlib
import datetime
import importlib.metadata
import importlib.util
import itertools
import json
import platform
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crackdet.files import write_json
from crackdet.runs.record import git_revision

CPU_INFO = Path("/proc/cpuinfo")


def machine() -> dict[str, Any]:
    """Returns what figures depend on: processors, GPU, backend, engine, versions, revision."""
    import keras

    from crackdet.devices import available_cores, gpu_count, has_gpu

    backend = keras.backend.backend()
    return {
        "cores": available_cores(),
        "processor": processor(),
        "gpus": gpu_count(),
        "gpu": gpu_name(backend) if has_gpu() else None,
        "backend": backend,
        "backend_version": sys.modules[backend].__version__,
        "keras": keras.__version__,
        "openvino": version("openvino"),
        "revision": git_revision(Path(__file__).parent),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def in_words(machine: dict[str, Any]) -> str:
    """Returns one line that says what `machine` returned."""
    openvino = machine["openvino"]
    return "; ".join(
        [
            f"{machine['cores']} cores of {machine['processor']}",
            f"GPU {machine['gpu']}" if machine["gpu"] else "no GPU",
            f"{machine['backend']} {machine['backend_version']}, Keras {machine['keras']}",
            f"OpenVINO {openvino}" if openvino else "no OpenVINO",
            f"revision {(machine['revision'] or 'unknown')[:7]}",
        ]
    )


def processor() -> str:
    """Returns the name of the processor's model, or its kind where the system tells no name."""
    with contextlib.suppress(OSError):
        for line in CPU_INFO.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def gpu_name(backend: str) -> str:
    """Returns the name of the first GPU as the backend gives it."""
    library = sys.modules[backend]
    if backend == "torch":
        return library.cuda.get_device_name(0) if library.cuda.is_available() else "of the system"
    if backend == "jax":
        return library.devices()[0].device_kind
    gpu = library.config.list_physical_devices("GPU")[0]
    return library.config.experimental.get_device_details(gpu).get("device_name", gpu.name)


def version(package: str) -> str | None:
    """Returns the version of a package, None where it is not installed."""
    if importlib.util.find_spec(package) is None:
        return None
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def free_path(pattern: str) -> Path:
    """Returns the first of `runs/x-1`, `runs/x-2`, … that does not exist, given `runs/x-{}`."""
    paths = (Path(pattern.format(number)) for number in itertools.count(1))
    return next(path for path in paths if not path.exists())


class _TimeIsOver(Exception):  # noqa: N818 - it names what is so
    """No measurement may begin any more."""


class Results:
    """Figures, printed and written to a file as they come, and a table of them at the end.

    Args:
        path: The JSON file.
        machine: What `machine` returned.
        with_aims: Whether figures are held against their aims, which are of one kind of GPU.
        seconds: Measurements that would begin later than so long after the start are left out.
            None for no limit.
    """

    def __init__(
        self,
        path: Path,
        machine: dict[str, Any],
        *,
        with_aims: bool = False,
        seconds: float | None = None,
    ):
        self.path = path
        self.rows: list[dict[str, Any]] = []
        self.failed: list[str] = []
        self.left_out: list[str] = []
        self._machine = machine
        self._with_aims = with_aims
        self._start = time.perf_counter()
        self._limit = seconds
        self._write()

    def add(
        self,
        part: str,
        what: str,
        value: float,
        unit: str,
        note: str = "",
        *,
        at_least: float | None = None,
        below: float | None = None,
    ) -> None:
        """Keeps a figure.

        Args:
            part: The part of the benchmark.
            what: What was measured.
            value: The figure.
            unit: Its unit; it also decides how the figure is rounded.
            note: What else is to be known.
            at_least: An aim of at least so much.
            below: An aim of less than so much.
        """
        row = {"part": part, "what": what, "value": value, "unit": unit, "note": note}
        if self._with_aims and (at_least is not None or below is not None):
            reached = value >= at_least if at_least is not None else value < below
            aim = f"at least {at_least:,}" if at_least is not None else f"below {below:,}"
            row |= {"aim": aim, "reached": reached}
        self.rows.append(row)
        self._write()
        note = _note(row)
        say(f"{part}: {what}: {_figure(row)}{f' ({note})' if note else ''}")

    @contextlib.contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Lets the program go on when a measurement raises, which is then among the failed ones.

        Where time is over, it is left out: `check_time` in the block ends it.
        """
        try:
            yield
        except _TimeIsOver:
            self.left_out.append(what)
            self._write()
        except Exception as error:
            traceback.print_exc()
            self.failed.append(f"{what}: {type(error).__name__}: {error}".splitlines()[0])
            self._write()
            say(f"{what}: FAILED")

    def check_time(self) -> None:
        """Ends the block of `attempt` around where time is over."""
        if self._limit is not None and self.seconds > self._limit:
            raise _TimeIsOver

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start

    def table(self) -> str:
        """Returns the figures as a table of Markdown."""
        lines = ["| part | what | figure | note |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {row['part']} | {row['what']} | {_figure(row)} | {_note(row)} |"
            for row in self.rows
        ]
        return "\n".join(lines)

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(
            self.path,
            {
                "machine": self._machine,
                "seconds": self.seconds,
                "rows": self.rows,
                "failed": self.failed,
                "left_out": self.left_out,
            },
        )


def read_results(path: Path) -> dict[str, Any]:
    """Returns what `Results` has written."""
    return json.loads(path.read_text("utf-8"))


def say(line: str) -> None:
    """Prints a line at once, also into a pipe."""
    print(line, flush=True)


def _figure(row: dict[str, Any]) -> str:
    value, unit = row["value"], row["unit"]
    if unit == "val_loss":
        return f"val_loss {value:.6f}"
    number = f"{value:,.0f}" if unit == "images/s" and value >= 100 else f"{value:.1f}"
    return f"{number}{'' if unit == 'x' else ' '}{unit}"


def _note(row: dict[str, Any]) -> str:
    aim = f"aim {row['aim']}: {'reached' if row['reached'] else 'missed'}" if "aim" in row else ""
    return "; ".join(filter(None, (row["note"], aim)))
