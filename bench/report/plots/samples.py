"""Samples themselves: how they spread, and in which order they came."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bench.report import text
from bench.report.plots.drawing import (
    Key,
    Series,
    device_label,
    figure_of,
    groups,
    key,
    keys,
    legend,
    values,
)
from bench.report.plots.look import MUTED, SERIES, STYLE

MOST_ROWS = 24  # distributions below each other
TRIAL = ("key", "sweep", "run", "tries")  # names a start


def distributions(samples: pd.DataFrame) -> Figure:
    """How the samples of each cell spread about their median: middle half, 5th to 95th percentile.

    Takes a frame of `bench.load_samples`; warm-ups are left out.
    """
    shown = _samples(samples)
    cells = groups(shown, "model", "device_id", "threads", "delegate", "affinity", "xnnpack")[
        :MOST_ROWS
    ]
    colours = {device: SERIES[n % len(SERIES)] for n, device in enumerate(_devices(shown))}
    with mpl.rc_context(STYLE):
        figure, axes = figure_of("Spread of the samples", shown)
        figure.set_figheight(1.6 + 0.2 * len(cells))
        for row, (_, points) in enumerate(cells):
            latency = values(points, "latency_us")
            bounds = np.percentile(latency, [5, 25, 75, 95]) / np.median(latency) * 100 - 100
            low, first, third, high = bounds
            colour = colours[str(points["device_id"].iloc[0])]
            axes.plot([low, high], [row, row], color=colour, linewidth=1)
            axes.plot([first, third], [row, row], color=colour, linewidth=5, alpha=0.45,
                      solid_capstyle="butt")  # fmt: skip
            hollow = bool(points["virtual"].any())
            axes.plot([0], [row], marker="o", color=colour,
                      markerfacecolor="none" if hollow else colour)  # fmt: skip
        axes.set_yticks(range(len(cells)))
        axes.set_yticklabels(
            [text.clean(name, 34) for name, _ in cells], fontsize=8, parse_math=False
        )
        axes.set_ylim(len(cells) - 0.5, -0.5)
        axes.set_xlabel("Latency against the median, %")
        legend(figure, keys(shown.assign(kind=""), joined=False, kinds=False))
    return figure


def time_series(samples: pd.DataFrame) -> Figure:
    """Every inference of some trials in order, warm-ups grey, a colour a trial.

    One trial is drawn in ms, several as shares of their medians: they may be far apart.
    Takes a frame of `bench.load_samples`, filtered to the trials to look at.
    """
    samples = samples[(samples["phase"] != "sustained").to_numpy(dtype=bool)]
    with mpl.rc_context(STYLE):
        figure, axes = figure_of("Inferences in order", samples)
        found: list[Key] = []
        trials = groups(samples, *TRIAL)[: len(SERIES)]
        for number, (_, trial) in enumerate(trials):
            warm = (trial["phase"] == "warm-up").to_numpy(dtype=bool)
            order = np.arange(len(trial))
            latency = values(trial, "latency_us") / 1e3
            if len(trials) > 1:
                latency = latency / np.median(latency if warm.all() else latency[~warm]) * 100 - 100
            series = trial_series(trial, number)
            axes.plot(order[warm], latency[warm], ".", color=MUTED)
            axes.plot(order[~warm], latency[~warm], ".", color=series.colour,
                      markerfacecolor=series.fill)  # fmt: skip
            found.append((key(series.colour, ".", fill=series.fill), trial_label(trial)))
        axes.set_xlabel("Inference")
        axes.set_ylabel("Latency, ms" if len(trials) == 1 else "Latency against the median, %")
        if (samples["phase"] == "warm-up").any():
            found.append((key(MUTED, "."), "warm-ups"))
        legend(figure, found)
    return figure


def _samples(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[(frame["phase"] == "sample").to_numpy(dtype=bool)]


def _devices(frame: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(frame["device_id"].astype(str)))


def trial_series(trial: pd.DataFrame, number: int) -> Series:
    """A colour a start."""
    return Series(trial, SERIES[number], ".", bool(trial["virtual"].any()))


def trial_label(trial: pd.DataFrame) -> str:
    """Which start it is, for a legend."""
    first = trial.iloc[0]
    name = text.clean(str(first["model"]), text.LABEL_LIMIT)
    device = device_label(str(first["device"]))
    return f"{name}, repetition {first['repetition']}\n{device}"
