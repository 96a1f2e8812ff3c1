"""What was found on other sites in words and cells, for a terminal and for the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from crackdet.evaluation.filters import CONTRAST, DARK_LINE, DARK_RESIDUAL
from crackdet.report.words import MISSING, interval, number, percent, written

Row = Mapping[str, Any]

FILTER_WORDS = {
    CONTRAST: "contrast",
    DARK_RESIDUAL: "dark residual",
    DARK_LINE: "dark lines",
}
FILTER_MEANINGS = {
    CONTRAST: "the standard deviation of the grey values",
    DARK_RESIDUAL: "how far the darkest pixels lie below the median around them",
    DARK_LINE: "the strongest dark line that elongated filters of three widths find",
}
_MEASURED = {
    "auroc": "AUROC",
    "recall_at_far_1pct": "Recall at 1\N{NO-BREAK SPACE}% false alarms",
    "recall_at_far_5pct": "Recall at 5\N{NO-BREAK SPACE}% false alarms",
    "recall": "Recall",
    "false_alarm_rate": "False alarms",
}


def site_header(rows: Sequence[Row]) -> list[str]:
    """Returns the columns of a table of sites; one for licences only where some are told."""
    licence = ["Licence"] if any(row["licence"] for row in rows) else []
    counted = ["Patches", "Photos", "Cracked", "Best untrained AUROC"]
    unsure = ["Unsure"] if any("unsure" in row for row in rows) else []
    return ["Site", *licence, *counted, *_MEASURED.values(), *unsure]


def site_cells(row: Row, header: Sequence[str]) -> list[tuple[str, str]]:
    """Returns the cells of a site under `site_header`, each with its interval or an empty text."""
    cells = {
        "Site": (row["site"], ""),
        "Licence": (row["licence"] or MISSING, ""),
        "Patches": (f"{row['n']:,}", ""),
        "Photos": (f"{row['groups']:,}", ""),
        "Cracked": (percent(row["share_cracked"]), ""),
        "Best untrained AUROC": _best(row["untrained"]),
        "Unsure": (_unsure(row), ""),
        **{
            title: (written(name, row[name]), interval(name, row))
            for name, title in _MEASURED.items()
        },
    }
    return [cells[title] for title in header]


def brief(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Returns a table of sites for a terminal, header and lines: AUROC alone with its interval."""
    licence = ["licence"] if any(row["licence"] for row in rows) else []
    header = [
        *("site", *licence, "patches", "photos", "cracked", "untrained", "AUROC"),
        *("at 1 % FA", "at 5 % FA", "recall", "false alarms", "unsure", "ECE"),
    ]
    lines = []
    for row in rows:
        bounds = row["intervals"]["auroc"]
        spread = "" if bounds is None else " [{:.2f}, {:.2f}]".format(*bounds)
        shares = (row[name] for name in list(_MEASURED)[1:5])
        lines.append(
            [
                row["site"],
                *([row["licence"] or MISSING] if licence else []),
                str(row["n"]),
                str(row["groups"]),
                _short(row["share_cracked"]),
                _best(row["untrained"], 3)[0],
                f"{number(row['auroc'], 3)}{spread}",
                *map(_short, shares),
                _unsure(row),
                number(row["ece"], 3),
            ]
        )
    return header, lines


def verdict(row: Row) -> str:
    """Returns in a sentence what a classifier is worth on a site, beside the best filter."""
    if row["auroc"] is None:
        what = "no sound patch" if row["positives"] else "no cracked patch"
        return f"AUROC undefined: there is {what}."
    untrained = row["untrained"]
    name, bounds = FILTER_WORDS[untrained["best"]], untrained["gain_interval"]
    best = f"{name}, {number(untrained['auroc'][untrained['best']])}"
    own = f"AUROC {number(row['auroc'])}"
    if bounds is None:
        return f"{own}; too little to tell whether the best untrained filter ({best}) is worse."
    words = "better" if untrained["better"] else "not shown to be better"
    words = "worse" if bounds[1] < 0 else words
    spread = "{:+z.3f} [{:+z.3f}, {:+z.3f}]".format(untrained["gain"], *bounds)
    return f"{own}, {words} than the best untrained filter ({best}): {spread}."


def mean_sentence(own: float, untrained: float) -> str:
    """Returns what `crackdet.evaluation.sites.mean_auroc` found in words."""
    return (
        f"Mean AUROC over sites {number(own)}, of the best untrained filters {number(untrained)}."
    )


def _unsure(row: Row) -> str:
    return _short(row["unsure"]["share"] if "unsure" in row else None)


def _short(share: float | None) -> str:
    return MISSING if share is None else f"{100 * share:.1f} %"


def _best(untrained: Row, decimals: int = 4) -> tuple[str, str]:
    if untrained["best"] is None:
        return MISSING, ""
    area = number(untrained["auroc"][untrained["best"]], decimals)
    bounds = untrained["interval"]
    spread = "" if bounds is None else f"{number(bounds[0])} to {number(bounds[1])}"
    return f"{area} {FILTER_WORDS[untrained['best']]}", spread
