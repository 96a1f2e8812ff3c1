"""What every test shares: quiet libraries, fixed seeds, and the data beside the project."""

import gc
import os
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

# Before TensorFlow and Matplotlib are imported: they read these once. Child processes inherit them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["MPLBACKEND"] = "Agg"
# The data sets that tests build stay out of the user's own folder. TFDS too reads it once.
_DATA_SETS = tempfile.TemporaryDirectory(prefix="tensorflow_datasets")
os.environ["TFDS_DATA_DIR"] = _DATA_SETS.name

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Finds `shared("data/concrete_cracks")` beside the project, or skips the test."""

    def find(what: str) -> Path:
        path = ROOT.parent / "shared" / what
        if not path.exists():
            pytest.skip(f"needs ../shared/{what}")
        return path

    return find


@pytest.fixture(scope="session", autouse=True)
def _no_search_for_garbage() -> None:
    """Leaves alone what was imported: to look through it while Keras traces takes a fifth more."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _seeds() -> None:
    """Starts each test from the same random state, whatever ran before it."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)
