"""`write_sites_report`: the page of a classifier on other sites, from its files alone."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crackdet.errors import CrackdetError
from crackdet.files import atomic_write, read_json
from crackdet.report.figures.sites import at_threshold, aurocs
from crackdet.report.figures.theme import Picture, house_style
from crackdet.report.page import render
from crackdet.report.page_data import EmbeddedPicture, Page, Section, Table, embed
from crackdet.report.page_data.page import Tile
from crackdet.report.site_words import (
    FILTER_MEANINGS,
    FILTER_WORDS,
    mean_sentence,
    site_cells,
    site_header,
    verdict,
)
from crackdet.report.words import (
    METRIC_WORDS,
    MISSING,
    interval,
    number,
    percent,
    plural,
    written,
)
from crackdet.runs import files

Row = Mapping[str, Any]

_AT_THRESHOLD = ("recall", "precision", "false_alarm_rate")
_CALIBRATION = ("ece", "brier")


def write_sites_report(folder: str | os.PathLike[str]) -> Path:
    """Writes the pictures and the page of a classifier on other sites.

    Args:
        folder: What `crackdet transfer --out` wrote; `sites.json` alone is read.

    Returns:
        The path of `report.html` in that folder, which needs no other file; the pictures stand
        beside it as `pictures/*.png`.

    Raises:
        CrackdetError: If `sites.json` is missing or broken.

    Example:

    >>> write_sites_report("runs/sites")
    PosixPath('runs/sites/report.html')
    """
    folder = Path(folder)
    found = _read(folder)
    pictures: dict[str, EmbeddedPicture] = {}
    try:
        with house_style():
            for picture in _draw(found["sites"]):
                png = picture.png()
                with atomic_write(folder / files.PICTURES / f"{picture.name}.png") as temporary:
                    temporary.write_bytes(png)
                pictures[picture.name] = embed(picture, png)
        page = render(_page(found), pictures)
    except (KeyError, TypeError) as error:
        raise CrackdetError(f"{folder / files.SITES} lacks {error}. {_REMEDY}") from error
    path = folder / files.REPORT
    with atomic_write(path) as temporary:
        temporary.write_text(page, "utf-8")
    return path


_REMEDY = "Give the command again that made it: crackdet transfer … --out."


def _read(folder: Path) -> dict[str, Any]:
    path = folder / files.SITES
    try:
        return dict(read_json(path))
    except (OSError, ValueError, TypeError) as error:
        raise CrackdetError(f"{path} cannot be read ({error}). {_REMEDY}") from error


def _draw(rows: Sequence[Row]) -> list[Picture]:
    return [picture for picture in (aurocs(rows), at_threshold(rows)) if picture is not None]


def _page(found: Row) -> Page:
    rows = found["sites"]
    patches = sum(row["n"] for row in rows)
    mean = found["mean"]
    return Page(
        title=f"Other sites: {found['model']}",
        subtitle=f"{plural(len(rows), 'site')}, {patches:,} patches; nothing was fitted on them.",
        headline=_headline(rows, mean),
        cautions=[found["limits"]] if found["limits"] else [],
        warning=None,
        tiles=[_tile(row) for row in rows],
        sections=[
            Section("sites", "Site by site", _site_section(found)),
            Section("site_notes", "What was judged", {"sites": rows}),
            Section(
                "site_repeat",
                "How to repeat this",
                {"command": found["command"], "versions": _versions(found["versions"])},
            ),
        ],
    )


def _headline(rows: Sequence[Row], mean: Row | None) -> str:
    judged = [row for row in rows if row["auroc"] is not None]
    better = [row for row in judged if row["untrained"]["better"]]
    said = (
        f"On {len(better)} of {plural(len(judged), 'site')} it is shown to be better than the best "
        "untrained filter."
    )
    if not judged:
        return "No site has both sound and cracked patches: nothing can be compared."
    return said if mean is None else f"{mean_sentence(mean['auroc'], mean['untrained'])} {said}"


def _tile(row: Row) -> Tile:
    untrained = row["untrained"]
    beside = "no untrained filter to compare with"
    if untrained["best"] is not None:
        area = number(untrained["auroc"][untrained["best"]])
        beside = f"best untrained {area} ({FILTER_WORDS[untrained['best']]})"
    return Tile(f"{row['site']}: AUROC", number(row["auroc"]), beside)


def _site_section(found: Row) -> dict[str, Any]:
    rows = found["sites"]
    header = site_header(rows)
    filters = [
        [
            row["site"],
            *(number(row["untrained"]["auroc"][name]) for name in FILTER_WORDS),
            number(row["auroc"]),
        ]
        for row in rows
    ]
    return {
        "header": header,
        "rows": [site_cells(row, header) for row in rows],
        "threshold": f"{found['threshold']:.4f}",
        "threshold_from": found["threshold_from"],
        "calibration": _calibration(rows),
        "calibration_words": ". ".join(
            f"{METRIC_WORDS[name][0]}: {METRIC_WORDS[name][2]}" for name in _CALIBRATION
        ),
        "unsure": _without_unsure(rows),
        "filters": Table(
            "AUROC of each untrained filter",
            ["Site", *(words.capitalize() for words in FILTER_WORDS.values()), "Classifier"],
            filters,
        ),
        "meanings": [
            (words.capitalize(), FILTER_MEANINGS[name]) for name, words in FILTER_WORDS.items()
        ],
        "verdicts": [(row["site"], verdict(row)) for row in rows],
    }


def _calibration(rows: Sequence[Row]) -> Table:
    """Returns how far scores are probabilities, site by site, with their intervals."""
    return Table(
        "Are its scores probabilities?",
        ["Site", *(METRIC_WORDS[name][0] for name in _CALIBRATION)],
        [[row["site"], *(_with_interval(name, row) for name in _CALIBRATION)] for row in rows],
    )


def _with_interval(name: str, row: Row) -> str:
    bounds = interval(name, row)
    return f"{written(name, row[name])} ({bounds})" if bounds else written(name, row[name])


def _without_unsure(rows: Sequence[Row]) -> Table | None:
    """Returns what unsure patches change at the threshold, site by site; None if no row tells."""
    if not any("unsure" in row for row in rows):
        return None
    titles = [METRIC_WORDS[name][0] for name in _AT_THRESHOLD]
    return Table(
        "At the threshold: patches that it is unsure of as mistakes, and without them",
        ["Site", "Unsure", *(words for each in titles for words in (each, f"{each} without them"))],
        [_with_and_without(row) for row in rows],
    )


def _with_and_without(row: Row) -> list[str]:
    facts = row.get("unsure")
    unsure, answered = (None, {}) if facts is None else (facts["share"], facts["answered"])
    parts = [(row[name], answered.get(name)) for name in _AT_THRESHOLD]
    return [row["site"], percent(unsure), *(percent(share) for part in parts for share in part)]


def _versions(versions: Mapping[str, str]) -> Table:
    lines = [[name, value or MISSING] for name, value in versions.items()]
    return Table("Versions", ["Name", "Value"], lines, numeric=False)
