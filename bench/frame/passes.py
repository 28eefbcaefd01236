"""What a trial's other processes tell, as values of its row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bench import stats
from bench.frame import columns
from bench.records import Check, Energy, MemoryPass, Moment, Sustained, Usage

Values = tuple[Any, ...]


def busy_cores(usage: Usage | None) -> float | None:
    """Cores that others kept busy; ticks are coarse, so what is below nothing is nothing."""
    return None if usage is None else max(usage.busy_us - usage.own_us, 0.0) / usage.wall_us


def check_values(check: Check | None) -> Values:
    """The columns of `columns.HOST_CHECK`."""
    if check is None:
        return (None,) * len(columns.HOST_CHECK)
    return (check.snr_db, check.top1_agreement, check.reason)


def memory_values(memory: MemoryPass | None) -> Values:
    """The columns of `columns.MEMORY`."""
    if memory is None:
        return (None,) * len(columns.MEMORY)
    steps = (memory.baseline, memory.load, memory.compile, memory.first, memory.steady)
    return (*(at.pss_kb for at in steps), *(at.peak_kb for at in steps))


def energy_of(energy: Energy | None) -> stats.InferenceEnergy | None:
    """The energy of an inference; None where it was not asked for or can't be told."""
    if energy is None or energy.not_told is not None:
        return None
    busy, idle = (_power_mw(moments) for moments in (energy.busy, energy.idle))
    return stats.inference_energy(busy, idle, energy.busy_s / energy.inferences) if busy else None


def energy_values(energy: Energy | None) -> Values:
    """The columns of `columns.ENERGY`."""
    told = energy_of(energy)
    return (
        *(_estimate(told.gross_mj) if told else (None,) * 3),
        *(_estimate(told.net_mj) if told and told.net_mj else (None,) * 3),
        energy.source if energy else None,
        energy.not_told if energy else None,
    )


def sustained_values(run: Sustained | None) -> Values:
    """The columns of `columns.SUSTAINED`."""
    if run is None:
        return (None,) * len(columns.SUSTAINED)
    ends = stats.sustained(run.samples_us)
    told = (ends.first, ends.last, ends.ratio) if ends else (None,) * 3
    return (sum(run.samples_us) / 1e6, *told)


def _power_mw(moments: Iterable[Moment]) -> list[float]:
    return [
        stats.power_mw(moment.current_ma, moment.voltage_mv)
        for moment in moments
        if moment.current_ma is not None and moment.voltage_mv is not None
    ]


def _estimate(told: stats.Estimate) -> Values:
    return (told.value, *(told.interval or (None, None)))
