"""What quantization and groups do at equal complexity."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.report import text
from bench.report.plots.drawing import (
    DASHED,
    MOST_DEVICES,
    Series,
    draw,
    figure_of,
    groups,
    keys,
    legend,
    texts,
    told,
    values,
    whiskers_ms,
)
from bench.report.plots.look import MARKERS, MUTED, SERIES, STYLE, number_axis

# What has to be equal for two cells to differ in their quantization alone.
_SAME_NETWORK = ["device_id", "family", "alpha", "scale", "groups", "resolution", "variant",
                 "threads", "delegate", "affinity", "xnnpack"]  # fmt: skip

_SAME_WIDTH = ("scale", "device_id", "kind", "resolution", "variant")


def speed_ups(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells of a quantized network beside its float32 one: `speed_up` and `size_share`."""
    shown = told(cells, "median_us", "size_bytes").dropna(subset=["family", "quantization"])
    rows = zip(*(texts(shown, column) for column in _SAME_NETWORK), strict=True)
    keyed = shown.assign(network=["\n".join(row) for row in rows])
    floats = keyed[(keyed["quantization"] == "float32").to_numpy(dtype=bool)]
    floats = floats.drop_duplicates("network")[["network", "median_us", "size_bytes"]]
    joined = keyed.merge(floats, on="network", suffixes=("", "_float32"))
    joined = joined[(joined["quantization"] != "float32").to_numpy(dtype=bool)]
    return joined.assign(
        speed_up=values(joined, "median_us_float32") / values(joined, "median_us"),
        size_share=values(joined, "size_bytes") / values(joined, "size_bytes_float32"),
    )


def quantization(cells: pd.DataFrame) -> Figure:
    """Speed-up over float32 and share of its size by scheme, a colour a device."""
    shown = speed_ups(cells)
    schemes = [str(name) for name in shown["quantization"].sort_values().unique()]
    with mpl.rc_context(STYLE):
        figure, axes = figure_of("Quantized against float32", shown, columns=2)
        _by_scheme(axes[0], shown, schemes, "speed_up", "Times as fast as float32")
        _by_scheme(axes[1], shown, schemes, "size_share", "Size, share of float32’s")
        axes[1].set_ylim(bottom=0)
        legend(figure, keys(shown, joined=False, kinds=False))
    return figure


def has_groups(cells: pd.DataFrame) -> bool:
    """Whether any network was measured with several numbers of groups."""
    shown = told(cells, "median_us", "groups")
    return any(part["groups"].nunique() > 1 for _, part in groups(shown, *_SAME_WIDTH))


def groups_vs_latency(cells: pd.DataFrame) -> Figure:
    """Latency over the number of groups, a line for each width: MACs are about equal along it."""
    shown = told(cells, "median_us", "groups")
    with mpl.rc_context(STYLE):
        figure, axes = figure_of("Latency against groups", shown)
        scales = [scale for scale, _ in groups(shown, "scale")]
        for number, (_, on_device) in enumerate(groups(shown, "device_id")[:MOST_DEVICES]):
            for scale, points in groups(on_device, *_SAME_WIDTH):
                ordered = points.sort_values("groups")
                marker = MARKERS[scales.index(scale) % len(MARKERS)]
                virtual = bool(points["virtual"].any())
                series = Series(ordered, SERIES[number], marker, virtual)
                x, y = values(ordered, "groups"), values(ordered, "median_us") / 1e3
                draw(axes, series, x, y, yerr=whiskers_ms(ordered))
                axes.annotate(
                    f"{float(scale):g}×" if scale else "", (x[-1], y[-1]), xytext=(5, -2),
                    textcoords="offset points", fontsize=8, color=MUTED,
                )  # fmt: skip
        axes.set_xlabel("Groups of the pointwise convolutions")
        axes.set_xticks(sorted(set(values(shown, "groups").tolist())))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        number_axis(axes.yaxis, "Median latency, ms", values(shown, "median_us") / 1e3)
        legend(figure, keys(shown, kinds=False))
    return figure


def _by_scheme(
    axes: Axes, shown: pd.DataFrame, schemes: list[str], column: str, label: str
) -> None:
    devices = groups(shown, "device_id")[:MOST_DEVICES]
    for number, (_, points) in enumerate(devices):
        series = Series(points, SERIES[number], "o", bool(points["virtual"].any()))
        place = points["quantization"].astype(str).map(schemes.index).to_numpy(dtype=np.float64)
        aside = (number - (len(devices) - 1) / 2) * 0.5 / len(devices)
        draw(axes, series, place + aside, values(points, column), joined=False)
    axes.axhline(1, color=MUTED, linewidth=0.9, linestyle=DASHED)
    axes.set_xticks(range(len(schemes)))
    axes.set_xticklabels([text.clean(scheme, 14) for scheme in schemes], rotation=30, ha="right",
                         parse_math=False)  # fmt: skip
    axes.set_xlim(-0.6, len(schemes) - 0.4)
    axes.set_ylabel(label)
    axes.grid(visible=False, axis="x")
