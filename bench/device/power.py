"""What a phone draws from its battery, where it tells."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from bench.device.describe import probe
from bench.device.parse.gauge import Source, ma_per_unit, why_fed
from bench.device.parse.series import gauge_readings, parse_series
from bench.device.phone import Phone
from bench.records import Moment

SUPPLIES = "/sys/class/power_supply"

_PLUG_NEXT = "unplug it and measure over Wi-Fi (`adb tcpip 5555`)"
_LEAST_UPDATES = 3  # of the gauge under load; fewer tell nothing about how far off they are
_ALLOWANCE_S = 45.0  # beside the seconds that were asked for

Sections = Mapping[str, str]  # of `probe.sh series` with SUPPLIES


@dataclass(frozen=True, slots=True)
class Power:
    """Readings with current and voltage, or why there are none."""

    source: Source | None = None
    not_told: str | None = None
    idle: tuple[Moment, ...] = ()
    busy: tuple[Moment, ...] = ()


def read_power(phone: Phone, seconds: int) -> Sections:
    """Watch an idle phone for so many seconds, one reading each; 0: one reading."""
    arguments = ("1", "", str(seconds + 1), SUPPLIES)
    return probe(phone, "series", *arguments, deadline_s=seconds + _ALLOWANCE_S)


def why_no_power(found: Sections) -> str | None:
    """Why one reading shows already that no consumption can be told; None when it may be."""
    fed = why_fed(found.get("battery", "")) or why_fed(found.get("battery later", ""))
    if fed is not None:
        return f"{fed}; {_PLUG_NEXT}"
    if not gauge_readings(found.get("series", "")):
        return "neither power_supply nor `dumpsys battery` tells this phone's current"
    return None


def judge_power(idle: Sections, busy: Sections) -> Power:
    """The readings of an idle stretch and of one under load, if they can be believed."""
    for found in (idle, busy):
        if not found.get("series"):
            return Power(not_told="the phone could not be watched")
        if (why_not := why_no_power(found)) is not None:
            return Power(not_told=why_not)
    told = gauge_readings(idle.get("series", "")), gauge_readings(busy.get("series", ""))
    currents = [current for readings in told for _, current in readings]
    if len({source for readings in told for source, _ in readings}) != 1:
        return Power(not_told="the current's source changed in the middle")
    if min(currents) < 0 < max(currents):
        return Power(not_told="the current changed its direction in the middle")
    unit = ma_per_unit(currents)
    if unit is None:
        largest = max(map(abs, currents))
        return Power(not_told=f"currents up to {largest} can be neither mA nor uA of a phone")
    updates = sum(1 for _ in itertools.groupby(current for _, current in told[1]))
    if updates < _LEAST_UPDATES:
        return Power(
            not_told=f"the gauge showed {updates} different currents in {len(told[1])} s of load;"
            " it is too slow for this pass"
        )
    moments = [
        parse_series(found.get("clocks", ""), found.get("series", ""), ma_per_unit=unit)
        for found in (idle, busy)
    ]
    if any(m.current_ma is None or m.voltage_mv is None for half in moments for m in half):
        return Power(not_told="the current or the voltage was missing in some readings")
    return Power(source=told[0][0][0], idle=moments[0], busy=moments[1])
