"""/sys/class/thermal: one `type: temp` a line, for phones before Android 10."""

from __future__ import annotations

import re

from bench.device.parse.text import lines_of, printable

_LINE = re.compile(r"(.{1,64}): ?(-?[0-9]{1,9})")
_TEMPERATURE = re.compile(
    r"cpu|gpu|g3d|npu|tpu|isp|^big$|^mid$|^little$|cluster|tsens|skin|quiet|batter|^bms$"
    r"|therm|thmzone|_tz$|-usr$|^mtkts|^mt[0-9]{4}ts|ddr|^ap$"
)
# Volts, amperes, percent and steps under names that look like the above. Only the "step"
# zones of cores are temperatures (gpu-skin-avg-step reads 7600 in a warm room).
_OTHER = re.compile(r"bcl|ibat|vbat|vph|lvl|volt|curr|power|cycle|count|percent|^soc$|-step$")
_CORE_STEP = re.compile(r"^cpu.*-step$")


def parse_zones(text: str) -> dict[str, float]:
    """Degrees Celsius by zone type, where both the type and the unit are beyond doubt."""
    temps: dict[str, float] = {}
    doubtful: set[str] = set()
    for line in lines_of(text):
        match = _LINE.fullmatch(line.strip())
        if match is None or not _is_temperature(match[1].lower()):
            continue
        celsius = _celsius(int(match[2]))
        name = printable(match[1])
        if celsius is not None and temps.setdefault(name, celsius) != celsius:
            doubtful.add(name)  # two zones of one type
    return {name: celsius for name, celsius in temps.items() if name not in doubtful}


def _is_temperature(kind: str) -> bool:
    if _CORE_STEP.search(kind):
        return True
    return bool(_TEMPERATURE.search(kind)) and not _OTHER.search(kind)


def _celsius(value: int) -> float | None:
    """The unit by magnitude, zone by zone, since one phone mixes them.

    Thousandths, tenths and whole degrees of any plausible temperature don't overlap, except
    in the gaps: 100 is a dead tsens as well as 10.0 or 100 degrees, 3986 may be millivolts.
    """
    if 10_000 <= value <= 125_000:
        return value / 1000
    if 126 <= value <= 999:
        return value / 10
    if 11 <= value <= 99:
        return float(value)
    return None
