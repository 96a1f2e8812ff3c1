"""The front door is true: its figures are the shipped model's, its files exist, its code parses."""

import re
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("name", ["accuracy", "recall", "precision", "auroc"])
def test_figures_are_those_of_the_shipped_model(readme, name):
    assert _cell(preset_card("concrete")["test"], name) in readme


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
