"""A phone that gets hot: what it tells of heat rises, and its programs really get slower.

The slowing is a duty cycle of SIGSTOP and SIGCONT, so that it needs no rights and holds for
any program.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from pathlib import Path

from bench.virtual.processes import Processes
from bench.virtual.tree import DUMPS
from bench.virtual.world import World

_STEP_S = 0.25  # between two sets of temperatures
_CYCLE_S = 0.020  # 12 ms running and 8 ms stopped slow a loop down by 1.9 to 2.4 (measured)

_THERMAL = f"/{DUMPS}/thermalservice"
_BATTERY = f"/{DUMPS}/battery"
_CPU = "/sys/devices/system/cpu/cpufreq"
_ZONES = "/sys/class/thermal"
# Types of Android's thermal service: CPU, GPU, skin, NPU; the battery warms by half.
_HOT_TYPES = {"0": 1.0, "1": 1.0, "3": 1.0, "9": 1.0, "2": 0.5}
_TEMPERATURE = re.compile(r"Temperature\{mValue=(-?[\d.]+), mType=(-?\d+), mName=(.*?), mStatus=\d")


@dataclass(frozen=True)
class Course:
    """How hot it gets, and how fast."""

    status: int  # Android's thermal status at the end of the rise
    rise_c: int
    stopped: float  # share of the time that programs stand still then
    over_s: float
    for_s: float  # from the order on; 0: until it is cleared


async def heat(world: World, processes: Processes, course: Course) -> None:
    """Rise along the course, stay there, and be as before in the end."""
    files = _Files(world)
    began = time.monotonic()
    next_step = began
    try:
        while not course.for_s or time.monotonic() < began + course.for_s:
            now = time.monotonic()
            share = min(1.0, (now - began) / course.over_s) if course.over_s else 1.0
            if now >= next_step:
                files.write(course, share)
                next_step = now + _STEP_S
            stopped_s = _CYCLE_S * course.stopped * share
            with processes.stopped():
                await asyncio.sleep(stopped_s)
            await asyncio.sleep(_CYCLE_S - stopped_s)
    finally:
        files.restore()


class _Files:
    """The files that tell of heat, as they were before."""

    def __init__(self, world: World) -> None:
        self._world = world
        zones = [
            f"{_ZONES}/{name}/temp"
            for name in _names(world, _ZONES, "thermal_zone")
            if _read(world, f"{_ZONES}/{name}/type") != "soc\n"  # the battery's charge
        ]
        self._policies = [f"{_CPU}/{name}" for name in _names(world, _CPU, "policy")]
        clocks = [
            f"{policy}/{name}"
            for policy in self._policies
            for name in ("scaling_max_freq", "scaling_cur_freq", "scaling_available_frequencies")
        ]
        texts = {path: _read(world, path) for path in (_THERMAL, _BATTERY, *zones, *clocks)}
        self._before = {path: text for path, text in texts.items() if text is not None}
        self._zones = [path for path in zones if path in self._before]
        self._told = dict(self._before)

    def write(self, course: Course, share: float) -> None:
        rise = course.rise_c * share
        status = int(course.status * share)
        if _THERMAL in self._before:
            self._tell(_THERMAL, hotter_thermalservice(self._before[_THERMAL], rise, status))
        if _BATTERY in self._before:
            self._tell(_BATTERY, hotter_battery(self._before[_BATTERY], rise / 2))
        for path in self._zones:
            self._tell(path, hotter_zone(self._before[path], rise))
        for policy in self._policies:
            self._cap(policy, 1 - course.stopped * share)

    def restore(self) -> None:
        for path, text in self._before.items():
            self._tell(path, text)

    def _cap(self, policy: str, part: float) -> None:
        listed = self._before.get(f"{policy}/scaling_available_frequencies", "").split()
        if not listed:
            return
        clocks = sorted(map(int, listed))
        cap = max([clock for clock in clocks if clock <= clocks[-1] * part] or clocks[:1])
        for name in ("scaling_max_freq", "scaling_cur_freq"):
            before = self._before.get(f"{policy}/{name}")
            if before is not None:
                self._tell(f"{policy}/{name}", f"{min(int(before), cap)}\n")

    def _tell(self, path: str, text: str) -> None:
        if self._told[path] != text:
            self._told[path] = text
            self._world.rewrite(path, text.encode())


def hotter_thermalservice(text: str, rise_c: float, status: int) -> str:
    """The dump with a status, and with the HAL's current temperatures raised.

    The cached ones stay, as on phones, which renew them only when a status changes.
    """
    text = re.sub(r"(?m)^Thermal Status: \d+", f"Thermal Status: {status}", text)
    head, mark, tail = text.partition("Current temperatures from HAL:")

    def hotter(hit: re.Match[str]) -> str:
        value, kind, name = hit.groups()
        if kind not in _HOT_TYPES or float(value) <= 0:  # no degrees, or no sensor there
            return hit[0]
        hot = float(value) + rise_c * _HOT_TYPES[kind]
        told = status if kind == "3" else 0
        return f"Temperature{{mValue={hot:.3f}, mType={kind}, mName={name}, mStatus={told}"

    return head + mark + _TEMPERATURE.sub(hotter, tail)


def hotter_battery(text: str, rise_c: float) -> str:
    """`dumpsys battery` at a higher temperature, which it tells in tenths of a degree."""

    def hotter(hit: re.Match[str]) -> str:
        return f"{hit[1]}{int(hit[2]) + round(rise_c * 10)}"

    return re.sub(r"(?m)^(  temperature: )(\d+)$", hotter, text, count=1)


def hotter_zone(text: str, rise_c: float) -> str:
    """A zone's file: its kernel tells degrees, tenths or thousandths, which the size shows."""
    try:
        value = int(text)
    except ValueError:
        return text
    unit = 1000 if value >= 10_000 else 10 if value >= 200 else 1
    return f"{value + round(rise_c * unit)}\n" if value > 0 else text


def _names(world: World, folder: str, start: str) -> list[str]:
    try:
        return sorted(
            path.name
            for path in Path(world.locate(folder)).iterdir()
            if path.name.startswith(start)
        )
    except OSError:
        return []


def _read(world: World, path: str) -> str | None:
    try:
        return Path(world.locate(path, follow=True)).read_text("utf-8", errors="replace")
    except OSError:
        return None
