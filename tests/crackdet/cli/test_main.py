"""The command line as a whole: help, exit codes, errors in one sentence."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crackdet import __version__, cli
from crackdet.errors import CrackdetError

COMMANDS = ("run", "data", "search", "train", "evaluate", "report", "predict")


def python(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, capture_output=True, text=True, timeout=120
    )


def test_help_names_every_command_and_loads_no_library(tmp_path: Path) -> None:
    code = (
        "import sys; from crackdet.cli import main\n"
        "try: main(['--help'])\n"
        "finally: print(sorted({'keras', 'numpy', 'tensorflow', 'rich', 'PIL'} & set(sys.modules)))"
    )
    done = python("-c", code, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "[]"
    for command in COMMANDS:
        assert f"\n    {command} " in done.stdout


def test_python_m_crackdet_is_the_command_line(tmp_path: Path) -> None:
    done = python("-m", "crackdet", "--version", cwd=tmp_path)
    assert done.stdout.strip() == f"crackdet {__version__}"


def test_an_error_is_one_line_without_the_noise_of_libraries(tmp_path: Path) -> None:
    done = python("-m", "crackdet", "predict", "photo.jpg", "--model", "nothing", cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("crackdet: 'nothing' is no")
    assert done.stdout == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(crackdet: Callable[..., Any], command: str) -> None:
    outcome = crackdet(command, "--help")
    assert outcome.code == 0
    assert f"usage: crackdet {command}" in outcome.out


def test_options_that_do_not_go_together_are_bad_usage(
    crackdet: Callable[..., Any], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = ["--data", "demo", "--out", str(out), "--tuner", "hyperband", "--pruning", "median"]
    outcome = crackdet("search", *words)
    assert outcome.code == 2
    assert "--pruning is not for hyperband" in outcome.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "COMMAND"),
        (["run", "--data", "demo"], "--out"),
        (["run", "--data", "demo", "--out", "x", "--epochs", "0"], "--epochs: expected a whole"),
        (["run", "--data", "demo", "--out", "x", "--alpha", "0"], "a number above 0"),
        (["run", "--data", "demo", "--out", "x", "--tuner", "best"], "bayesian or hyperband"),
        (["run", "--data", "demo", "--out", "x", "--unfreeze", "1"], "--unfreeze"),
        (["train", "--data", "demo", "--out", "x", "--unfreeze-depth", "19"], "from 0 to 18"),
        (["train", "--data", "demo", "--out", "x", "--dropout", "nan"], "--dropout"),
        (["data"], "WHAT"),
        (["predict"], "IMAGE"),
        (["predict", "a.jpg", "--threshold", "1.5"], "from 0 to 1"),
    ],
)
def test_bad_usage_names_the_option_and_the_way_out(
    crackdet: Callable[..., Any], words: list[str], told: str
) -> None:
    outcome = crackdet(*words)
    assert outcome.code == 2
    assert told in outcome.err
    assert "--help" in outcome.err
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (CrackdetError("photo.jpg is empty:\n  copy it again."), 1, "photo.jpg is empty: copy"),
        (ValueError("epochs must be positive"), 1, "crackdet: epochs must be positive"),
        (OSError(28, "No space left on device", "runs/a"), 1, "runs/a: No space left on device"),
        (RuntimeError("lost"), 1, "RuntimeError: lost; --debug shows where"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_errors_become_one_sentence_and_an_exit_code(
    crackdet: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    told: str,
) -> None:
    def fail(arguments: object) -> None:
        raise error

    monkeypatch.setattr(cli.report, "execute", fail)
    outcome = crackdet("report", "runs/a")
    assert outcome.code == code
    assert told in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_debug_lets_the_error_through(
    crackdet: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(arguments: object) -> None:
        raise RuntimeError("lost")

    monkeypatch.setattr(cli.report, "execute", fail)
    with pytest.raises(RuntimeError, match="lost"):
        crackdet("report", "runs/a", "--debug")


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    code = (
        "import sys; from crackdet import cli\n"
        "def chatter(arguments):\n"
        "    for _ in range(100_000): print('line')\n"
        "cli.report.execute = chatter\n"
        "sys.exit(cli.main(['report', 'runs/a']))"
    )
    done = subprocess.run(
        f'{sys.executable} -c "$CODE" | head -n 1',
        shell=True,
        cwd=tmp_path,
        env={"CODE": code, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "line\n"
    assert done.stderr == ""


def test_a_figure_without_interval_is_printed_alone() -> None:
    from crackdet.cli.figures import metrics_line, threshold_line

    chosen = {"threshold": 0.2, "threshold_rule": "least cost", "threshold_interval": [0.1, 0.25]}
    assert threshold_line(chosen) == "threshold 0.2000 [0.1000, 0.2500]: least cost"
    assert threshold_line({**chosen, "threshold_interval": None}) == "threshold 0.2000: least cost"

    # With few groups of images nothing can be resampled; without alarms there is no precision.
    row = {"accuracy": 0.5, "recall": 0.0, "precision": None, "auroc": 0.75}
    intervals = {**dict.fromkeys(row), "accuracy": [0.25, 0.75]}
    assert metrics_line({**row, "intervals": intervals}) == (
        "accuracy 0.5000 [0.2500, 0.7500], recall 0.0000, precision undefined, auroc 0.7500"
    )
