"""The front door is true: figures are those of the runs, files and options exist, code parses.

Its code runs in tests/examples/test_readme_runs.py.
"""

import argparse
import json
import re
import tomllib
from pathlib import Path

import pytest

from crackdet.cli import _build_parser
from crackdet.models import preset_card
from tfds_builder.concrete_cracks.splits import shipped_leakage


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    return (root / "README.md").read_text("utf-8")


def _cell(row: dict, name: str) -> str:
    low, high = row["intervals"][name]
    if name == "auroc":
        return f"{row[name]:.4f} [{low:.4f}, {high:.4f}]"
    return f"{100 * row[name]:.2f} % [{100 * low:.2f}, {100 * high:.2f}]"


@pytest.mark.parametrize("name", ["accuracy", "recall", "precision", "auroc", "recall_at_far_1pct"])
def test_figures_are_those_of_the_run_on_the_real_images(root, name):
    folder = root / "examples" / "benchmarks"
    rows = json.loads((folder / "real_run.json").read_text("utf-8"))["test"]
    cells = [_cell(rows[each], name) for each in ("after", "before", "baseline")]
    assert f"| {' | '.join(cells)} |" in (folder / "README.md").read_text("utf-8")


def test_figures_on_other_sites_are_those_of_the_shipped_model(readme):
    for site in preset_card("concrete")["elsewhere"]:
        shown = (site["recall"], site["false_alarm_rate"])
        assert all(f"{100 * share:.1f} %" in readme for share in shown), site["data"]
        assert f"{site['auroc']:.3f}" in readme, site["data"]


def test_leakage_figures_are_the_measured_ones(readme):
    for rule in ("random", "twins"):
        leak = shipped_leakage()[rule]
        assert f"{100 * leak['twin']:.1f} % | {100 * leak['twin_or_overlap']:.1f} %" in readme


def test_links_and_pictures_exist(root, readme):
    targets = re.findall(r"\]\(([^)#]+)\)", readme)
    local = [target for target in targets if not target.startswith("http")]
    assert len(local) >= 4
    assert [target for target in local if not (root / target).exists()] == []


def test_python_blocks_parse(readme):
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec")


def test_it_is_short(readme):
    assert len(readme.splitlines()) <= 200


def test_every_option_is_one_of_the_command_line(readme):
    options = _options(_build_parser())
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", readme))
    assert len(named) > 15
    assert named - options == set()


def test_every_extra_is_one_of_the_package(root, readme):
    extras = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    named = set(re.findall(r"'\.\[(\w+)\]'", readme))
    assert named
    assert named <= set(extras["optional-dependencies"])


def _options(parser: argparse.ArgumentParser) -> set[str]:
    """The options of a parser and of its commands."""
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {name for below in action.choices.values() for name in _options(below)}
    return found
