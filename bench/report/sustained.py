"""Runs that went on for long: their first and last minute in numbers, and how they went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench import stats
from bench.frame.cells import Cell, Done
from bench.frame.endured import Endured, endured
from bench.records import Moment, Trial
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
    endured: Endured
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
    found = sorted(_rows(collection.cells), key=lambda row: -row.ends.ratio)
    if not found:
        return None
    of_cells: dict[int, Row] = {}
    for row in found:
        of_cells.setdefault(id(row.cell), row)
    drawn = list(of_cells.values())[:MOST_DRAWN]
    runs = [
        Run(samples_frame(row.cell, row.done, collection.titles, [row.ends.first]), row.endured)
        for row in drawn
    ]
    figure = draw_runs(runs, series_frame((row.done, row.endured.series) for row in drawn))
    caption = CAPTION + (BENEATH if len(figure.axes) > 1 else "")
    if len(found) > len(drawn):
        caption += (
            f" Drawn are {len(drawn)} of {len(found)}: of each cell the one that slowed most."
        )
    return Section(
        rows=tuple(found[:MOST_ROWS]),
        more=max(len(found) - MOST_ROWS, 0),
        plot=figures.page_plot("sustained", figure, caption),
    )


def _rows(cells: Sequence[Cell]) -> Iterator[Row]:
    asked = any(done.endured for cell in cells for done in cell.done)
    for cell in cells:
        for done in cell.done:
            run = done.endured if asked else _long(done.trial)
            if run is not None and run.ends is not None:
                yield Row(cell, done, run, run.ends, _heat(run.series), _clock(run.series))


def _long(trial: Trial) -> Endured | None:
    """The trial's own samples, where they went on for long."""
    measured = trial.measurement
    if measured is None or sum(measured.samples_us) < LONG_S * 1e6:
        return None
    return endured(measured.samples_us, trial.series)


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
