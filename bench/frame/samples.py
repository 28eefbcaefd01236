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
    titles_of,
    trials_of,
)

_AXES = (*columns.RUN, *columns.DEVICE, *columns.MODEL, *columns.CONFIG, columns.KEY)
_SHOWN = [column.name for column in columns.SAMPLE_COLUMNS]


def load_samples(path: AnyPath | Iterable[AnyPath]) -> pd.DataFrame:
    """Every timed inference of a run, of a sweep's folder or of all results, one row each.

    Warm-ups are rows too, told apart by `phase`. `sweep`, `run` and `key` name the trial as
    in `load`. A trial that was not ok has no rows.
    """
    rows: list[Values] = []
    latencies, counts = array("d"), array("q")  # counts: warm-ups, samples, warm-ups, ...
    runs = read_runs(path)
    titles = titles_of(runs)
    for run, trial in trials_of(runs):
        if (measured := trial.measurement) is None:
            continue
        rows.append((*axis_values(run, trial, titles), trial.key))
        for phase in (measured.warmup_us, measured.samples_us):
            latencies.extend(phase)
            counts.append(len(phase))
    lengths = np.asarray(counts, dtype=np.int64)
    trials = frame_of(_AXES, rows)
    repeated = np.repeat(np.arange(len(rows)), lengths.reshape(-1, 2).sum(axis=1))
    frame = trials.take(repeated).reset_index(drop=True)
    codes = np.repeat(np.arange(len(lengths)) % 2, lengths)
    phases: list[str] = list(columns.PHASES)
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
    titles = titles_of(runs)
    axes = [column.name for column in _AXES]
    kept = [axes.index(column.name) for column in columns.OP_COLUMNS[:-5]]
    rows: list[Values] = []
    for run, trial in trials_of(runs):
        if trial.ops:
            told = (*axis_values(run, trial, titles), trial.key)
            trial_axes = tuple(told[place] for place in kept)
            rows += [
                (*trial_axes, op.index, op.op, op.name, op.mean_us, op.delegate) for op in trial.ops
            ]
    return frame_of(columns.OP_COLUMNS, rows)
