"""The package as it is installed: lazy, complete, licensed."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import crackdet

DATA_SUFFIXES = {".md", ".bib", ".txt", ".tsv", ".csv", ".json", ".jpg", ".h5", ".html", ".css"}


def run_elsewhere(code: str, cwd: Path) -> str:
    """Runs code in a folder without the sources, so that the installed package is imported."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_crackdet_loads_no_heavy_library(tmp_path: Path) -> None:
    loaded = run_elsewhere(
        "import sys, crackdet\n"
        "print(sorted({'keras', 'numpy', 'tensorflow', 'tensorflow_datasets'} & set(sys.modules)))",
        tmp_path,
    )
    assert loaded == "[]"


def test_a_gpu_is_shared_by_default_from_python_too(tmp_path: Path) -> None:
    code = (
        "import os; os.environ['XLA_PYTHON_CLIENT_PREALLOCATE'] = 'true'; import crackdet\n"
        "names = 'TF_FORCE_GPU_ALLOW_GROWTH', 'XLA_PYTHON_CLIENT_PREALLOCATE'\n"
        "print([os.environ[name] for name in names])"
    )
    assert run_elsewhere(code, tmp_path) == "['true', 'true']", "growth, unless told otherwise"


@pytest.mark.parametrize("name", crackdet.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(crackdet, name) is not None


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        _ = crackdet.colour


def test_the_version_is_the_installed_one() -> None:
    assert importlib.metadata.version("crackdet") == crackdet.__version__


def test_the_licence_is_installed() -> None:
    metadata = importlib.metadata.metadata("crackdet")
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE"]


@pytest.mark.parametrize("package", ["crackdet", "tfds_builder", "tuning"])
def test_data_files_are_installed_with_the_code(package: str, root: Path, tmp_path: Path) -> None:
    installed = Path(
        run_elsewhere(f"import {package}; print(list({package}.__path__)[0])", tmp_path)
    )
    files = {
        path.relative_to(root / package)
        for path in (root / package).rglob("*")
        if path.suffix in {".py", *DATA_SUFFIXES} and path.is_file()
    }
    assert files
    assert not {path for path in files if not (installed / path).is_file()}


def test_importing_keras_or_tfds_after_crackdet_registers_ours(tmp_path: Path) -> None:
    registered = run_elsewhere(
        "import crackdet, keras, tensorflow_datasets as tfds\n"
        "print(keras.saving.get_registered_object('crackdet>RandomDihedral') is not None,\n"
        "      'concrete_cracks' in tfds.list_builders(with_community_datasets=False))",
        tmp_path,
    )
    assert registered == "True True"
