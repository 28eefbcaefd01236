"""`probe.sh series`: clocks and temperatures while something else runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bench.device.parse.cpufreq import parse_cpus
from bench.device.parse.gauge import Source, parse_gauge
from bench.device.parse.text import lines_of
from bench.device.parse.zones import parse_zones
from bench.records import Cluster, Moment

_AT = re.compile(r"at: ([0-9]{1,12}\.[0-9]{1,3})")

# No phone has as much to tell: a core's clock is 70 bytes, and a watch lasts four hours at most.
_MOST_OF_CLOCKS = 20_000
_MOST_READINGS = 20_000


def parse_series(clocks: str, text: str, *, ma_per_unit: float | None = None) -> tuple[Moment, ...]:
    """All readings in order. `clocks` says which cores share a clock.

    With `ma_per_unit`, the unit of the battery's current, they hold it and the voltage; the
    battery is taken to be discharged.
    """
    moments: list[Moment] = []
    clocks = clocks[:_MOST_OF_CLOCKS]
    first: float | None = None
    for at, lines in _blocks(text):
        first = at if first is None else first
        if at < first:
            return ()  # an uptime that goes backwards is none
        cpus = parse_cpus("\n".join([clocks, *lines]))
        zones = [line.removeprefix("zone ") for line in lines if line.startswith("zone ")]
        _, current, voltage_mv = parse_gauge(lines) if ma_per_unit else (None, None, None)
        moments.append(
            Moment(
                at_s=round(at - first, 3),
                current_khz=_by_cluster(cpus.current_khz, cpus.clusters),
                max_khz=_by_cluster(cpus.cap_khz, cpus.clusters),
                temps_c=parse_zones("\n".join(zones)),
                current_ma=None if current is None else abs(current) * (ma_per_unit or 0),
                voltage_mv=voltage_mv,
            )
        )
    return tuple(moments)


def gauge_readings(text: str) -> list[tuple[Source, int]]:
    """Who told the battery's current, and the current as it stands there, of every reading."""
    told = [parse_gauge(lines) for _, lines in _blocks(text)]
    return [(source, now) for source, now, _ in told if source is not None and now is not None]


def _by_cluster(khz: Mapping[int, int], clusters: Sequence[Cluster]) -> dict[str, int]:
    """One clock a cluster, under its first core that is told; a core of no cluster has its own."""
    spoken_for: set[int] = set()
    first = {}
    for core in sorted(khz):
        if core not in spoken_for:
            first[str(core)] = khz[core]
        spoken_for.update(*(cluster.cpus for cluster in clusters if core in cluster.cpus))
    return first


def _blocks(text: str) -> list[tuple[float, list[str]]]:
    blocks: list[tuple[float, list[str]]] = []
    for line in lines_of(text):
        if match := _AT.fullmatch(line):
            if len(blocks) == _MOST_READINGS:
                return []
            blocks.append((float(match[1]), []))
        elif blocks:
            blocks[-1][1].append(line)
    return blocks
