"""How latency scales with threads, and from device to device."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.report.plots.drawing import (
    DASHED,
    DOTTED,
    MOST_DEVICES,
    Series,
    device_label,
    draw,
    figure_of,
    groups,
    key,
    keys,
    legend,
    told,
    values,
)
from bench.report.plots.look import MARKERS, MUTED, SERIES, STYLE, number_axis
from bench.report.text import LABEL_LIMIT, clean

_SAME_CELL = ["model", "model_sha256", "threads", "delegate", "affinity", "xnnpack"]


def thread_scaling(cells: pd.DataFrame) -> Figure:
    """Speed-up over the fewest threads, a line a model, a marker an affinity, a colour a device.

    What was not measured with the fewest has nothing to be set against, and is left out.
    """
    shown = told(cells, "median_us")
    same = ["device_id", "affinity", "model", "model_sha256", "delegate", "xnnpack"]
    fewest = shown[(shown["threads"] == shown["threads"].min()).to_numpy(dtype=bool)]
    shown = shown.merge(fewest[same].drop_duplicates(), on=same)
    with mpl.rc_context(STYLE):
        figure, axes = figure_of("Speed-up by threads", shown)
        affinities = [affinity for affinity, _ in groups(shown, "affinity")]
        for number, (_, on_device) in enumerate(groups(shown, "device_id")[:MOST_DEVICES]):
            for affinity, points in groups(on_device, *same[1:]):
                ordered = points.sort_values("threads")
                marker = MARKERS[affinities.index(affinity) % len(MARKERS)]
                series = Series(ordered, SERIES[number], marker, bool(points["virtual"].any()))
                latency = values(ordered, "median_us")
                draw(axes, series, values(ordered, "threads"), latency[0] / latency)
        threads = np.array(sorted(set(values(shown, "threads").tolist())))
        axes.plot(threads, threads / threads[0], color=MUTED, linewidth=0.9, linestyle=DOTTED)
        axes.set_xlabel("Threads")
        axes.set_xticks(threads)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_ylabel(f"Times as fast as with {threads[0]:g}")
        found = keys(shown, kinds=False)
        if len(affinities) > 1:
            found += [
                (key(MUTED, MARKERS[number % len(MARKERS)]), f"affinity {affinity}")
                for number, affinity in enumerate(affinities)
            ]
        legend(figure, [*found, (key(MUTED, "", line=DOTTED, width=0.9), "in proportion")])
    return figure


def affinity_scaling(cells: pd.DataFrame) -> Figure:
    """Speed-up over the cores that the system chose, a line a model and config.

    A model that the default cores did not run is set against the first that did.
    """
    shown = told(cells, "median_us")
    order = sorted({affinity for affinity, _ in groups(shown, "affinity")}, key=_default_first)
    with mpl.rc_context(STYLE):
        figure, axes = figure_of("Speed-up by cores", shown)
        for number, (_, on_device) in enumerate(groups(shown, "device_id")[:MOST_DEVICES]):
            same = ("model", "model_sha256", "threads", "delegate", "xnnpack")
            for _, points in groups(on_device, *same):
                at = {affinity: n for n, (affinity, _) in enumerate(groups(points, "affinity"))}
                found = sorted(at, key=order.index)
                ordered = points.iloc[[at[affinity] for affinity in found]]
                virtual = bool(points["virtual"].any())
                series = Series(ordered, SERIES[number], "o", virtual)
                latency = values(ordered, "median_us")
                places = np.array([float(order.index(affinity)) for affinity in found])
                draw(axes, series, places, latency[0] / latency)
        axes.axhline(1, color=MUTED, linewidth=0.9, linestyle=DOTTED)
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.9), max(high, 1.1))  # a tenth of a percent is to look like one
        axes.set_xticks(range(len(order)), [clean(name, LABEL_LIMIT) for name in order])
        for label in axes.get_xticklabels():
            label.set_parse_math(False)
        axes.set_xlabel("Cores asked for")
        axes.set_ylabel(f"Times as fast as on {clean(order[0], LABEL_LIMIT)}", parse_math=False)
        legend(figure, keys(shown, kinds=False))
    return figure


def _default_first(affinity: str) -> tuple[bool, str]:
    return affinity != "default", affinity


def device_vs_device(cells: pd.DataFrame) -> Figure:
    """Latency of the other devices over that of the first, a point a model and config.

    The dashed line is equality; each dotted one is a device's median ratio, which the legend
    tells.
    """
    shown = told(cells, "median_us")
    devices = groups(shown, "device_id")
    (_, first), others = devices[0], devices[1:]
    base = first[[*_SAME_CELL, "median_us"]]
    with mpl.rc_context(STYLE):
        figure, axes = figure_of("Device against device", shown)
        found = []
        spans = [values(first, "median_us") / 1e3]
        for number, (_, other) in enumerate(others[: MOST_DEVICES - 1], start=1):
            both = other.merge(base, on=_SAME_CELL, suffixes=("", "_first"))
            if both.empty:
                continue
            virtual = bool(other["virtual"].any())
            series = Series(both, SERIES[number], MARKERS[number % len(MARKERS)], virtual)
            x, y = values(both, "median_us_first") / 1e3, values(both, "median_us") / 1e3
            draw(axes, series, x, y, joined=False)
            ratio = float(np.median(y / x))
            ends = np.array([x.min(), x.max()])
            axes.plot(ends, ratio * ends, color=series.colour, linewidth=0.9, linestyle=DOTTED)
            name = device_label(str(other["device"].iloc[0]))
            handle = key(series.colour, series.marker, fill=series.fill)
            found.append((handle, f"{name}: {ratio:.2f} times as long"))
            spans.append(y)
        if len(others) > MOST_DEVICES - 1:
            left = len(others) - (MOST_DEVICES - 1)
            found.append((key(MUTED, ""), f"{left} more devices are not drawn"))
        ends = np.array([min(span.min() for span in spans), max(span.max() for span in spans)])
        axes.plot(ends, ends, color=MUTED, linewidth=0.9, linestyle=DASHED)
        both_axes = np.concatenate(spans)
        number_axis(axes.xaxis, "Median latency of the first device, ms", both_axes)
        name = device_label(str(first["device"].iloc[0]))
        axes.set_xlabel(f"Median latency on {name}, ms", parse_math=False)
        number_axis(axes.yaxis, "Median latency of the others, ms", both_axes)
        legend(figure, [*found, (key(MUTED, "", line=DASHED, width=0.9), "equal")])
    return figure
