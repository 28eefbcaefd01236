"""How the plots look: colours, sizes, lines, and axes whose numbers are plain.

The series' colours are those of Okabe and Ito (Color Universal Design, 2008), in an order
whose first members are far apart for every kind of colour vision; yellow, which white
paper swallows, is left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axis import XAxis, YAxis
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

INK = "#1d2026"
MUTED = "#5c6370"
GRID = "#dcdfe4"
PAPER = "#fefefe"
SERIES = (
    "#0072b2",  # blue
    "#d55e00",  # vermilion
    "#009e73",  # green
    "#cc79a7",  # purple
    "#e69f00",  # orange
    "#56b4e9",  # sky
    "#7a6a4f",  # brown, not theirs
    "#8a8f98",  # grey, not theirs
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    PAPER: "--paper",
    **{colour: f"--series-{number}" for number, colour in enumerate(SERIES, start=1)},
}

SIZE = (5.0, 3.9)  # inches; small, so that its text is still read on a phone's screen
LOG_FROM = 5.0  # an axis is logarithmic when its largest value is so many times its smallest

# A page's or a reader's own fonts draw what DejaVu Sans, used for measuring, lacks.
GLYPH_WARNING = r"Glyph .* missing from (current )?font"

STYLE: Any = {
    "font.size": 9.5,
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.2,
    "lines.markersize": 5,
}


def number_axis(axis: XAxis | YAxis, label: str, values: npt.NDArray[np.float64]) -> None:
    """Label an axis, and make it logarithmic where the values ask for it."""
    axis.set_label_text(label)
    if len(values) and values.max() > LOG_FROM * values.min() > 0:
        wide = values.max() > 100 * values.min()
        getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
        axis.set_major_locator(LogLocator(subs=(1.0, 3.0) if wide else (1.0, 2.0, 5.0)))
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
