"""`dumpsys battery`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.device.parse.text import lines_of

# Whole lines only: HyperOS prints sentences with "level" and "voltage" in them, Motorola a
# "mod level", Samsung a second "charge counter".
_LINE = re.compile(
    r"\s*(level|scale|voltage|temperature|status|present): ?(-?[0-9]{1,9}|true|false)"
)
_CHARGING = {2: True, 3: False, 4: False, 5: False}  # 1 is "unknown", 5 is "full"


@dataclass(frozen=True, slots=True)
class Battery:
    level: int | None = None  # percent
    temp_c: float | None = None
    charging: bool | None = None


def parse_battery(text: str) -> Battery:
    """What the first line of each kind says; nothing of a dump that is known to be made up."""
    if "UPDATES STOPPED" in text:  # after `dumpsys battery set` or `unplug` all of it is frozen
        return Battery()
    values: dict[str, str] = {}
    for line in lines_of(text):
        if match := _LINE.fullmatch(line.rstrip()):
            values.setdefault(match[1], match[2])
    if values.get("present") == "false":
        return Battery()
    numbers = {key: int(value) for key, value in values.items() if value not in ("true", "false")}
    if 0 < numbers.get("voltage", 0) < 1000:  # a TV box without a battery says constants: 13
        return Battery()
    return Battery(
        level=_level(numbers.get("level"), numbers.get("scale", 100)),
        temp_c=_temp(numbers.get("temperature")),
        charging=_CHARGING.get(numbers.get("status", 0)),
    )


def _level(level: int | None, scale: int) -> int | None:
    if level is None or scale <= 0 or not 0 <= level <= scale:
        return None
    return round(100 * level / scale)


def _temp(tenths: int | None) -> float | None:
    """0 and what no battery survives are sensors that are not there.

    10 to 99 is next to freezing in tenths, and a warm battery where whole degrees are told.
    """
    if tenths is None or tenths == 0 or 10 <= tenths <= 99 or not -300 < tenths < 1000:
        return None
    return tenths / 10
