"""`write_report`: from the files of a run to its pictures and its page."""

import os
from pathlib import Path

from crackdet.files import atomic_write
from crackdet.report.figures import Picture, draw, search_pictures
from crackdet.report.figures.theme import house_style
from crackdet.report.page import render_page
from crackdet.report.page_data import EmbeddedPicture, embed
from crackdet.report.run import read_run, read_search
from crackdet.runs import files


def write_report(run_dir: str | os.PathLike[str]) -> Path:
    """Writes the pictures and the page of a run, from the run's files alone.

    No model is loaded and no figure is measured anew. The page carries its pictures and its style
    inside and holds no script, so it opens from a mail attachment; every text from file names or
    options is escaped.

    Args:
        run_dir: The folder of a run: `config.json`, `metrics.json`, `predictions.csv`,
            `samples.npz`, `architecture.json`, and where there are any `history.csv` and
            `search/trials.csv` with `search/search.json`.

    Returns:
        The path of `report.html` in that folder; the pictures stand beside it as
        `pictures/*.png`.

    Raises:
        CrackdetError: If a required file is missing or broken.

    Example:

    >>> crackdet.report.write_report("runs/demo")
    PosixPath('runs/demo/report.html')
    """
    run = read_run(Path(run_dir))
    pictures: dict[str, EmbeddedPicture] = {}
    with house_style():
        for picture in draw(run):
            png = picture.png()
            _write(run.folder, picture, png)
            pictures[picture.name] = embed(picture, png)
    path = run.folder / files.REPORT
    with atomic_write(path) as temporary:
        temporary.write_text(render_page(run, pictures), "utf-8")
    return path


def write_search_pictures(run_dir: str | os.PathLike[str]) -> list[Path]:
    """Writes the pictures of a search that no final fit has followed yet.

    Args:
        run_dir: A folder that holds `search/trials.csv` and `search/search.json`.

    Returns:
        The paths of the pictures in `run_dir/pictures`: each hyperparameter against the
        objective, and all together. None where every trial failed.

    Raises:
        CrackdetError: If `trials.csv` or `search.json` is missing or broken.

    Example:

    >>> crackdet.report.write_search_pictures("runs/search")
    [PosixPath('runs/search/pictures/search_dropout.png'), ...]
    """
    folder = Path(run_dir)
    with house_style():
        return [
            _write(folder, picture, picture.png())
            for picture in search_pictures(read_search(folder))
        ]


def _write(folder: Path, picture: Picture, png: bytes) -> Path:
    path = folder / files.PICTURES / f"{picture.name}.png"
    with atomic_write(path) as temporary:
        temporary.write_bytes(png)
    return path
