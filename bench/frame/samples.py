"""One row a sample, and one row an operator."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
import pandas as pd

from bench.frame import columns
from bench.frame.trials import (
    AnyPath,
    Values,
    axis_values,
    frame_of,
    read_runs,
    shared_of,
    starts_of,
    trials_of,
)

AXES = (*columns.RUN, *columns.DEVICE, *columns.MODEL, *columns.CONFIG, columns.KEY, columns.TRIES)
_SHOWN = [column.name for column in columns.SAMPLE_COLUMNS]


def load_samples(path: AnyPath | Iterable[AnyPath], *, tries: bool = False) -> pd.DataFrame:
    """Every timed inference of a run, of a sweep's folder or of all results, one row each.

    `phase` tells apart warm-ups, the samples that a trial's figures are of, and those of a run
    that went on. `sweep`, `run`, `key` and `tries` name the trial as in `load`. A trial that
    was not ok has no rows; with `tries`, those that another followed have.
    """
    rows: list[Values] = []
    latencies, counts = array("d"), array("q")  # counts: one a phase, trial by trial
    runs = read_runs(path)
    shared = shared_of(runs)
    for run, trial, _ in starts_of(runs, tries=tries):
        measured, went_on = trial.measurement, trial.sustained
        if measured is None and went_on is None:
            continue
        rows.append((*axis_values(run, trial, shared), trial.key, trial.tries))
        for phase in (
            measured.warmup_us if measured else (),
            measured.samples_us if measured else (),
            went_on.samples_us if went_on else (),
        ):
            latencies.extend(phase)
            counts.append(len(phase))
    lengths = np.asarray(counts, dtype=np.int64)
    phases: list[str] = list(columns.PHASES)
    repeated = np.repeat(np.arange(len(rows)), lengths.reshape(-1, len(phases)).sum(axis=1))
    frame = frame_of(AXES, rows).take(repeated).reset_index(drop=True)
    codes = np.repeat(np.arange(len(lengths)) % len(phases), lengths)
    frame["phase"] = pd.Categorical.from_codes(codes, pd.Index(phases), ordered=True)
    starts = np.cumsum(lengths) - lengths
    frame["index"] = np.arange(len(latencies)) - np.repeat(starts, lengths)
    frame["latency_us"] = np.asarray(latencies, dtype=np.float64)
    return frame[_SHOWN]


def load_ops(path: AnyPath | Iterable[AnyPath]) -> pd.DataFrame:
    """The operators of every profiled trial, one row each.

    Profiles come from processes of their own, because they disturb latency: their sum is not
    a trial's latency. A trial without a profile has no rows.
    """
    runs = read_runs(path)
    shared = shared_of(runs)
    axes = [column.name for column in AXES]
    kept = [axes.index(column.name) for column in columns.OP_COLUMNS[:-5]]
    rows: list[Values] = []
    for run, trial in trials_of(runs):
        if trial.ops:
            told = (*axis_values(run, trial, shared), trial.key)
            trial_axes = tuple(told[place] for place in kept)
            rows += [
                (*trial_axes, op.index, op.op, op.name, op.mean_us, op.delegate) for op in trial.ops
            ]
    return frame_of(columns.OP_COLUMNS, rows)
