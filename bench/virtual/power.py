"""A battery that gives more while the phone's programs compute, as its gauge tells it.

Signs and units are the profile's: a gauge that reads "-287000" when idle reads "-574000" at
twice the current. Like real gauges it averages over a second, and it is never quite still.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Mapping
from pathlib import Path

from bench.virtual.processes import Processes
from bench.virtual.profile import Drain
from bench.virtual.tree import DUMPS
from bench.virtual.world import World

_STEP_S = 0.5
_FOLLOWED = 0.5  # share of a change that shows in one step
_NOISE = 0.01  # standard deviation, of the current

_BATTERY = f"/{DUMPS}/battery"
_SUPPLY = "/sys/class/power_supply/battery"
_TELLS_CURRENT = re.compile(r"(?m)^  current now: -?\d+$")


async def follow(world: World, processes: Processes, drain: Drain) -> None:
    """Keep what the phone tells of its battery true to what its programs do, for ever."""
    gauge = _Gauge(world, drain)
    used_s, then = processes.cpu_s(), time.monotonic()
    while True:
        await asyncio.sleep(_STEP_S)
        now_s, now = processes.cpu_s(), time.monotonic()
        gauge.tell(cores_busy(used_s, now_s, now - then))
        used_s, then = now_s, now


def cores_busy(before_s: Mapping[int, float], after_s: Mapping[int, float], wall_s: float) -> float:
    """How many cores the processes kept busy between two counts of their processor time."""
    spent = sum(seconds - before_s.get(pid, 0.0) for pid, seconds in after_s.items())
    return max(0.0, spent) / wall_s


class _Gauge:
    """The files that tell current and voltage, and how they told them when the phone was idle."""

    def __init__(self, world: World, drain: Drain) -> None:
        self._world = world
        self._drain = drain
        self._chance = random.Random(1)  # noqa: S311 - noise, no secret
        self._shown_ma = drain.idle_ma
        self._files = {
            name: int(text)
            for name in ("current_now", "voltage_now")
            if (text := _read(world, f"{_SUPPLY}/{name}")) is not None
        }
        self._dumped = dumped_values(_read(world, _BATTERY) or "")

    def tell(self, cores: float) -> None:
        drain = self._drain
        drawn_ma = drain.idle_ma + drain.core_ma * cores
        self._shown_ma += _FOLLOWED * (drawn_ma - self._shown_ma)
        told_ma = self._shown_ma * self._chance.gauss(1, _NOISE)
        times = told_ma / drain.idle_ma
        sag = (told_ma - drain.idle_ma) * drain.ohms / 1000 / 4  # of a battery of 4 V
        for name, idle in self._files.items():
            value = round(idle * (times if name == "current_now" else 1 - sag))
            self._world.rewrite(f"{_SUPPLY}/{name}", f"{value}\n".encode())
        if self._dumped is not None:
            current, voltage = self._dumped
            # Read anew each time: heat writes here too.
            text = _read(self._world, _BATTERY) or ""
            fresh = redumped(text, round(current * times), round(voltage * (1 - sag)))
            self._world.rewrite(_BATTERY, fresh.encode())


def dumped_values(text: str) -> tuple[int, int] | None:
    """Current and voltage in `dumpsys battery`; None where it does not tell the current."""
    current = re.search(r"(?m)^  current now: (-?\d+)$", text)
    voltage = re.search(r"(?m)^  voltage: (\d+)$", text)
    return None if current is None or voltage is None else (int(current[1]), int(voltage[1]))


def redumped(text: str, current: int, voltage: int) -> str:
    """The dump with another current and voltage."""
    text = _TELLS_CURRENT.sub(f"  current now: {current}", text, count=1)
    return re.sub(r"(?m)^  voltage: \d+$", f"  voltage: {voltage}", text, count=1)


def _read(world: World, path: str) -> str | None:
    try:
        return Path(world.locate(path, follow=True)).read_text("utf-8", errors="replace")
    except OSError:
        return None
