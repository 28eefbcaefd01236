"""A run that went on, in figures: its samples may be millions, and are let go once read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench import stats
from bench.records import Moment

WINDOWS = 60  # points of a curve


class Point(NamedTuple):
    """A part of a run."""

    until_s: float  # time spent in inferences
    median_us: float


class Endured(NamedTuple):
    """How a run went on."""

    seconds: float  # spent in inferences
    ends: stats.Ends | None  # None: too few samples
    curve: tuple[Point, ...]
    series: Sequence[Moment]


def endured(samples_us: Sequence[float], series: Sequence[Moment] = ()) -> Endured:
    """The figures of a run; each point of its curve is the median of a sixtieth."""
    parts = np.array_split(np.asarray(samples_us), min(WINDOWS, len(samples_us)))
    until_s = np.cumsum([part.sum() for part in parts]) / 1e6
    medians = [float(np.median(part)) for part in parts]
    return Endured(
        seconds=sum(samples_us) / 1e6,
        ends=stats.sustained(samples_us),
        curve=tuple(map(Point, until_s.tolist(), medians)),
        series=series,
    )
