"""Latency and error over complexity, and error over latency: the plots of the papers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.errors import UsageError
from bench.report import text
from bench.report.plots.drawing import (
    DOTTED,
    MOST_DEVICES,
    Floats,
    Key,
    Series,
    by_device,
    draw,
    figure_of,
    groups,
    key,
    keys,
    legend,
    texts,
    told,
    values,
    whiskers_ms,
)
from bench.report.plots.look import MARKERS, MUTED, SERIES, STYLE, number_axis

Accuracy = Literal["published", "measured"]
ERRORS = {"published": "published_top1_error_pct", "measured": "measured_top1_error_pct"}
MOST_NAMES = 14  # points that are named; more would cover each other

# The curves that the papers made their case with: name, family and the table's source.
CURVES = (
    ("MobileNet v1 as printed", "mobilenet_v1", "MobileNets, arXiv 1704.04861v1", "table 6"),
    ("ShuffleNet v1 as printed", "shufflenet_v1", "ShuffleNet, arXiv 1707.01083v2", "table 5"),
)


def latency_vs_macs(cells: pd.DataFrame) -> Figure:
    """Median latency over complexity, a colour a device, whiskers for the median's interval.

    The dotted line is what latency would be if it went with the MACs from each device's
    largest model on: where points leave it, MACs are not latency.
    """
    shown = told(cells, "macs", "median_us")
    with mpl.rc_context(STYLE):
        figure, axes = figure_of("Latency against complexity", shown)
        for series in by_device(shown, "macs"):
            x, y = values(series.points, "macs") / 1e6, values(series.points, "median_us") / 1e3
            draw(axes, series, x, y, yerr=whiskers_ms(series.points))
        for number, (_, points) in enumerate(groups(shown, "device_id")[:MOST_DEVICES]):
            x, y = values(points, "macs") / 1e6, values(points, "median_us") / 1e3
            slope = y[x.argmax()] / x.max()
            axes.plot([x.min(), x.max()], [slope * x.min(), slope * x.max()],
                      color=SERIES[number], linewidth=0.9, linestyle=DOTTED)  # fmt: skip
        number_axis(axes.xaxis, "Complexity, million MACs", values(shown, "macs") / 1e6)
        number_axis(axes.yaxis, "Median latency, ms", values(shown, "median_us") / 1e3)
        guide = key(MUTED, "", line=DOTTED, width=0.9)
        legend(figure, [*keys(shown), (guide, "in proportion to MACs")])
    return figure


def error_vs_macs(cells: pd.DataFrame, error: Accuracy = "published") -> Figure:
    """Top-1 error over complexity, a colour a kind of model.

    A published error stands over the papers' curves; a measured one, of a single data set,
    does not, for those are of another.
    """
    column = ERRORS[error]
    shown = told(cells, "macs", column).drop_duplicates(["model", "model_sha256"])
    label = _error_label(shown, error)
    with mpl.rc_context(STYLE):
        figure, axes = figure_of(f"{error.capitalize()} error against complexity", shown.iloc[:0])
        found: list[Key] = []
        families = set(shown["family"].astype(str)) if error == "published" else set()
        curves = list(_curves(axes, families))
        for number, (kind, points) in enumerate(groups(shown, "kind")):
            marker, colour = MARKERS[number % len(MARKERS)], SERIES[number % len(SERIES)]
            series = Series(points.sort_values(["macs", "model"]), colour, marker)
            x, y = values(series.points, "macs") / 1e6, values(series.points, column)
            draw(axes, series, x, y, joined=False)
            if len(shown) <= MOST_NAMES:
                _name_points(axes, series, x, y)
            found.append((key(colour, marker), text.clean(kind, text.LABEL_LIMIT)))
        number_axis(axes.xaxis, "Complexity, million MACs", values(shown, "macs") / 1e6)
        axes.set_ylabel(label, parse_math=False)
        legend(figure, [*found, *curves])
    return figure


def error_vs_latency(cells: pd.DataFrame, error: Accuracy = "published") -> Figure:
    """Top-1 error over measured latency; the steps are each device's Pareto front."""
    column = ERRORS[error]
    shown = told(cells, "median_us", column)
    label = _error_label(shown, error)
    with mpl.rc_context(STYLE):
        figure, axes = figure_of(f"{error.capitalize()} error against latency", shown)
        for series in by_device(shown, "median_us"):
            x, y = values(series.points, "median_us") / 1e3, values(series.points, column)
            draw(axes, series, x, y, xerr=whiskers_ms(series.points), joined=False)
        for number, (_, points) in enumerate(groups(shown, "device_id")[:MOST_DEVICES]):
            front = pareto_front(values(points, "median_us") / 1e3, values(points, column))
            axes.plot(*zip(*front, strict=True), drawstyle="steps-post", linewidth=0.9,
                      color=SERIES[number], alpha=0.8)  # fmt: skip
        number_axis(axes.xaxis, "Median latency, ms", values(shown, "median_us") / 1e3)
        axes.set_ylabel(label, parse_math=False)
        front_key = key(MUTED, "", line="solid", width=0.9)
        legend(figure, [*keys(shown, joined=False), (front_key, "Pareto front")])
    return figure


def _error_label(shown: pd.DataFrame, error: Accuracy) -> str:
    """The axis' label; errors of several data sets have none in common."""
    if error == "published":
        return "Published top-1 error, %"
    datasets = sorted(set(texts(shown, "measured_dataset")))
    if len(datasets) > 1:
        raise UsageError(
            f"these errors were measured on {len(datasets)} data sets:"
            f" {', '.join(text.clean(name) for name in datasets)}.",
            next_step="Choose the cells of one by their measured_dataset.",
        )
    return "Measured top-1 error, %" + (f"\n{text.clean(datasets[0], 60)}" if datasets else "")


def pareto_front(x: Floats, y: Floats) -> list[tuple[float, float]]:
    """The points that no other beats in both coordinates, where less is better."""
    front: list[tuple[float, float]] = []
    for across, up in sorted(zip(x.tolist(), y.tolist(), strict=True)):
        if not front or up < front[-1][1]:
            front.append((across, up))
    return front


def _curves(axes: Axes, families: set[str]) -> Iterator[Key]:
    """The papers' curves of the families that are shown."""
    from bench.zoo import published

    styles = ("solid", (0, (5, 2)))
    for (name, family, paper, table), style in zip(CURVES, styles, strict=True):
        points = sorted(
            (row.macs_m, row.top1_error_pct)
            for row in published.rows()
            if row.family == family
            and row.source.startswith(paper)
            and row.source.endswith(table)
            and not row.options
            and row.macs_m
            and row.top1_error_pct
        )
        if family in families and len(points) > 1:
            axes.plot(*zip(*points, strict=True), color=MUTED, linewidth=0.9, linestyle=style)
            yield key(MUTED, "", line=style, width=0.9), name


def _name_points(axes: Axes, series: Series, x: Floats, y: Floats) -> None:
    for across, up, name in zip(x, y, _short_names(series.points), strict=True):
        axes.annotate(
            name, (across, up), xytext=(5, 4), textcoords="offset points", fontsize=8,
            color=MUTED, parse_math=False,
        )  # fmt: skip


def _short_names(points: pd.DataFrame) -> Iterator[str]:
    """What tells a model from the others of its family."""
    for model, alpha, scale, count in zip(
        *(points[c].astype(object) for c in ("model", "alpha", "scale", "groups")), strict=True
    ):
        if not pd.isna(alpha):
            yield str(alpha)
        elif not pd.isna(scale):
            yield f"{scale:g}×" + ("" if pd.isna(count) else f" g{count}")
        else:
            yield text.clean(model, 18)
