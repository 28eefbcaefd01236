"""/proc/meminfo, /proc/loadavg and /proc/version."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemInfo:
    total_kb: int | None = None
    available_kb: int | None = None  # kernels before 3.14 don't tell, and it can't be summed up


def parse_meminfo(text: str) -> MemInfo:
    return MemInfo(_kb(text, "MemTotal"), _kb(text, "MemAvailable"))


def parse_loadavg(text: str) -> float | None:
    """The average of the last minute."""
    number = r"[0-9]{1,6}\.[0-9]{2}"
    match = re.match(rf"\s*({number}) {number} {number} [0-9]+/[0-9]+ [0-9]+\s*$", text)
    return None if match is None else float(match[1])


def parse_kernel(text: str) -> str | None:
    """The release, from /proc/version or from `uname -r`."""
    match = re.match(r"\s*(?:Linux version )?([0-9][\w.+~-]{2,99})(?:\s|$)", text, re.ASCII)
    return None if match is None else match[1]


def _kb(text: str, name: str) -> int | None:
    match = re.search(rf"^{name}:\s+([0-9]{{1,12}}) kB\s*$", text, re.MULTILINE)
    return None if match is None else int(match[1])
