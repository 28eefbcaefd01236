"""Plots of cells, each a matplotlib Figure; from Python they are `bench.plot`.

Each takes a frame of `bench.load_cells`, whole or filtered. A virtual device is drawn
hollow and dashed, and the title says what it is; names are text, never mathematics.
"""

from __future__ import annotations

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
from bench.report.look import INK, MARKERS, MUTED, SERIES, SIZE, STYLE, number_axis

MOST_DEVICES = len(SERIES)
MOST_NAMES = 14  # points that are named; more would cover each other
MOST_WHISKERS = 200  # points with whiskers; more would be a smear, and slow to draw
OTHER = "other models"
ERROR = "published_top1_error_pct"

Floats = npt.NDArray[np.float64]


class Series(NamedTuple):
    """Points of one device and one family, or of one family."""

    points: pd.DataFrame
    colour: str
    marker: str
    virtual: bool = False

    @property
    def line(self) -> Any:
        return (0, (4, 2)) if self.virtual else "solid"

    @property
    def fill(self) -> str:
        return "none" if self.virtual else self.colour


def latency_vs_macs(cells: pd.DataFrame) -> Figure:
    """Median latency over complexity, a colour a device, whiskers for the median's interval.

    The dotted line is what latency would be if it went with the MACs from each device's
    largest model on: where points leave it, MACs are not latency.
    """
    told = _told(cells, ["macs", "median_us"])
    with mpl.rc_context(STYLE):
        figure, axes = _figure("Latency against complexity", told)
        for series in _by_device(told, "macs"):
            x, y = values(series.points, "macs") / 1e6, values(series.points, "median_us") / 1e3
            _points(axes, series, x, y, yerr=_whiskers(series.points))
            axes.plot(x[[0, -1]], [y[-1] * x[0] / x[-1], y[-1]], color=series.colour,
                      linewidth=0.8, linestyle=(0, (1, 2)), alpha=0.8)  # fmt: skip
        number_axis(axes.xaxis, "Complexity, million MACs", values(told, "macs") / 1e6)
        number_axis(axes.yaxis, "Median latency, ms", values(told, "median_us") / 1e3)
        guide = Line2D([], [], color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
        _legend(figure, [*_keys(told), (guide, "in proportion to MACs")])
    return figure


def error_vs_macs(cells: pd.DataFrame) -> Figure:
    """Published top-1 error over complexity, a colour a family: the plot of the papers."""
    told = _told(cells, ["macs", ERROR]).drop_duplicates(["model", "model_sha256"])
    with mpl.rc_context(STYLE):
        figure, axes = _figure("Published error against complexity", told.iloc[:0])
        keys = []
        for number, (family, points) in enumerate(_groups(told, "family")):
            marker, colour = MARKERS[number % len(MARKERS)], SERIES[number % len(SERIES)]
            series = Series(points.sort_values(["macs", "model"]), colour, marker)
            x, y = values(series.points, "macs") / 1e6, values(series.points, ERROR)
            _points(axes, series, x, y)
            if len(told) <= MOST_NAMES:
                _name_points(axes, series, x, y)
            keys.append((_handle(colour, marker), text.clean(family, text.LABEL_LIMIT)))
        number_axis(axes.xaxis, "Complexity, million MACs", values(told, "macs") / 1e6)
        axes.set_ylabel("Published top-1 error, %")
        _legend(figure, keys)
    return figure


def error_vs_latency(cells: pd.DataFrame) -> Figure:
    """Published top-1 error over measured latency; the steps are each device's Pareto front."""
    told = _told(cells, ["median_us", ERROR])
    with mpl.rc_context(STYLE):
        figure, axes = _figure("Published error against latency", told)
        for series in _by_device(told, "median_us"):
            x, y = values(series.points, "median_us") / 1e3, values(series.points, ERROR)
            _points(axes, series, x, y, xerr=_whiskers(series.points), joined=False)
        for number, (_, points) in enumerate(_groups(told, "device_id")[:MOST_DEVICES]):
            front = pareto_front(values(points, "median_us") / 1e3, values(points, ERROR))
            axes.plot(*zip(*front, strict=True), drawstyle="steps-post", linewidth=0.9,
                      color=SERIES[number], alpha=0.8)  # fmt: skip
        number_axis(axes.xaxis, "Median latency, ms", values(told, "median_us") / 1e3)
        axes.set_ylabel("Published top-1 error, %")
        front_key = Line2D([], [], color=MUTED, linewidth=0.9)
        _legend(figure, [*_keys(told, joined=False), (front_key, "Pareto front")])
    return figure


def pareto_front(x: Floats, y: Floats) -> list[tuple[float, float]]:
    """The points that no other beats in both coordinates, where less is better."""
    front: list[tuple[float, float]] = []
    for across, up in sorted(zip(x.tolist(), y.tolist(), strict=True)):
        if not front or up < front[-1][1]:
            front.append((across, up))
    return front


def tells(cells: pd.DataFrame, *columns: str) -> bool:
    """Whether any cell has all that a plot needs."""
    return not _told(cells, list(columns)).empty


def values(frame: pd.DataFrame, column: str) -> Floats:
    """A column as plain floats, NaN for what is not told."""
    return np.asarray(frame[column].to_numpy(dtype=np.float64, na_value=np.nan))


def _told(cells: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The cells that have what a plot needs, with no family left untold."""
    told = cells.dropna(subset=columns)
    told = told[(told[columns] > 0).all(axis=1).to_numpy(dtype=bool)]
    return told.assign(family=told["family"].astype(object).fillna(OTHER).astype(str))


def _groups(frame: pd.DataFrame, column: str) -> list[tuple[str, pd.DataFrame]]:
    names = list(dict.fromkeys(frame[column].astype(str)))
    return [(name, frame[(frame[column].astype(str) == name).to_numpy()]) for name in names]


def _by_device(cells: pd.DataFrame, order: str) -> Iterator[Series]:
    """A colour for each device and a marker for each family."""
    families = [family for family, _ in _groups(cells, "family")]
    for number, (_, on_device) in enumerate(_groups(cells, "device_id")[:MOST_DEVICES]):
        for family, points in _groups(on_device, "family"):
            yield Series(
                points=points.sort_values([order, "model"]),
                colour=SERIES[number],
                marker=MARKERS[families.index(family) % len(MARKERS)],
                virtual=bool(points["virtual"].any()),
            )


def _figure(title: str, measured: pd.DataFrame) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    virtual = measured["virtual"].to_numpy(dtype=bool)
    if virtual.all() and len(virtual):
        title += "\n[virtual] not a phone's latency"
    elif virtual.any():
        title += "\nhollow: [virtual], not a phone's latency"
    axes.set_title(title)
    return figure, axes


def _points(
    axes: Axes, series: Series, x: Floats, y: Floats, *, joined: bool = True, **whiskers: Any
) -> None:
    axes.errorbar(
        x, y, **whiskers, color=series.colour, marker=series.marker, elinewidth=1.0, capsize=2.0,
        markerfacecolor=series.fill, linestyle=series.line if joined else "none",
    )  # fmt: skip


def _whiskers(points: pd.DataFrame) -> Floats | None:
    """How far the interval reaches below and above, milliseconds."""
    if len(points) > MOST_WHISKERS:
        return None
    middle = values(points, "median_us")
    low, high = values(points, "median_low_us"), values(points, "median_high_us")
    return np.vstack([middle - low, high - middle]) / 1e3


def _name_points(axes: Axes, series: Series, x: Floats, y: Floats) -> None:
    for across, up, name in zip(x, y, _short_names(series.points), strict=True):
        axes.annotate(
            name, (across, up), xytext=(5, 4), textcoords="offset points", fontsize=7.5,
            color=MUTED, parse_math=False,
        )  # fmt: skip


def _short_names(points: pd.DataFrame) -> Iterator[str]:
    """What tells a model from the others of its family."""
    for model, alpha, scale, groups in zip(
        *(points[c].astype(object) for c in ("model", "alpha", "scale", "groups")), strict=True
    ):
        if not pd.isna(alpha):
            yield str(alpha)
        elif not pd.isna(scale):
            yield f"{scale:g}×" + ("" if pd.isna(groups) else f" g{groups}")
        else:
            yield text.clean(model, 18)


def _keys(cells: pd.DataFrame, *, joined: bool = True) -> list[tuple[Line2D, str]]:
    """Legend of devices by colour, then, if there are several, of families by marker."""
    devices = _groups(cells, "device_id")
    keys = []
    for number, (_, points) in enumerate(devices[:MOST_DEVICES]):
        virtual = bool(points["virtual"].any())
        series = Series(points, SERIES[number], "o", virtual)
        line = series.line if joined else "none"
        handle = _handle(series.colour, "o", fill=series.fill, line=line)
        keys.append((handle, _device_label(str(points["device"].iloc[0]))))
    if len(devices) > MOST_DEVICES:
        keys.append((Line2D([], [], linestyle="none"), f"and {len(devices) - MOST_DEVICES} more"))
    families = [family for family, _ in _groups(cells, "family")]
    if len(families) > 1:
        for number, family in enumerate(families):
            handle = _handle(INK, MARKERS[number % len(MARKERS)])
            keys.append((handle, text.clean(family, text.LABEL_LIMIT)))
    return keys


def _device_label(title: str) -> str:
    """A title cut before its mark of a virtual device, not within."""
    name, mark, kind = title.rpartition(" [virtual")
    return text.clean(name or title, text.LABEL_LIMIT) + (mark + kind if name else "")


def _handle(colour: str, marker: str, *, fill: str | None = None, line: Any = "none") -> Line2D:
    return Line2D(
        [], [], color=colour, marker=marker, markerfacecolor=fill or colour, linestyle=line
    )


def _legend(figure: Figure, keys: Sequence[tuple[Line2D, str]]) -> None:
    """A legend below the axes whose names are taken as they are."""
    if not keys:
        return
    legend = figure.legend(
        [handle for handle, _ in keys],
        ["name"] * len(keys),  # a name that begins with "_" would be left out
        loc="outside lower left",
        ncols=2 if len(keys) > 2 or max(len(name) for _, name in keys) < 24 else 1,
    )
    for shown, (_, name) in zip(legend.get_texts(), keys, strict=True):
        shown.set_parse_math(False)
        shown.set_text(name)
