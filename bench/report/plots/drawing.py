"""What all plots share: figures and their titles, series, legends, whiskers."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.report import text
from bench.report.plots.look import GLYPH_WARNING, INK, MARKERS, SERIES, SIZE, STYLE

MOST_DEVICES = len(SERIES)
MOST_WHISKERS = 200  # points with whiskers; more would be a smear, and slow to draw
HALF_WIDTH = 25  # characters of a name that leave room for another beside it
LINE_INCHES = 0.19  # of a legend
OTHER = "other models"
DASHED = (0, (4, 2))
DOTTED = (0, (1, 2))

Floats = npt.NDArray[np.float64]
Key = tuple[Line2D, str]


class Plot(Figure):
    """A figure that a notebook shows as it is."""

    def _repr_png_(self) -> bytes:
        drawn = io.BytesIO()
        with mpl.rc_context(STYLE), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=GLYPH_WARNING)
            self.savefig(drawn, format="png", dpi=120)
        return drawn.getvalue()


class Series(NamedTuple):
    """Points that are joined: one device, and models that differ in one axis alone."""

    points: pd.DataFrame
    colour: str
    marker: str
    virtual: bool = False

    @property
    def line(self) -> Any:
        return DASHED if self.virtual else "solid"

    @property
    def fill(self) -> str:
        return "none" if self.virtual else self.colour


def told(cells: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The cells that have what a plot needs, each with its `kind`: family and quantization."""
    rows = cells.dropna(subset=list(columns))
    rows = rows[(rows[list(columns)] > 0).all(axis=1).to_numpy(dtype=bool)]
    families, schemes = texts(rows, "family", OTHER), texts(rows, "quantization")
    several = len(set(schemes)) > 1
    kind = [
        f"{family} {scheme}".strip() if several else family
        for family, scheme in zip(families, schemes, strict=True)
    ]
    return rows.assign(kind=kind)


def tells(cells: pd.DataFrame, *columns: str) -> bool:
    """Whether any cell has all that a plot needs."""
    return not told(cells, *columns).empty


def values(frame: pd.DataFrame, column: str) -> Floats:
    """A column as plain floats, NaN for what is not told."""
    return np.asarray(frame[column].to_numpy(dtype=np.float64, na_value=np.nan))


def texts(frame: pd.DataFrame, column: str, missing: str = "") -> list[str]:
    """A column as plain strings."""
    return [missing if pd.isna(value) else str(value) for value in frame[column].astype(object)]


def groups(frame: pd.DataFrame, *columns: str) -> list[tuple[str, pd.DataFrame]]:
    """Parts of equal values, in the order in which they are met, named by the first column."""
    grouped = frame.groupby(list(columns), sort=False, observed=True, dropna=False)
    return [(texts(part, columns[0])[0], part) for _, part in grouped]


def by_device(cells: pd.DataFrame, order: str) -> Iterator[Series]:
    """A colour for each device, a marker for each kind, a line for each group and resolution."""
    kinds = [kind for kind, _ in groups(cells, "kind")]
    for number, (_, on_device) in enumerate(groups(cells, "device_id")[:MOST_DEVICES]):
        for kind, points in groups(on_device, "kind", "groups", "resolution", "variant"):
            yield Series(
                points=points.sort_values([order, "model"]),
                colour=SERIES[number],
                marker=MARKERS[kinds.index(kind) % len(MARKERS)],
                virtual=bool(points["virtual"].any()),
            )


def figure_of(
    title: str, measured: pd.DataFrame, *, columns: int = 1, heights: Sequence[float] = (1,)
) -> tuple[Figure, Any]:
    """A figure whose title says when what it shows was measured on virtual devices.

    Returns the figure and its axes, an array of them for several columns or rows, which share
    their x-axis; `heights` are the rows', the first one's as high as that of other figures.
    """
    size = (SIZE[0], SIZE[1] * sum(heights) / heights[0])
    figure = Plot(figsize=size, layout="constrained")
    axes = figure.subplots(len(heights), columns, sharex="col", height_ratios=heights)
    virtual = measured["virtual"].to_numpy(dtype=bool) if len(measured) else np.array([False])
    if virtual.all():
        title += "\n[virtual] not a phone's latency"
    elif virtual.any():
        title += "\nhollow: [virtual], not a phone's latency"
    first = axes.flat[0] if isinstance(axes, np.ndarray) else axes
    first.set_title(title)
    return figure, axes


def draw(
    axes: Axes,
    series: Series,
    x: Floats,
    y: Floats,
    *,
    joined: bool = True,
    xerr: Floats | None = None,
    yerr: Floats | None = None,
) -> None:
    """The points of a series, joined or not, with whiskers along x or y."""
    axes.errorbar(
        x, y, xerr=xerr, yerr=yerr, color=series.colour, marker=series.marker, elinewidth=1.0,
        capsize=2.0, markerfacecolor=series.fill, linestyle=series.line if joined else "none",
    )  # fmt: skip


def whiskers_ms(points: pd.DataFrame) -> Floats | None:
    """How far the interval reaches below and above the median, milliseconds."""
    if len(points) > MOST_WHISKERS:
        return None
    middle = values(points, "median_us")
    low, high = values(points, "median_low_us"), values(points, "median_high_us")
    return np.vstack([middle - low, high - middle]) / 1e3


def keys(cells: pd.DataFrame, *, joined: bool = True, kinds: bool = True) -> list[Key]:
    """Legend of devices by colour, then, if there are several, of kinds by marker."""
    devices = groups(cells, "device_id")
    found = []
    for number, (_, points) in enumerate(devices[:MOST_DEVICES]):
        series = Series(points, SERIES[number], "o", bool(points["virtual"].any()))
        line = series.line if joined else "none"
        handle = key(series.colour, "o", fill=series.fill, line=line)
        found.append((handle, device_label(str(points["device"].iloc[0]))))
    if len(devices) > MOST_DEVICES:
        found.append((key(INK, ""), f"{len(devices) - MOST_DEVICES} more devices are not drawn"))
    names = [kind for kind, _ in groups(cells, "kind")] if kinds else []
    if len(names) > 1:
        found += [
            (key(INK, MARKERS[number % len(MARKERS)]), text.clean(name, text.LABEL_LIMIT))
            for number, name in enumerate(names[: len(MARKERS)])
        ]
    return found


def device_label(title: str) -> str:
    """A title cut before its mark of a virtual device, not within."""
    return text.titled(title, text.LABEL_LIMIT - 4)


def key(colour: str, marker: str, *, fill: str | None = None, line: Any = "none",
        width: float | None = None) -> Line2D:  # fmt: skip
    """What stands before a name in a legend."""
    return Line2D(
        [], [], color=colour, marker=marker, markerfacecolor=fill or colour, linestyle=line,
        linewidth=width,
    )  # fmt: skip


def legend(figure: Figure, found: Sequence[Key]) -> None:
    """A legend below the axes, as high as it has to be, whose names are taken as they are."""
    if not found:
        return
    widest = max(len(line) for _, name in found for line in name.split("\n"))
    columns = 2 if widest <= HALF_WIDTH and len(found) > 1 else 1
    lines = sum(name.count("\n") + 1 for _, name in found) / columns
    figure.set_figheight(figure.get_figheight() + LINE_INCHES * max(lines - 2, 0))
    drawn = figure.legend(
        [handle for handle, _ in found],
        ["name"] * len(found),  # a name that begins with "_" would be left out
        loc="outside lower left",
        ncols=columns,
    )
    for shown, (_, name) in zip(drawn.get_texts(), found, strict=True):
        shown.set_parse_math(False)
        shown.set_text(name)
