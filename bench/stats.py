"""Statistics as pure functions on samples; nothing here is stored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

EXACT_UP_TO = 70  # samples; above, the normal approximation of the ranks is good enough
Z_95 = 1.96


class Interval(NamedTuple):
    """Two bounds in the unit of the samples."""

    low: float
    high: float


class Summary(NamedTuple):
    """The middle of one or several repetitions, with what it may be off by."""

    median: float
    interval: Interval | None  # None: too few samples for one
    samples: int
    repetitions: int


def median(samples: Sequence[float]) -> float:
    """The middle sample, or the mean of the two middle ones."""
    return percentile(samples, 50)


def percentile(samples: Sequence[float], percent: float) -> float:
    """Linear interpolation between closest ranks (Hyndman and Fan's type 7, as NumPy)."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    position = (len(ordered) - 1) * percent / 100
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def median_ranks(count: int) -> tuple[int, int] | None:
    """1-based ranks of the samples that bound the median with 95 % confidence.

    Distribution-free: the number of samples below the median is binomial(count, 1/2).
    Exact up to 70 samples, then floor(n/2 - 0.98 sqrt n) and its mirror (Le Boudec,
    Performance Evaluation of Computer and Communication Systems, theorem 2.1 and table A).
    None for fewer than six samples: no pair of ranks reaches 95 %.
    """
    if count <= EXACT_UP_TO:
        low, tail = 0, 0
        while (tail := tail + math.comb(count, low)) <= 0.025 * 2**count:
            low += 1
    else:
        low = math.floor(count / 2 - Z_95 / 2 * math.sqrt(count))
    return (low, count + 1 - low) if low >= 1 else None


def median_interval(samples: Sequence[float]) -> Interval | None:
    """The distribution-free 95 % interval of the median; None for fewer than six samples."""
    ranks = median_ranks(len(samples))
    if ranks is None:
        return None
    ordered = sorted(samples)
    return Interval(ordered[ranks[0] - 1], ordered[ranks[1] - 1])


def half_width_share(samples: Sequence[float]) -> float | None:
    """Half the width of the median's interval as a share of the median."""
    interval = median_interval(samples)
    if interval is None:
        return None
    return (interval.high - interval.low) / 2 / median(samples)


def mad(samples: Sequence[float]) -> float:
    """Median absolute deviation from the median, not scaled."""
    middle = median(samples)
    return median([abs(sample - middle) for sample in samples])


def drift_share(samples: Sequence[float]) -> float | None:
    """Median of the last fifth over that of the first fifth, minus one; None below 25 samples."""
    fifth = len(samples) // 5
    if fifth < 5:
        return None
    return median(samples[-fifth:]) / median(samples[:fifth]) - 1


def pool(repetitions: Sequence[Sequence[float]]) -> Summary:
    """One figure for several repetitions of a trial.

    The median is that of the repetitions' medians. The interval covers the pooled
    samples' own and every repetition's median: what differs from start to start is part of
    what a reader may see again.
    """
    kept = [samples for samples in repetitions if samples]
    if not kept:
        raise ValueError("no samples")
    medians = [median(samples) for samples in kept]
    pooled = [sample for samples in kept for sample in samples]
    interval = median_interval(pooled)
    if interval is not None:
        interval = Interval(min(interval.low, *medians), max(interval.high, *medians))
    return Summary(median(medians), interval, len(pooled), len(kept))
