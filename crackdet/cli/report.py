"""`crackdet report`: the report of a run, made again from the run's files."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from crackdet.cli import options as cli
from crackdet.errors import CrackdetError
from crackdet.runs import files


def add_parser(subparsers: Any) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "report",
        help="make a run's pictures and page again",
        description="Makes report.html and pictures/ again from the files of a run, or from those "
        "of `crackdet transfer`; no model is loaded and nothing is computed twice.",
        allow_abbrev=False,
    )
    parser.add_argument("run", metavar="RUN", help="the folder of a run or of sites")
    cli.add_common(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: Namespace) -> None:
    """Writes the report."""
    folder = Path(arguments.run)
    if (folder / files.SITES).exists():
        from crackdet.report import write_sites_report

        print(f"Report: {write_sites_report(folder)}")
        return
    if not (folder / files.METRICS).exists():
        raise CrackdetError(
            f"{folder} holds no finished run ({files.METRICS} is missing): give the folder "
            "of a `crackdet run` that has ended, or give that command again."
        )
    from crackdet.report import write_report

    print(f"Report: {write_report(folder)}")
    print(f"Next: crackdet predict photo.jpg --model {folder}")
