"""How pictures look: colours, sizes, fonts, and how a figure becomes a PNG."""

import io
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

# The palette of Okabe & Ito ("Color Universal Design", 2008), told apart by colour-blind readers.
BLUE, VERMILION, ORANGE = "#0072B2", "#D55E00", "#E69F00"
GREY, LIGHT, INK = "#7A7F87", "#E4E7EB", "#1B1F24"
CLASS_COLOURS = (BLUE, VERMILION)

# A picture is 5.2 inches at 200 dots: shown 360 px wide on a phone, 11 points are 10.6 px high.
WIDTH, DPI = 5.2, 200
RC: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 11,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "figure.dpi": DPI,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",  # Comes with Matplotlib: the same picture on any machine.
    "font.size": 11,
    "grid.color": LIGHT,
    "grid.linewidth": 0.8,
    "hatch.linewidth": 0.6,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.facecolor": "white",
    "text.color": INK,
    "text.parse_math": False,  # Class and file names may hold dollar signs.
    "text.usetex": False,
    "xtick.color": INK,
    "xtick.labelsize": 10,
    "ytick.color": INK,
    "ytick.labelsize": 10,
}


@dataclass(frozen=True)
class Picture:
    """One picture of the report: its file's name, what it shows, and what one sees in it."""

    name: str
    title: str
    alt: str  # The finding, for who does not see the picture.
    caption: str  # How to read it, for who does.
    figure: Figure
    photographs: bool = False  # Rather than lines and letters, which no loss may blur.

    def png(self) -> bytes:
        """Returns the picture as the bytes of a PNG, the alternative text inside."""
        buffer = io.BytesIO()
        metadata = {"Title": self.title, "Description": self.alt, "Software": None}
        with house_style():
            self.figure.savefig(buffer, format="png", dpi=DPI, metadata=metadata)
        return buffer.getvalue()


def house_style() -> AbstractContextManager[None]:
    """Returns a context that draws and saves figures alike, whatever the user's own style."""
    return matplotlib.rc_context(RC)  # type: ignore[arg-type]


def new_figure(height: float, *, gap: float = 0.08) -> Figure:
    """Returns an empty figure, all wide alike, `height` inches high, `gap` inches between axes."""
    return Figure(figsize=(WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=gap, h_pad=gap))


def logarithmic(axes: Axes, *, x: bool = False, y: bool = False) -> None:
    """Makes axes logarithmic, with plain numbers at 1, 3, 10, 30, …"""
    if x:
        axes.set_xscale("log")
    if y:
        axes.set_yscale("log")
    for axis in [axes.xaxis] * x + [axes.yaxis] * y:
        axis.set_major_locator(LogLocator(subs=(1, 3)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())


def whole_numbers(axis: Axis) -> None:
    """Puts the ticks of an axis on whole numbers only."""
    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def unit_axes(axes: Axes, *, x: str, y: str) -> None:
    """Labels axes that both run from 0 to 1, with room for points on the border."""
    axes.set(xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
