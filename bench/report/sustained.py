"""Runs that went on for long: their first and last minute in numbers, and how they went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from bench import stats
from bench.frame.cells import Cell, Done
from bench.records import Moment
from bench.report import figures, text
from bench.report.collect import Collection
from bench.report.frames import samples_frame, series_frame
from bench.report.plots.endurance import Run, draw_runs

LONG_S = 60.0  # of a trial's own samples, from which on heat may show
MOST_DRAWN, MOST_ROWS = 6, 100
CAPTION = (
    "Each point is the median of a sixtieth of a run, against the run’s first minute; the time is"
    " that spent in inferences."
)
BENEATH = (
    " Beneath: the fastest cores’ clock, dotted what it was allowed, and the hottest sensor, over"
    " the time since the process began."
)


class Row(NamedTuple):
    """One run in numbers."""

    cell: Cell
    done: Done
    seconds: float
    ends: stats.Ends
    heat: str  # of the hottest sensor, first and highest
    clock: str  # allowed to the fastest core, first and lowest


class Section(NamedTuple):
    """What the page tells of sustained runs, the one that slowed most first."""

    rows: tuple[Row, ...]
    more: int  # that have no row
    plot: figures.Plot


def section(collection: Collection) -> Section | None:
    """Of the runs that were to go on; without any, of trials that sampled for a minute."""
    found = list(_runs(collection.cells))
    if not found:
        return None
    found.sort(key=lambda run: -run[0].ends.ratio)
    of_cells: dict[int, tuple[Row, Sequence[float]]] = {}
    for run in found:
        of_cells.setdefault(id(run[0].cell), run)
    drawn = list(of_cells.values())[:MOST_DRAWN]
    read = series_frame(row.done for row, _ in drawn)
    phase = "trial" if drawn[0][0].done.trial.sustained is None else "sustained"
    runs = [
        Run(samples_frame(row.cell, row.done, collection.titles, told[:1]), np.asarray(told))
        for row, told in drawn
    ]
    figure = draw_runs(runs, read[(read["phase"] == phase).to_numpy(dtype=bool)])
    caption = CAPTION + (BENEATH if len(figure.axes) > 1 else "")
    if len(found) > len(drawn):
        caption += (
            f" Drawn are {len(drawn)} of {len(found)}: of each cell the one that slowed most."
        )
    return Section(
        rows=tuple(row for row, _ in found[:MOST_ROWS]),
        more=max(len(found) - MOST_ROWS, 0),
        plot=figures.page_plot("sustained", figure, caption),
    )


def _runs(cells: Sequence[Cell]) -> Iterator[tuple[Row, Sequence[float]]]:
    asked = any(trial.sustained for cell in cells for trial in cell.trials)
    for cell in cells:
        for done in cell.done:
            run, measured = done.trial.sustained, done.trial.measurement
            samples_us: Sequence[float] = ()
            series = done.trial.series
            if run is not None:
                samples_us, series = run.samples_us, run.series
            elif not asked and measured is not None and sum(measured.samples_us) >= LONG_S * 1e6:
                samples_us = measured.samples_us
            ends = stats.sustained(samples_us)
            if ends is not None:
                seconds = sum(samples_us) / 1e6
                yield Row(cell, done, seconds, ends, _heat(series), _clock(series)), samples_us


def _heat(series: Sequence[Moment]) -> str:
    read = [moment.temps_c for moment in series if moment.temps_c]
    if not read:
        return text.NONE
    peak_c, sensor = max((temp_c, name) for temps in read for name, temp_c in temps.items())
    first = next(temps[sensor] for temps in read if sensor in temps)
    return f"{first:.1f} → {peak_c:.1f}"


def _clock(series: Sequence[Moment]) -> str:
    read = [moment.max_khz for moment in series if moment.max_khz]
    if not read:
        return text.NONE
    _, core = max((khz, name) for allowed in read for name, khz in allowed.items())
    told = [allowed[core] for allowed in read if core in allowed]
    return f"{told[0] / 1000:,.0f} → {min(told) / 1000:,.0f}"
