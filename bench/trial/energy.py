"""The energy of an inference: the battery's current and voltage, idle and under load.

An idle stretch, then a process of its own that runs inferences without looking at precision. The
seconds that a gauge needs to follow are left out: at the beginning of the idle stretch, and
the warm-up under load. Only readings that surely lie between the first sample and the last
are kept. Gauges are read once a second, so short runs tell little.
"""

from __future__ import annotations

import msgspec

from bench.device import judge_power, read_power, watched, why_no_power
from bench.records import Energy, Moment, Precision
from bench.trial.attempt import Attempt
from bench.trial.process import Process
from bench.trial.runners import Result

BUSY_S = 15.0  # of sampling, or the sweep's max_seconds where that is less
LEAST_S = 4
IDLE_S = 10
SETTLE_S = 3  # fuel gauges average over a second or two
_LEAST_READINGS = 3
_MOST_SAMPLES = 1_000_000  # the runner's limit
_AFTER_S = 0.1  # between the end of a process and the last reading


def take_energy(latency: Process, attempt: Attempt) -> None:
    """Add the energy to an attempt, or why it can't be told; RunnerError when the run fails."""
    attempt.adds(energy=_energy(latency, attempt))


def _energy(latency: Process, attempt: Attempt) -> Energy:
    if (why_not := why_no_power(read_power(latency.phone, 0))) is not None:
        return Energy(not_told=why_not)
    precision = _precision(latency.start.precision)
    if precision.max_seconds < LEAST_S:
        return Energy(
            not_told=f"max_seconds = {precision.max_seconds:g} is too short for a gauge that is"
            f" read once a second; {LEAST_S} is the least"
        )
    idle = read_power(latency.phone, SETTLE_S + min(IDLE_S, round(precision.max_seconds)))
    process = latency._replace(start=latency.start._replace(precision=precision))
    with watched(latency.phone, power=True) as watch:
        result = process.run(attempt)
    power = judge_power(idle, watch.sections)
    if power.source is None:
        return Energy(not_told=power.not_told)
    inferences, busy_s, after_s = _sampling(result)
    quiet = tuple(moment for moment in power.idle if moment.at_s >= SETTLE_S)
    loaded = while_sampling(power.busy, busy_s, after_s)
    if min(len(quiet), len(loaded)) < _LEAST_READINGS:
        return Energy(not_told=f"only {len(loaded)} readings in {busy_s:.1f} s of inferences")
    return Energy(
        source=power.source, idle=quiet, busy=loaded, inferences=inferences, busy_s=busy_s
    )


def while_sampling(
    moments: tuple[Moment, ...], busy_s: float, after_s: float
) -> tuple[Moment, ...]:
    """The readings between the first sample and the last one.

    The last reading came when the process had ended, which is `after_s` after the last sample
    at most, and no less than the samples' time after the first.
    """
    end_s = moments[-1].at_s if moments else 0.0
    return tuple(m for m in moments if end_s - busy_s <= m.at_s <= end_s - after_s)


def _precision(asked: Precision) -> Precision:
    return msgspec.structs.replace(
        asked,
        interval=0.0,
        min_samples=1,
        max_samples=_MOST_SAMPLES,
        max_seconds=min(BUSY_S, asked.max_seconds),
        warmup_max_seconds=float(SETTLE_S),
    )


def _sampling(result: Result) -> tuple[int, float, float]:
    """How many inferences, their seconds, and how many more the process may have taken then.

    bench-runner compiles once more after the last sample, to tell about delegation.
    """
    if (told := result.measurement) is not None:
        after_s = (told.init_us + told.compile_us) / 1e6 + _AFTER_S
        return len(told.samples_us), sum(told.samples_us) / 1e6, after_s
    if (said := result.reported) is not None:
        return said.count, said.count * said.mean_us / 1e6, (said.init_us or 0.0) / 1e6 + _AFTER_S
    return 0, 0.0, _AFTER_S
