"""What a trial's other processes tell, as values of its row."""

from __future__ import annotations

from typing import Any

from bench import stats
from bench.frame import columns
from bench.records import Check, MemoryPass, Sustained, Usage

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


def sustained_values(run: Sustained | None) -> Values:
    """The columns of `columns.SUSTAINED`."""
    if run is None:
        return (None,) * len(columns.SUSTAINED)
    ends = stats.sustained(run.samples_us)
    told = (ends.first, ends.last, ends.ratio) if ends else (None,) * 3
    return (sum(run.samples_us) / 1e6, *told)
