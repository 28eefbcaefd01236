"""What a battery's gauge tells of current and voltage, and whether it tells a consumption.

Makers agree neither on the unit nor on the sign of the current. So the unit is taken from the
largest reading of a whole pass, and the direction from what Android says of the battery.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from bench.device.parse.text import lines_of

Source = Literal["power_supply", "dumpsys"]

# A phone that computes draws more than 20 mA from its battery, and not 4 A for long (16 W). So
# up to 4000 it counts in mA (Samsung, old fuel gauges), and from 20000 on in uA (the kernel's
# rule; Qualcomm, Tensor). Tenths of a mA, as some old MediaTek kernels have them, look like mA.
_LARGEST_IN_MA = 4_000
_SMALLEST_IN_UA = 20_000
_LARGEST_IN_UA = 20_000_000
_SMALLEST_VOLTS_IN_UV = 100_000  # below it is mV

_FILE = re.compile(r".*/(current_now|voltage_now): ?(-?[0-9]{1,12})")
_DUMP = re.compile(r"dumpsys (current now|voltage): ?(-?[0-9]{1,12})")
_CURRENT = ("current_now", "current now")
_PLUGGED = re.compile(r"\s*(AC|USB|Wireless|Dock|MOD) powered: ?true\s*", re.IGNORECASE)
_STATUS = re.compile(r"\s*status: ?([0-9])\s*")
_FEEDING = {"2": "charges", "5": "is full and on its charger"}


def parse_gauge(lines: Sequence[str]) -> tuple[Source | None, int | None, float | None]:
    """Who tells, the current as it stands there, and the voltage in mV, of one reading."""
    source: Source | None = None
    current: int | None = None
    voltage_mv: float | None = None
    for line in lines:
        match = _FILE.fullmatch(line.strip()) or _DUMP.fullmatch(line.strip())
        if match is None:
            continue
        value = int(match[2])
        if match[1] in _CURRENT and current is None:
            current = value
            source = "power_supply" if match[1] == "current_now" else "dumpsys"
        elif match[1] not in _CURRENT and voltage_mv is None:
            voltage_mv = _millivolts(value)
    return source, current, voltage_mv


def ma_per_unit(currents: Sequence[int]) -> float | None:
    """What one unit of these readings is in mA; None where they leave it open."""
    largest = max(map(abs, currents), default=0)
    if 0 < largest <= _LARGEST_IN_MA:
        return 1.0
    return 0.001 if _SMALLEST_IN_UA <= largest <= _LARGEST_IN_UA else None


def why_fed(battery: str) -> str | None:
    """Why what leaves the battery is not all that the phone consumes, by `dumpsys battery`."""
    if "UPDATES STOPPED" in battery:
        return "what the phone says of its battery was set by hand; `dumpsys battery reset`"
    status = None
    for line in lines_of(battery):
        if plugged := _PLUGGED.fullmatch(line):
            return f"the phone is on {plugged[1]} power, not on its battery alone"
        if status is None and (match := _STATUS.fullmatch(line)):
            status = match[1]
    return f"the battery {_FEEDING[status]}" if status in _FEEDING else None


def _millivolts(value: int) -> float | None:
    """A phone's battery has 2 to 10 V."""
    millivolts = value / 1000 if value >= _SMALLEST_VOLTS_IN_UV else float(value)
    return millivolts if 2_000 <= millivolts <= 10_000 else None
