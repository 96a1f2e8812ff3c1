"""`write_report`: from the files of a run to its pictures and its page."""

import os
from collections.abc import Iterator
from pathlib import Path

from crackdet.files import atomic_write
from crackdet.report import curves, decisions, images
from crackdet.report.architecture import architecture
from crackdet.report.files import Run, read_run, read_trials
from crackdet.report.html import png
from crackdet.report.page import page
from crackdet.report.search import search_pictures
from crackdet.report.sections import Shown
from crackdet.report.theme import Picture, house_style


def write_report(run_dir: str | os.PathLike[str]) -> Path:
    """Writes the pictures and the page of a run, from the run's files alone.

    No model is loaded and no figure is measured anew. The page carries its pictures and its style
    inside and holds no script, so it opens from a mail attachment; every text from file names or
    options is escaped.

    Args:
        run_dir: The folder of a run: `config.json`, `metrics.json`, `predictions.csv`,
            `samples.npz`, `architecture.json`, and where there are any `history.csv` and
            `search/trials.csv`.

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
    shown: dict[str, Shown] = {}
    with house_style():
        for picture in draw(run):
            data = _write(picture, run.folder)
            image = png(data, picture.alt)
            shown[picture.name] = Shown(picture.title, picture.caption, image)
    path = run.folder / "report.html"
    with atomic_write(path) as temporary:
        temporary.write_text(page(run, shown), "utf-8")
    return path


def write_search_pictures(run_dir: str | os.PathLike[str]) -> list[Path]:
    """Writes the pictures of a search that no final fit has followed yet.

    Args:
        run_dir: A folder that holds `search/trials.csv`.

    Returns:
        The paths of the pictures in `run_dir/pictures`: each hyperparameter against the
        objective, and all together. None where every trial failed.

    Raises:
        CrackdetError: If `trials.csv` is missing or broken.

    Example:

    >>> crackdet.report.write_search_pictures("runs/search")
    [PosixPath('runs/search/pictures/search_dropout.png'), ...]
    """
    folder = Path(run_dir)
    with house_style():
        pictures = search_pictures(read_trials(folder))
        for picture in pictures:
            _write(picture, folder)
    return [folder / "pictures" / f"{picture.name}.png" for picture in pictures]


def draw(run: Run) -> Iterator[Picture]:
    """Yields every picture that the run has the numbers for."""
    for make in (
        decisions.confusion,
        curves.roc,
        curves.precision_recall,
        curves.reliability,
        curves.histograms,
        decisions.predicted_against_true,
        images.predictions,
        images.mistakes,
        images.examples,
        images.augmentations,
        architecture,
        curves.history,
    ):
        picture = make(run)
        if picture is not None:
            yield picture
    yield from search_pictures(run.trials)


def _write(picture: Picture, folder: Path) -> bytes:
    data = picture.png()
    with atomic_write(folder / "pictures" / f"{picture.name}.png") as temporary:
        temporary.write_bytes(data)
    return data
