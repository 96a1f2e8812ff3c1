"""The command line: `crackdet COMMAND [WHAT] --option value`, one file per command.

An option means the same in every command. Keras and the other heavy libraries are imported only by
the command that runs, so `--help` is immediate.
"""

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from crackdet import __version__
from crackdet.cli import adapt, cache, data, evaluate, predict, report, run, search, train, transfer
from crackdet.cli.options import UsageError
from crackdet.names import printable
from crackdet.quiet import only_own_warnings

FAILURE, USAGE, INTERRUPTED = 1, 2, 130

_COMMANDS = (run, data, search, train, evaluate, transfer, adapt, report, predict, cache)
_EPILOG = """\
start with:
  crackdet run --data demo --out runs/demo     the whole job on procedural images
  crackdet predict photo.jpg                   judge a photo with the shipped classifier
"""


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser that answers bad usage in one sentence and names the way to help."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message}; '{self.prog} --help' lists every option\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: The words after `crackdet`; those of the process when None.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong usage, 130 stopped with Ctrl-C.

    Example:

    >>> from crackdet.cli import main
    >>> main(["predict", "photo.jpg", "--model", "concrete"])
    """
    _print_any_name()
    arguments = _build_parser().parse_args(argv)
    _silence_libraries()
    # Who asks Python for warnings, with -W, gets them.
    all_warnings = arguments.debug or sys.warnoptions
    try:
        with contextlib.nullcontext() if all_warnings else only_own_warnings():
            return int(arguments.execute(arguments) or 0)
    except UsageError as error:
        return _fail(str(error), USAGE)
    except KeyboardInterrupt:
        return _fail("stopped; give the same command again to go on", INTERRUPTED)
    except BrokenPipeError:
        # The reader of a pipe, such as `head`, has what it wanted.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except Exception as error:
        if arguments.debug:
            raise
        return _fail(_sentence(error), FAILURE)


def _build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="crackdet",
        description="Tells cracked concrete from sound concrete.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"crackdet {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(subparsers)
    return parser


def _print_any_name() -> None:
    """Has names that the terminal cannot print shown escaped, where they would stop a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _silence_libraries() -> None:
    """Must come before they are imported: what is not Python reads the level once."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")


def _sentence(error: Exception) -> str:
    """Returns one line that tells a person what is wrong."""
    if isinstance(error, OSError) and error.filename is not None:
        return printable(f"{error.filename}: {error.strerror}")
    sentence = printable(" ".join(str(error).split()))
    ours = type(error).__module__.startswith(("crackdet", "tfds_builder", "tuning"))
    if ours or isinstance(error, ValueError | OSError):
        return sentence
    return f"{type(error).__name__}: {sentence}; --debug shows where"


def _fail(sentence: str, code: int) -> int:
    print(f"crackdet: {sentence}", file=sys.stderr)
    return code
