"""Power by a gauge's readings, and the energy of an inference."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from bench.stats import student
from bench.stats.latency import Interval


class Estimate(NamedTuple):
    """A value with its 95 % interval; None: too little is known for one."""

    value: float
    interval: Interval | None


class InferenceEnergy(NamedTuple):
    """Millijoules of one inference: all that the phone drew, and what it drew beyond idling."""

    gross_mj: Estimate
    net_mj: Estimate | None  # None: nothing is known of idling


def power_mw(current_ma: float, voltage_mv: float) -> float:
    """The power of a current at a voltage."""
    return current_ma * voltage_mv / 1000


def mean_of_readings(readings: Sequence[float]) -> Estimate:
    """The mean of an instrument's readings at even times, with its 95 % interval.

    Such readings depend on each other: an instrument averages over some time, and holds a
    value for several readings. Of equal readings in a row one counts. The others are taken
    for a first-order autoregressive process, whose n readings tell as much about the mean as
    n (1 - r) / (1 + r) independent ones (G. V. Bayley and J. M. Hammersley, The "effective"
    number of independent observations, Suppl. J. R. Stat. Soc. 8, 1946). The lag-one
    autocorrelation r is freed of its bias, -(1 + 4 r) / n (F. H. C. Marriott and J. A. Pope,
    Biometrika 41, 1954), and not taken below 0. The interval is Student's for so many readings.

    Of simulated series of 8 to 30 readings it held the mean in 96 to 98 % for independent ones,
    in 92 to 94 % for r = 0.4, in 86 to 92 % for r = 0.7. It is None below three different readings
    in a row. What the instrument itself is off by is not in it.
    """
    return _estimate(*_spread(readings))


def inference_energy(
    busy_mw: Sequence[float], idle_mw: Sequence[float], inference_s: float
) -> InferenceEnergy:
    """Millijoules of one inference from the power while inferences ran, and while none did.

    The power is `mean_of_readings`; an inference takes `inference_s`, known well enough to be
    without error. The net interval is Welch's (B. L. Welch, Biometrika 34, 1947).
    """
    busy = _spread(busy_mw)
    gross = _estimate(*busy, inference_s)
    if not idle_mw:
        return InferenceEnergy(gross, None)
    idle = _spread(idle_mw)
    error, freedom = None, 0.0
    if busy.error is not None and idle.error is not None:
        error = math.hypot(busy.error, idle.error)
        parts = busy.error**4 / busy.freedom + idle.error**4 / idle.freedom
        freedom = error**4 / parts if parts else busy.freedom + idle.freedom
    net = _estimate(busy.mean - idle.mean, error, freedom, inference_s)
    return InferenceEnergy(gross, net)


class _Spread(NamedTuple):
    """A mean with its standard error; None: too few readings for one."""

    mean: float
    error: float | None
    freedom: float  # degrees of


def _spread(readings: Sequence[float]) -> _Spread:
    if not readings:
        raise ValueError("no readings")
    mean = math.fsum(readings) / len(readings)
    distinct = [value for value, _ in itertools.groupby(readings)]
    if len(distinct) < 3:
        return _Spread(mean, None, 0.0)
    middle = math.fsum(distinct) / len(distinct)
    off = [value - middle for value in distinct]
    squares = math.fsum(a * a for a in off)
    if squares == 0:  # too small for a square: as good as equal
        return _Spread(mean, None, 0.0)
    r = math.fsum(a * b for a, b in itertools.pairwise(off)) / squares
    r = max(0.0, r + (1 + 4 * max(0.0, r)) / len(distinct))
    told = max(2.0, len(distinct) * (1 - r) / (1 + r))
    variance = math.fsum((value - mean) ** 2 for value in readings) / len(readings)
    return _Spread(mean, math.sqrt(variance / (told - 1)), told - 1)


def _estimate(mean: float, error: float | None, freedom: float, factor: float = 1.0) -> Estimate:
    if error is None:
        return Estimate(mean * factor, None)
    half = student.quantile(0.975, max(1, math.floor(freedom))) * error
    return Estimate(mean * factor, Interval((mean - half) * factor, (mean + half) * factor))
