"""A device's state before and after a trial, in words."""

from __future__ import annotations

from bench.records import DeviceState
from bench.report import text


def states(before: DeviceState | None, after: DeviceState | None) -> dict[str, str]:
    """What is told of either; where both differ, as "before → after"."""
    first, last = (_state(state) if state else {} for state in (before, after))
    told = {}
    for what in dict.fromkeys([*first, *last]):
        ends = first.get(what, text.NONE), last.get(what, text.NONE)
        told[what] = ends[0] if ends[0] == ends[1] else f"{ends[0]} → {ends[1]}"
    return told


def _state(state: DeviceState) -> dict[str, str]:
    hottest = max(state.temps_c.values(), default=None)
    fastest_khz = max(state.max_khz.values(), default=None)
    told = {
        "thermal status": None if state.thermal_status is None else str(state.thermal_status),
        "battery, %": None if state.battery_level is None else str(state.battery_level),
        "battery, °C": None if state.battery_temp_c is None else f"{state.battery_temp_c:.1f}",
        "hottest sensor, °C": None if hottest is None else f"{hottest:.1f}",
        "charging": None if state.charging is None else "yes" if state.charging else "no",
        "load of 1 min": None if state.load_1min is None else f"{state.load_1min:.2f}",
        "highest clock allowed, MHz": f"{fastest_khz / 1000:,.0f}" if fastest_khz else None,
        "governors": text.clean(", ".join(state.governors)) or None,
        "screen": None if state.screen_on is None else "on" if state.screen_on else "off",
    }
    return {what: value for what, value in told.items() if value is not None}
