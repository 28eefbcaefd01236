"""Files under /sys/devices/system/cpu, one `path: value` a line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bench.device.parse.cpulist import parse_cpu_list
from bench.device.parse.text import lines_of
from bench.records import Cluster

# .../cpu4/cpufreq/FILE on every kernel, .../cpufreq/policy4/FILE since Linux 4.2
_CLOCK = re.compile(r"(?:.*/)?(?:cpu([0-9]{1,4})/cpufreq|cpufreq/policy([0-9]{1,4}))/(\w+): ?(.*)")
_CORES = re.compile(r"(?:.*/)?(possible|present|online): ?(.*)")


@dataclass(frozen=True, slots=True)
class Cpus:
    """Cores, their clusters and their clocks, as far as the kernel tells."""

    cores: int | None = None
    clusters: tuple[Cluster, ...] = ()  # cores that are off may be in none
    current_khz: dict[int, int] = field(default_factory=dict)  # of cores that are online
    cap_khz: dict[int, int] = field(default_factory=dict)  # scaling_max_freq
    governors: tuple[str, ...] = ()


def parse_cpus(text: str) -> Cpus:
    """What the files say; lines that are none of them are passed over."""
    lists: dict[str, tuple[int, ...]] = {}
    clocks: dict[tuple[int, bool], dict[str, str]] = {}
    for line in lines_of(text):
        if match := _CLOCK.fullmatch(line):
            owner = (int(match[1] or match[2]), match[1] is None)
            clocks.setdefault(owner, {}).setdefault(match[3], match[4].strip())
        elif match := _CORES.fullmatch(line):
            lists[match[1]] = parse_cpu_list(match[2]) or ()
    parsed = [_Clock(number, policy, files) for (number, policy), files in sorted(clocks.items())]
    online = lists.get("online", ())
    return Cpus(
        cores=_count(lists.get("possible", ()), lists.get("present", ())),
        clusters=_clusters(parsed),
        current_khz=_by_core(parsed, "scaling_cur_freq", online),
        cap_khz=_by_core(parsed, "scaling_max_freq", ()),
        governors=_governors(parsed),
    )


@dataclass(frozen=True, slots=True)
class _Clock:
    """One directory: of a core, or of a policy with all of its cores."""

    number: int
    is_policy: bool
    files: dict[str, str]

    def related(self) -> tuple[int, ...]:
        """Cores that share this clock; () where the kernel contradicts itself (ATM7029B).

        affected_cpus would be the online part only, and may be empty (Meizu Pro 7 Plus).
        """
        related = parse_cpu_list(self.files.get("related_cpus", "")) or ()
        return related if self.number in related else ()

    def owned(self) -> tuple[int, ...]:
        return self.related() if self.is_policy else (self.number,)

    def khz(self, file: str) -> int | None:
        text = self.files.get(file, "")
        value = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0
        return value if 10_000 <= value <= 20_000_000 else None


def _count(possible: tuple[int, ...], present: tuple[int, ...]) -> int | None:
    """How many cores there are; cores that are off may be missing from `present`."""
    if possible and present and possible[-1] != present[-1]:
        return None
    return len(possible or present) or None


def _clusters(clocks: list[_Clock]) -> tuple[Cluster, ...]:
    """Cores that share a clock; none where two groups overlap."""
    fastest: dict[tuple[int, ...], set[int | None]] = {}
    for clock in clocks:
        if clock.related():
            fastest.setdefault(clock.related(), set()).add(clock.khz("cpuinfo_max_freq"))
    cores = [core for group in fastest for core in group]
    if len(cores) != len(set(cores)):
        return ()
    groups = sorted((group, values - {None}) for group, values in fastest.items())
    return tuple(
        Cluster(cpus=group, max_khz=values.pop() if len(values) == 1 else None)
        for group, values in groups
    )


def _by_core(clocks: list[_Clock], file: str, only: tuple[int, ...]) -> dict[int, int]:
    values: dict[int, int] = {}
    for clock in clocks:
        khz = clock.khz(file)
        for core in clock.owned() if khz is not None else ():
            if khz is not None and (not only or core in only):
                values.setdefault(core, khz)
    return dict(sorted(values.items()))


def _governors(clocks: list[_Clock]) -> tuple[str, ...]:
    told = {clock.files.get("scaling_governor", "") for clock in clocks}
    return tuple(sorted(name for name in told if re.fullmatch(r"[\w-]{1,32}", name, re.ASCII)))
