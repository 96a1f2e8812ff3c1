"""The tour: a notebook that runs from top to bottom, and that git holds without its outputs."""

from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from PIL import Image as Picture

from tfds_builder.concrete_cracks.procedural import demo_image

# What stands in its parameters' cell, made short.
SHORT = """
DATA = "patches"
IMAGE_SIZE = 32
TRIALS = 1
SEARCH_IMAGES = 32
EPOCHS = 1
FOLDER = "runs/tour"
"""


@pytest.fixture
def tour(root: Path) -> Any:
    return nbformat.read(root / "examples" / "tour.ipynb", as_version=4)


def test_the_notebook_stands_without_outputs(tour: Any) -> None:
    code = [cell for cell in tour.cells if cell.cell_type == "code"]
    assert code
    assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []


@pytest.mark.slow
def test_the_notebook_runs(
    tour: Any, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(root))
    # Jupyter's own files.
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    for index in range(48):
        pixels, label = demo_image(index, seed=3)
        path = tmp_path / "patches" / ("sound", "cracked")[label] / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Picture.fromarray(pixels).resize((64, 64)).save(path)
    (parameters,) = (cell for cell in tour.cells if "parameters" in cell.metadata.get("tags", []))
    names = {line.split(" = ")[0] for line in SHORT.split("\n")}
    assert names - {""} == {n.split(" = ")[0] for n in parameters.source.split("\n") if " = " in n}
    parameters.source = SHORT
    nbclient.NotebookClient(
        tour, timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()

    outputs = [output for cell in tour.cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.output_type == "error"] == []
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 5
    told = "\n".join(_text(output) for output in outputs)
    assert "recall" in told
    assert "mine.jpg" in told
    assert (tmp_path / "runs" / "tour" / "report.html").is_file()


def _text(output: Any) -> str:
    return output.get("text", "") + output.get("data", {}).get("text/plain", "")
