"""`dumpsys thermalservice` (Android 10 and later)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from bench.device.parse.text import lines_of, printable

_STATUS = re.compile(r"Thermal Status: ([0-6])")
_OVERRIDDEN = re.compile(r"IsStatusOverride: true")
_HAL = "Current temperatures from HAL:"
_SENSOR = re.compile(
    r"Temperature\{mValue=(-?[0-9.]{1,20}(?:E-?[0-9]{1,3})?), mType=(-?[0-9]{1,3}),"
    r" mName=(.{1,100}), mStatus=[0-9]{1,2}\}"
)
# AOSP's temperature types that are degrees. The others are volts, amperes and percent (6, 7,
# 8: Pixel's ocp_gpu is 11900), or differences of two sensors (-1: USB2-MINUS-QI).
_DEGREES = {0, 1, 2, 3, 4, 5, *range(9, 20)}


@dataclass(frozen=True, slots=True)
class Thermal:
    """`status` as PowerManager counts it, 0 none to 6 shutdown; 0 is no proof of cool."""

    status: int | None = None
    temps_c: dict[str, float] = field(default_factory=dict)


def parse_thermalservice(text: str) -> Thermal:
    """The status, and temperatures that the HAL gave just now.

    "Cached temperatures" are those of the last event, often hours old: never read.
    """
    lines = [line.strip() for line in lines_of(text)]
    told = [match for line in lines if (match := _STATUS.fullmatch(line))]
    overridden = any(_OVERRIDDEN.fullmatch(line) for line in lines)
    status = int(told[0][1]) if len(told) == 1 and not overridden else None
    sensors = _hal_sensors(lines)
    # Samsung's Sdhms counts types from one, so that its battery has AOSP's type of a skin.
    shift = 1 if any(kind == 3 and name == "TYPE_BATTERY" for _, kind, name in sensors) else 0
    temps: dict[str, float] = {}
    for value, kind, name in sensors:
        if kind - shift in _DEGREES and is_alive(value):
            temps.setdefault(printable(name), round(value, 3))
    return Thermal(status, temps)


def is_alive(celsius: float) -> bool:
    """Whether a sensor can mean it: dead ones say 0.0, -40, -99.9, -5700."""
    return math.isfinite(celsius) and celsius != 0.0 and -40.0 < celsius < 150.0


def _hal_sensors(lines: list[str]) -> list[tuple[float, int, str]]:
    if _HAL not in lines:
        return []
    sensors = []
    for line in lines[lines.index(_HAL) + 1 :]:
        if line.endswith(":"):
            break  # the next heading
        match = _SENSOR.fullmatch(line)
        if match is not None and (value := _number(match[1])) is not None:
            sensors.append((value, int(match[2]), match[3]))
    return sensors


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
