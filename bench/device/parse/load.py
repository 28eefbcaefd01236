"""/proc/stat and /proc/PID/stat: which processes kept the cores busy between two readings.

Android's load average is no measure of it: it counts kernel threads that sleep.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bench.device.parse.text import lines_of, printable

_CORES = re.compile(r"cpu(?P<core>[0-9]*)(?P<ticks>(?: +[0-9]{1,19}){7,10}) *")
_IDLE = (3, 4)  # idle and iowait
_GUEST = 8  # from here on ticks that stand in user and nice already
_PROCESS = re.compile(r"([0-9]{1,7}) \((.{0,64})\) ([A-Za-z])((?: -?[0-9]{1,20}){19,60}) *")
_USER, _SYSTEM, _STARTED = 10, 11, 18  # of the numbers after the state
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Ticks:
    """Clock ticks since boot, of all cores together."""

    busy: int
    total: int
    cores: int  # that are online


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One reading: the cores before and after all processes were read."""

    before: Ticks
    after: Ticks
    used: dict[tuple[int, int], tuple[str, int]] = field(default_factory=dict)
    """Name and ticks by process id and start, since ids are used again."""


@dataclass(frozen=True, slots=True)
class Load:
    """`busy_cores` is how many cores had work on average; `top` who had it, most first.

    `of_processes` is the part of it that processes had which both readings saw.
    """

    busy_cores: float
    cores: int
    top: tuple[tuple[str, float], ...] = ()
    of_processes: float = 0.0


def parse_snapshot(before: str, processes: str, after: str) -> Snapshot | None:
    """One reading; None where the kernel's own count of ticks is missing or makes no sense."""
    first, last = _ticks(before), _ticks(after)
    if first is None or last is None:
        return None
    used: dict[tuple[int, int], tuple[str, int]] = {}
    for line in lines_of(processes):
        if match := _PROCESS.fullmatch(line):
            numbers = [int(number) for number in match[4].split()]
            key = (int(match[1]), numbers[_STARTED])
            used[key] = (printable(match[2]), numbers[_USER] + numbers[_SYSTEM])
    return Snapshot(first, last, used)


def load_between(earlier: Snapshot, later: Snapshot) -> Load | None:
    """The load from the end of one reading to the start of another; None where none can be told."""
    total = later.before.total - earlier.after.total
    busy = later.before.busy - earlier.after.busy
    cores = min(earlier.after.cores, later.before.cores)
    # Counters of some kernels go backwards, and cores that come and go take theirs along.
    if total <= 0 or not 0 <= busy <= total or earlier.after.cores != later.before.cores:
        return None
    grown = [
        (name, ticks - earlier.used[key][1])
        for key, (name, ticks) in later.used.items()
        if key in earlier.used and ticks > earlier.used[key][1]
    ]
    grown.sort(key=lambda pair: (-pair[1], pair[0]))
    share = cores / total
    return Load(
        busy_cores=round(busy * share, 2),
        cores=cores,
        top=tuple((name, round(ticks * share, 2)) for name, ticks in grown[:_MOST_NAMED]),
        of_processes=round(sum(ticks for _, ticks in grown) * share, 2),
    )


def _ticks(text: str) -> Ticks | None:
    found = [match for line in lines_of(text) if (match := _CORES.fullmatch(line))]
    whole = [match for match in found if not match["core"]]
    if len(whole) != 1 or len(whole) == len(found):
        return None
    numbers = [int(number) for number in whole[0]["ticks"].split()][:_GUEST]
    total = sum(numbers)
    return Ticks(total - sum(numbers[i] for i in _IDLE), total, len(found) - 1)
