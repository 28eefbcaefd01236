"""Statistics of many trials at once: those of `bench.stats`, to the last bit, on arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench import stats

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def statistics(samples: Floats, counts: Ints) -> dict[str, Any]:
    """The columns of `columns.LATENCY` for consecutive groups of `counts` samples each."""
    starts = np.concatenate(([0], np.cumsum(counts)[:-1])) if len(counts) else counts
    groups = np.repeat(np.arange(len(counts)), counts)
    ordered = samples[np.lexsort((samples, groups))]
    median = _percentile(ordered, starts, counts, 50)
    low, high = _median_interval(samples, median[groups], ordered, starts, counts)
    deviations = np.abs(samples - median[groups])
    deviations = deviations[np.lexsort((deviations, groups))]
    columns = {
        "median_us": median,
        "median_low_us": low,
        "median_high_us": high,
        "min_us": _at(ordered, starts, counts > 0),
        "p90_us": _percentile(ordered, starts, counts, 90),
        "p99_us": _percentile(ordered, starts, counts, 99),
        "mad_us": _percentile(deviations, starts, counts, 50),
    }
    known = {name: _nullable(values) for name, values in columns.items()}
    return known | {"samples": pd.arrays.IntegerArray(counts.copy(), counts == 0)}


def _percentile(ordered: Floats, starts: Ints, counts: Ints, percent: float) -> Floats:
    position = np.maximum(counts - 1, 0) * percent / 100
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(counts - 1, 0))
    lower = _at(ordered, starts + below, counts > 0)
    upper = _at(ordered, starts + above, counts > 0)
    interpolated: Floats = lower + (upper - lower) * (position - below)
    return interpolated


def _median_interval(
    samples: Floats, middles: Floats, ordered: Floats, starts: Ints, counts: Ints
) -> tuple[Floats, Floats]:
    above, below = samples > middles, samples < middles
    pairs = np.ones((len(counts), 2), dtype=np.int64)
    known = np.zeros(len(counts), dtype=bool)
    for place, (start, count) in enumerate(zip(starts.tolist(), counts.tolist(), strict=True)):
        over, under = (_bits(side[start : start + count]) for side in (above, below))
        ranks = stats.median_ranks(count, stats.correlation_time_of_sides(over, under, count))
        if ranks is not None:
            pairs[place], known[place] = ranks, True
    low, high = pairs.T
    return _at(ordered, starts + low - 1, known), _at(ordered, starts + high - 1, known)


def _bits(truths: npt.NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(truths).tobytes())


def _at(values: Floats, places: Ints, known: npt.NDArray[np.bool_]) -> Floats:
    """Values at some places; NaN where there are none."""
    found = np.full(len(places), np.nan)
    found[known] = values[places[known]]
    return found


def _nullable(values: Floats) -> pd.api.extensions.ExtensionArray:
    missing = np.isnan(values)
    return pd.arrays.FloatingArray(np.where(missing, 1.0, values), missing)
