"""What is kept from who gives a command, and what is not."""

import ast
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from crackdet.errors import CrackdetWarning
from crackdet.quiet import COMMAND, in_process_of_command, only_own_warnings

ROOT = Path(__file__).resolve().parents[2]


def make_noise() -> None:
    """Warns as libraries do, in both of their ways, and as crackdet does."""
    warnings.warn("Tag data larger than file", stacklevel=1)
    logging.getLogger("a.library").warning("More samples than can be decoded")
    warnings.warn("2 pictures\nwere left out: wall\x1b.jpg.", CrackdetWarning, stacklevel=1)


def test_only_own_warnings_are_shown_each_as_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    before = warnings.showwarning, logging.lastResort
    with only_own_warnings():
        make_noise()
        assert os.environ[COMMAND]
    assert capsys.readouterr().err == "crackdet: 2 pictures were left out: wall\\x1b.jpg.\n"
    assert (warnings.showwarning, logging.lastResort) == before
    assert COMMAND not in os.environ


@pytest.mark.parametrize("of_command", [True, False])
def test_processes_of_a_command_show_the_same(
    of_command: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "lastResort", logging.lastResort)
    if of_command:
        monkeypatch.setenv(COMMAND, "1")
    with warnings.catch_warnings():
        before = warnings.showwarning
        in_process_of_command()
        assert (warnings.showwarning is before) == (not of_command)
        if of_command:
            make_noise()
            assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("fails", [False, True])
def test_the_lines_of_tensorflows_start_are_shown_only_if_it_fails(
    fails: bool, tmp_path: Path
) -> None:
    """They go past Python, to the descriptor; here a package of that name writes them."""
    (tmp_path / "tensorflow.py").write_text(
        "import os; os.write(2, b'I0000 oneDNN custom operations are on.\\n')\n"
        + ("raise ImportError('no AVX')" if fails else "started = True")
    )
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from crackdet.quiet import quiet_tensorflow\n"
        "quiet_tensorflow(); quiet_tensorflow()\n"
        "import tensorflow\n"
        "print(tensorflow.started, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True
    )
    assert ("oneDNN" in done.stderr) == fails
    assert fails or done.stderr == "True\n"


@pytest.mark.parametrize("package", ["crackdet", "tuning"])
def test_all_own_warnings_are_of_the_kind_that_is_shown(package: str) -> None:
    found = [
        (path.name, [ast.unparse(each) for each in node.args[1:]])
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn"
    ]
    assert found
    assert {tuple(kinds) for _, kinds in found} == {("CrackdetWarning",)}
