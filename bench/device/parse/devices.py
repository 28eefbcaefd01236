"""The list of phones that an adb server keeps: `host:devices-l`, `adb devices [-l]`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bench.device.parse.text import lines_of

_STATES = (
    "device|offline|unauthorized|authorizing|connecting|recovery|rescue|sideload"
    "|bootloader|host|detached|unknown"
)
# A serial may hold spaces (mDNS: "adb-X (2)._adb-tls-connect._tcp"), so the state is the
# last such word before the properties.
_LINE = re.compile(rf"(?P<serial>\S.*?)[\t ]+(?P<state>{_STATES})(?P<rest>(?:[\t ]+\w+:\S*)*)\s*")
_NO_PERMISSIONS = re.compile(r"(?P<serial>\S.*?)[\t ]+no permissions\b(?P<rest>.*)")
_NOISE = re.compile(r"\*|adb server |List of devices attached")
_LONGEST_LINE = 2000


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list. `properties` has product, model, device, usb, where told."""

    serial: str
    state: str  # "device": usable; "no permissions" is one state too
    transport_id: int | None = None
    properties: dict[str, str] = field(default_factory=dict)


def parse_devices(text: str) -> list[Listed]:
    """All phones in the list; lines that say something else are passed over."""
    found = [_parse_line(line.rstrip()) for line in lines_of(text)]
    return [listed for listed in found if listed is not None]


def _parse_line(line: str) -> Listed | None:
    if len(line) > _LONGEST_LINE or _NOISE.match(line):
        return None
    match = _NO_PERMISSIONS.fullmatch(line)
    state = "no permissions"
    if match is None:
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        state = match["state"]
    properties = dict(re.findall(r"(?:^|\s)(\w+):(\S+)", match["rest"]))
    number = properties.pop("transport_id", "")
    transport_id = int(number) if re.fullmatch(r"[0-9]{1,18}", number) else None
    return Listed(match["serial"], state, transport_id, properties)
