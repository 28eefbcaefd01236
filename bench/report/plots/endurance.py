"""Runs that went on for long: latency over time, and the clocks and temperatures beneath."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench import stats
from bench.frame.endured import Endured, endured
from bench.report import text
from bench.report.plots.drawing import (
    DOTTED,
    Key,
    Series,
    figure_of,
    groups,
    key,
    legend,
    texts,
    values,
)
from bench.report.plots.look import INK, MUTED, SERIES, STYLE
from bench.report.plots.samples import TRIAL, trial_label, trial_series

HEIGHTS = (1.0, 0.5, 0.5)  # latency, clock, temperature


class Run(NamedTuple):
    """A run to be drawn."""

    head: pd.DataFrame  # a row of `bench.load_samples`: what it is a run of
    endured: Endured


def sustained(samples: pd.DataFrame, series: pd.DataFrame | None = None) -> Figure:
    """Latency over the time spent in inferences, against the first minute's: heat shows here.

    Takes a frame of `bench.load_samples`, and draws the runs of phase `sustained` in it, or,
    without any, the samples of its trials; each point is the median of a sixtieth. With a frame
    of `bench.load_series` the fastest cores' clock, what it is allowed (dotted) and the hottest
    sensor are drawn beneath. The legend tells the medians of the first and the last minute.
    """
    phase, read = ("sustained", "sustained") if (samples["phase"] == "sustained").any() else (
        "sample", "trial"
    )  # fmt: skip
    shown = samples[(samples["phase"] == phase).to_numpy(dtype=bool)]
    runs = [
        Run(run.iloc[:1], endured(values(run, "latency_us").tolist()))
        for _, run in groups(shown, *TRIAL)
    ]
    below = None if series is None else series[(series["phase"] == read).to_numpy(dtype=bool)]
    return draw_runs(runs, below)


def draw_runs(runs: Sequence[Run], readings: pd.DataFrame | None) -> Figure:
    """The figure of `sustained`, with what was read during the runs beneath."""
    beneath = readings is not None and not readings.empty
    measured = pd.DataFrame({"virtual": [bool(run.head["virtual"].iloc[0]) for run in runs]})
    with mpl.rc_context(STYLE):
        heights = HEIGHTS if beneath else HEIGHTS[:1]
        figure, axes = figure_of("Sustained latency", measured, heights=heights)
        rows: list[Axes] = list(axes) if beneath else [axes]
        found: list[Key] = []
        for number, run in enumerate(runs[: len(SERIES)]):
            drawn = trial_series(run.head, number)
            _latency(rows[0], drawn, run.endured)
            if readings is not None and beneath:
                _clock_and_heat(rows[1], rows[2], drawn, _readings_of(readings, run.head))
            found.append(
                (key(drawn.colour, "", line=drawn.line), _label(run.head, run.endured.ends))
            )
        rows[0].axhline(100, color=MUTED, linewidth=0.7)
        rows[0].set_ylabel("% of the first minute’s")
        rows[-1].set_xlabel("Time spent in inferences, s" if len(rows) == 1 else "Time, s")
        if beneath:
            rows[1].set_ylabel("Clock, GHz")
            rows[2].set_ylabel("Hottest, °C")
            found.append((key(INK, "", line=DOTTED), "highest clock allowed"))
        legend(figure, found)
    return figure


def _latency(axes: Axes, drawn: Series, run: Endured) -> None:
    times, medians = np.array(run.curve).T
    first = run.ends.first if run.ends else medians[0]
    axes.plot(times, 100 * medians / first, color=drawn.colour, linestyle=drawn.line)


def _label(head: pd.DataFrame, ends: stats.Ends | None) -> str:
    if ends is None:
        return trial_label(head)
    ms = text.milliseconds
    told = f"{ms(ends.first)} → {ms(ends.last)} ms, × {text.ratio(ends.ratio)}"
    return f"{trial_label(head)}: {told}"


def _readings_of(series: pd.DataFrame, head: pd.DataFrame) -> pd.DataFrame:
    """What was read during one run."""
    same = np.ones(len(series), dtype=bool)
    for column in TRIAL:
        same &= (series[column].astype(object) == head[column].iloc[0]).to_numpy(dtype=bool)
    return series[same]


def _clock_and_heat(clock: Axes, heat: Axes, drawn: Series, readings: pd.DataFrame) -> None:
    cores, sensors = (readings.dropna(subset=[column]) for column in ("current_khz", "temp_c"))
    if not cores.empty:
        most = "max_khz" if cores["max_khz"].notna().any() else "current_khz"
        fastest = cores[_is_highest(cores, most)]
        at_s = values(fastest, "at_s")
        clock.plot(at_s, values(fastest, "current_khz") / 1e6, color=drawn.colour,
                   linestyle=drawn.line)  # fmt: skip
        clock.plot(at_s, values(fastest, "max_khz") / 1e6, color=drawn.colour, linestyle=DOTTED)
    if not sensors.empty:
        hottest = sensors[_is_highest(sensors, "temp_c")]
        heat.plot(values(hottest, "at_s"), values(hottest, "temp_c"), color=drawn.colour,
                  linestyle=drawn.line)  # fmt: skip


def _is_highest(readings: pd.DataFrame, column: str) -> list[bool]:
    """Which readings are of the source that reached the highest value."""
    sources = texts(readings, "source")
    highest = sources[int(np.nanargmax(values(readings, column)))]
    return [source == highest for source in sources]
