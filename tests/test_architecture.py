"""Holds the house rules: imports go one way, files stay short, nothing private slips in."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("crackdet", "tfds_builder", "tuning")
# The package's own two files, __init__ and __main__, only hand on to the parts.
SOURCES = sorted(
    path
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if path.parent != ROOT / "crackdet" or not path.name.startswith("__")
)
CODE = sorted([*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "examples").rglob("*.py")])
TEXT_SUFFIXES = {".py", ".md", ".toml", ".yaml", ".txt", ".tsv", ".bib", ".json", ".csv", ".html"}
LEFT_ALONE = {".git", ".venv", "build", "dist"}

# Each part imports only its own folder and what stands before it. The base holds no Keras.
BASE = (
    "crackdet.errors",
    "crackdet.names",
    "crackdet.files",
    "crackdet.locks",
    "crackdet.devices",
    "crackdet.seeds",
    "crackdet.memory",
    "crackdet.progress",
    "crackdet.quiet",
    "crackdet.keras_import",
    "crackdet.preloaded",
    "crackdet.listing",
)
ORDER = (
    *BASE,
    "tfds_builder",
    "crackdet.sample_bits",
    "crackdet.images",
    "crackdet.runs",
    "crackdet.engines",
    "crackdet.layers",
    "crackdet.models",
    "crackdet.data",
    "crackdet.stress",
    "crackdet.features",
    "crackdet.training",
    "crackdet.evaluation",
    "crackdet.inference",
    "crackdet.inspection",
    "crackdet.export",
    "crackdet.report",
    "tuning",
    "crackdet.cli",
)
LIBRARY = ORDER[ORDER.index("crackdet.sample_bits") : -1]
# What only reads and lists files starts without Keras.
WITHOUT_KERAS = (
    *BASE,
    "crackdet.sample_bits",
    "crackdet.images",
    "crackdet.runs",
    "crackdet.features.store",
)
# What the command line may import before it knows what it is asked for.
LIGHT = (*BASE, "crackdet.runs", "crackdet.cli")
BACKENDS = {"tensorflow", "jax", "torch"}
STANDARD_LIBRARY = sys.stdlib_module_names
MAX_LINES = 400
EXAMPLE_LINES = 80

# In pieces, so that this file does not hold what it forbids.
FORBIDDEN = re.compile(
    r"(?<![\w.])/(?:work|root|tmp)/|"
    + "|".join(["py" + r"pi\.org", "python" + "hosted", "test" + r"\.pypi"])
)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that a tree imports; `from crackdet import data` counts as crackdet.data."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            assert node.module is not None
            if node.module == "crackdet":
                yield from (f"crackdet.{alias.name}" for alias in node.names)
            else:
                yield node.module


def part_of(module: str) -> str | None:
    """The part of the house a module belongs to; None for other libraries."""
    return next((part for part in ORDER if f"{module}.".startswith(f"{part}.")), None)


def may_import(importer: str, imported: str) -> bool:
    """Whether the order allows one part to import another."""
    if importer == "tfds_builder":  # it knows nothing of crackdet but the one kind of lock
        return imported in ("tfds_builder", "crackdet.locks")
    if imported == "tuning":
        return importer in ("tuning", "crackdet.cli")
    return ORDER.index(imported) <= ORDER.index(importer)


def imports_at_load(tree: ast.Module) -> Iterator[str]:
    """What importing a module imports: all but the bodies of functions and type checking."""
    for node in tree.body:
        lazy = isinstance(node, ast.FunctionDef) or (
            isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        )
        if not lazy:
            yield from imports(node)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def sources_of(*parts: str) -> list[Path]:
    return [path for path in SOURCES if part_of(module_name(path)) in parts]


def test_the_rule_itself_refuses_what_goes_backwards() -> None:
    assert may_import("crackdet.models", "crackdet.layers")
    assert may_import("crackdet.cli", "tuning")
    assert not may_import("crackdet.layers", "crackdet.models")
    assert not may_import("crackdet.report", "tuning")
    assert not may_import("crackdet.files", "crackdet.locks")
    assert not may_import("tfds_builder", "crackdet.errors")
    assert not may_import("tuning", "crackdet.cli")


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_go_one_way(path: Path) -> None:
    importer = part_of(module_name(path))
    assert importer is not None, f"{module_name(path)} stands in no part of the house"
    for module in imports(parse(path)):
        imported = part_of(module)
        assert imported is None or may_import(importer, imported), f"{importer} imports {module}"


@pytest.mark.parametrize("path", sources_of("crackdet.cli"), ids=module_name)
def test_the_command_line_loads_no_library_before_it_needs_it(path: Path) -> None:
    for module in imports_at_load(parse(path)):
        top = module.partition(".")[0]
        local = module == "crackdet.__version__" or part_of(module) in LIGHT
        assert local or top in STANDARD_LIBRARY, f"{module} is imported outside a function"


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_what_handles_files_alone_loads_no_keras(path: Path) -> None:
    if module_name(path).startswith(WITHOUT_KERAS):
        assert "keras" not in list(imports_at_load(parse(path)))


@pytest.mark.parametrize("path", sources_of(*LIBRARY), ids=module_name)
def test_the_library_runs_on_any_backend(path: Path) -> None:
    assert not [m for m in imports(parse(path)) if m.partition(".")[0] in BACKENDS]


@pytest.mark.parametrize("path", sources_of("crackdet.report"), ids=module_name)
def test_reports_load_no_model(path: Path) -> None:
    assert not [m for m in imports(parse(path)) if m.partition(".")[0] == "keras"]


@pytest.mark.parametrize("path", sources_of("crackdet.evaluation"), ids=module_name)
def test_evaluation_draws_nothing(path: Path) -> None:
    assert not [m for m in imports(parse(path)) if m.partition(".")[0] in ("matplotlib", "PIL")]


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_short(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    limit = EXAMPLE_LINES if path.parent == ROOT / "examples" else MAX_LINES
    assert lines < limit, f"{lines} lines"


def test_no_machine_or_registry_is_named() -> None:
    found = []
    for path in project_files():
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            if FORBIDDEN.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert not found, "\n".join(found)


def project_files() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*")):
        folders = path.relative_to(ROOT).parts[:-1]
        generated = any(
            name in LEFT_ALONE or name.endswith((".egg-info", "_cache")) for name in folders
        )
        generated = generated or folders[:1] == ("runs",)  # of the commands in the README
        named = path.suffix in TEXT_SUFFIXES or path.name in ("Makefile", "run")
        if named and not generated and path.is_file():
            yield path
