"""One row a sample."""

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
