"""One row a reading of what a phone told while something ran on it."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.errors import StoreError
from bench.frame import columns
from bench.frame.samples import AXES
from bench.frame.trials import (
    AnyPath,
    Values,
    axis_values,
    frame_of,
    read_runs,
    shared_of,
    starts_of,
)
from bench.records import Moment, Trial

_SHOWN = [column.name for column in columns.SERIES_COLUMNS]
_FIGURES = columns.SERIES_COLUMNS[-5:]  # of which a reading has those of its source
_NAN = float("nan")


def load_series(path: AnyPath | Iterable[AnyPath], *, tries: bool = False) -> pd.DataFrame:
    """Clocks, temperatures and the battery's current over time, one row a reading.

    At one moment every core that was read, every sensor and the battery's gauge have a row each,
    which has the columns of its source and NA in the rest. `at_s` begins anew with each `phase`.
    With `tries`, those that another followed have rows, too.
    """
    runs = read_runs(path)
    shared = shared_of(runs)
    rows: list[Values] = []
    read = Readings()
    for run, trial, _ in starts_of(runs, tries=tries):
        if read.add(_series(trial)):
            rows.append((*axis_values(run, trial, shared), trial.key, trial.tries))
    return read.frame(frame_of(AXES, rows))[_SHOWN]


class Readings:
    """Columns that grow by the readings of one start after the other."""

    def __init__(self) -> None:
        self.counts: list[int] = []  # of each start
        self.phases, self.at_s = array("b"), array("d")
        self.sources, self.names = array("q"), dict[str, int]()
        self.figures = [array("d") for _ in _FIGURES]

    def add(self, series: Iterable[Sequence[Moment]]) -> int:
        """How many readings a start has, in the order of phases; one without any is left out."""
        before = len(self.at_s)
        for phase, moments in enumerate(series):
            for moment in moments:
                for source, *told in _readings(moment):
                    self.phases.append(phase)
                    self.at_s.append(moment.at_s)
                    self.sources.append(self.names.setdefault(source, len(self.names)))
                    for column, figure in zip(self.figures, told, strict=True):
                        column.append(figure)
        found = len(self.at_s) - before
        self.counts += [found] if found else []
        return found

    def frame(self, starts: pd.DataFrame) -> pd.DataFrame:
        """The readings beside what is told of their starts, which has a row each."""
        figures = zip(_FIGURES, self.figures, strict=True)
        repeated = starts.take(np.repeat(np.arange(len(starts)), self.counts))
        told = {
            "phase": _category(self.phases, columns.READ_DURING, ordered=True),
            "at_s": np.asarray(self.at_s, dtype=np.float64),
            "source": _category(self.sources, self.names, ordered=False),
            **{column.name: _nullable(column, read) for column, read in figures},
        }
        return repeated.reset_index(drop=True).assign(**told)


def _series(trial: Trial) -> Iterator[tuple[Moment, ...]]:
    """The series of a trial, in the order of `columns.READ_DURING`."""
    yield trial.series
    yield trial.energy.idle if trial.energy else ()
    yield trial.energy.busy if trial.energy else ()
    yield trial.sustained.series if trial.sustained else ()


def _readings(moment: Moment) -> Iterator[tuple[Any, ...]]:
    """A source, and the figures of `_FIGURES`."""
    for core in dict.fromkeys([*moment.current_khz, *moment.max_khz]):
        khz = (told.get(core, _NAN) for told in (moment.current_khz, moment.max_khz))
        yield (f"core {core}", *khz, _NAN, _NAN, _NAN)
    for sensor, temp_c in moment.temps_c.items():
        yield (sensor, _NAN, _NAN, temp_c, _NAN, _NAN)
    battery = (moment.current_ma, moment.voltage_mv)
    if battery != (None, None):
        yield ("gauge", _NAN, _NAN, _NAN, *(_NAN if told is None else told for told in battery))


def _category(codes: array[int], names: Iterable[str], *, ordered: bool) -> pd.Categorical:
    index = pd.Index(list(names), dtype="object")
    return pd.Categorical.from_codes(np.asarray(codes, dtype=np.int64), index, ordered=ordered)


def _nullable(column: columns.Column, told: array[float]) -> Any:
    values = np.asarray(told, dtype=np.float64)
    missing = np.isnan(values)
    known = np.where(missing, 1.0, values)
    if column.kind == "Int64":
        if np.abs(known).max(initial=0.0) >= 2.0**63:
            raise StoreError(f"column {column.name} holds a number beyond 64 bits.")
        return pd.arrays.IntegerArray(known.astype(np.int64), missing)
    return pd.arrays.FloatingArray(known, missing)
